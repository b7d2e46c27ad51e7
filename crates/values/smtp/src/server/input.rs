//! What the client sent and nobody has read yet; command lines are cut off it.

use memchr::{memchr, memchr2};

use crate::BareNewline;

/// Buffers of idle sessions are given back when they are larger than this.
const KEPT_CAPACITY: usize = 4096;

/// Octets in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Input {
    octets: Vec<u8>,
    start: usize,
    /// A line too long to be kept is being passed over.
    is_skipping: bool,
}

/// What stands at the front.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// No end of line yet.
    Partial,
    /// A line, without its end.
    Whole(&'a [u8]),
    /// A line over the limit; it is gone.
    TooLong,
    /// A line with a CR or LF that stands alone.
    BareNewline,
}

impl Input {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.octets.drain(..self.start);
            self.start = 0;
        }
        self.octets.extend_from_slice(bytes);
    }

    /// What has not been read.
    pub(super) fn unread(&self) -> &[u8] {
        &self.octets[self.start..]
    }

    /// Marks `octets` as read. Ten thousand idle sessions keep no large buffers.
    pub(super) fn take(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.octets.len());
        if self.start == self.octets.len() {
            self.start = 0;
            if self.octets.capacity() > KEPT_CAPACITY {
                self.octets = Vec::new();
            } else {
                self.octets.clear();
            }
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next line of at most `limit` octets, its end included. Keeps at most `limit` octets of a
    /// line that is not whole. The line is still unread; [`Input::take`] the second value when done.
    pub(super) fn line(&mut self, limit: usize, bare_newline: BareNewline) -> (Line<'_>, usize) {
        let Some(end) = memchr(b'\n', self.unread()) else {
            if self.is_skipping || self.unread().len() >= limit {
                self.is_skipping = true;
                self.take(usize::MAX);
            }
            return (Line::Partial, 0);
        };
        let length = end + 1;
        if std::mem::take(&mut self.is_skipping) || length > limit {
            return (Line::TooLong, length);
        }
        let before = &self.octets[self.start..self.start + end];
        let line = match (before.split_last(), bare_newline) {
            (Some((b'\r', line)), _) => line,
            (_, BareNewline::Normalise) => before,
            (_, BareNewline::Refuse) => return (Line::BareNewline, length),
        };
        if memchr2(b'\r', b'\n', line).is_some() {
            (Line::BareNewline, length)
        } else {
            (Line::Whole(line), length)
        }
    }
}
