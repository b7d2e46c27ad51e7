//! The message itself: DATA and BDAT.

use super::session::{AnswersWanted, Due, Phase, Session};
use super::{BodyEnd, Event};
use crate::Flavour;
use crate::body::{Bounds, Decoder, Framing};
use crate::command::Bdat;

impl Session {
    fn decoder(&self, framing: Framing) -> Box<Decoder> {
        let settings = &self.settings;
        let bounds = Bounds {
            size: self.size_limit(),
            line: settings.limits.data_line,
            bare_newline: settings.bare_newline,
        };
        Box::new(Decoder::new(framing, bounds))
    }

    /// After the 354.
    pub(super) fn begin_body(&mut self) {
        self.phase = Phase::Body(self.decoder(Framing::Dots));
    }

    pub(super) fn body(&mut self) -> Event {
        let Phase::Body(decoder) = &mut self.phase else { return Event::NeedInput };
        let unread = self.input.unread();
        let mut out = Vec::new();
        if decoder.is_clean() {
            out.reserve_exact(unread.len());
        }
        let (taken, has_ended) = decoder.decode(unread, &mut out);
        let end = decoder.verdict();
        self.input.take(taken);
        if has_ended {
            self.phase = Phase::Ended(end, AnswersWanted::EachRecipient);
        }
        match (out.is_empty(), has_ended) {
            (false, _) => Event::Body(out),
            (true, true) => self.body_end(end, AnswersWanted::EachRecipient),
            (true, false) => Event::NeedInput,
        }
    }

    pub(super) fn body_end(&mut self, end: BodyEnd, wanted: AnswersWanted) -> Event {
        self.phase = Phase::Ready;
        let left = match (self.settings.flavour, wanted) {
            (Flavour::Lmtp, AnswersWanted::EachRecipient) => self.recipients(),
            _ => 1,
        };
        self.due = Due::BodyEnd { end, left };
        Event::BodyEnd(end)
    }

    /// A BDAT that fits where it stands.
    pub(super) fn next_chunk(&mut self, bdat: Bdat) -> Option<Event> {
        if let Some(decoder) = self.chunks.take() {
            self.phase = Phase::Chunk(decoder, bdat);
            return None;
        }
        self.due = Due::Bdat(bdat);
        Some(Event::Data)
    }

    /// The driver wants the first chunk and those that follow.
    pub(super) fn begin_chunks(&mut self, bdat: Bdat) {
        let mut framing = Framing::Chunks;
        if let Some(transaction) = &mut self.transaction {
            transaction.is_chunked = true;
            if transaction.is_binary {
                framing = Framing::Binary;
            }
        }
        self.phase = Phase::Chunk(self.decoder(framing), bdat);
    }

    pub(super) fn chunk(&mut self) -> Option<Event> {
        let Phase::Chunk(decoder, bdat) = &mut self.phase else { return None };
        let unread = self.input.unread();
        if unread.is_empty() && bdat.octets > 0 {
            return Some(Event::NeedInput);
        }
        let ours = usize::try_from(bdat.octets).map_or(unread.len(), |left| left.min(unread.len()));
        let mut out = Vec::new();
        if decoder.is_clean() {
            out.reserve_exact(ours);
        }
        decoder.decode(&unread[..ours], &mut out);
        bdat.octets -= ours as u64;
        let has_ended = bdat.octets == 0;
        if has_ended && bdat.last {
            decoder.finish(&mut out);
        }
        self.input.take(ours);
        if has_ended {
            self.end_chunk();
        }
        (!out.is_empty()).then_some(Event::Body(out))
    }

    fn end_chunk(&mut self) {
        let Phase::Chunk(decoder, bdat) = std::mem::replace(&mut self.phase, Phase::Ready) else { return };
        let end = decoder.verdict();
        if bdat.last {
            self.phase = Phase::Ended(end, AnswersWanted::EachRecipient);
        } else if end == BodyEnd::Complete {
            self.chunks = Some(decoder);
            // rfc3030 §2: every chunk has its answer.
            self.say("250 2.0.0 Chunk received\r\n");
        } else {
            // rfc3030 §2: a failed chunk fails the transaction; what comes behind it is thrown away.
            self.phase = Phase::Ended(end, AnswersWanted::One);
        }
    }

    /// Takes the octets of a chunk, then writes `answer`.
    pub(super) fn discard_chunk(&mut self, bdat: Bdat, answer: Vec<u8>) {
        let before = std::mem::replace(&mut self.phase, Phase::Ready);
        self.phase = Phase::Discard { left: bdat.octets, answer, before: Box::new(before) };
    }

    pub(super) fn discard(&mut self) -> Option<Event> {
        let Phase::Discard { left, .. } = &mut self.phase else { return None };
        let unread = self.input.unread().len();
        if unread == 0 && *left > 0 {
            return Some(Event::NeedInput);
        }
        let ours = usize::try_from(*left).map_or(unread, |left| left.min(unread));
        *left -= ours as u64;
        let is_done = *left == 0;
        self.input.take(ours);
        if is_done
            && let Phase::Discard { answer, before, .. } = std::mem::replace(&mut self.phase, Phase::Ready)
        {
            self.phase = *before;
            self.output.extend_from_slice(&answer);
            self.count_line(&answer);
        }
        None
    }
}
