//! The protocol's state machine behind a gate: the `250` to a message needs a proof.
//!
//! [`Protocol`] forwards what a session may do freely. The one thing that it may not is to say that a
//! message is safe: that takes a [`Proof`], and a proof is made only of a [`Durable`] (which only a
//! synced commit of the store makes) or a [`Relayed`] (which only the MTA's own 250 makes). So losing
//! mail by answering early does not compile:
//!
//! ```compile_fail
//! fn forge(trace: postern_types::TraceId) -> postern_store::Durable {
//!     postern_store::Durable { trace, placed: Vec::new() } // its fields are private: the only error here
//! }
//! ```

use std::sync::Arc;

use postern_smtp::Extensions;
use postern_smtp::server::{Early, Event, Session, Settings};
use postern_store::Durable;
use postern_types::{Refusal, Reply, TraceId};

use crate::upstream::Relayed;

/// That a message is safe, for all recipients that were accepted.
#[derive(Debug)]
#[must_use]
pub(crate) enum Proof {
    /// In our store.
    Stored(Durable),
    /// With the MTA behind.
    Relayed(Relayed),
    /// For some recipients in our store, for the others with the MTA behind.
    Both(Durable, Relayed),
}

impl Proof {
    /// What the client reads.
    fn reply(&self, trace: TraceId) -> Reply {
        // The MTA's own words, so that its queue id can be found from the sender's log.
        let text = match self {
            Self::Stored(durable) => format!("OK, stored as {}", durable.trace()),
            Self::Relayed(relayed) => format!("{} ({trace})", relayed.reply().lines()[0]),
            Self::Both(durable, relayed) => format!("{} ({})", relayed.reply().lines()[0], durable.trace()),
        };
        Reply::new(250, Some((2, 0, 0)), text)
    }
}

/// One session's state machine.
pub(crate) struct Protocol(Session);

impl Protocol {
    pub(crate) fn new(settings: Arc<Settings>, extensions: Extensions) -> Self {
        Self(Session::new(settings, extensions))
    }

    /// Whose the refusals are that the protocol gives by itself.
    pub(crate) fn identify(&mut self, trace: TraceId) {
        self.0.identify(trace.to_string());
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.0.receive(bytes);
    }

    pub(crate) fn next(&mut self) -> Event {
        self.0.next()
    }

    pub(crate) fn welcome(&mut self) {
        self.0.welcome();
    }

    pub(crate) fn reply(&mut self, reply: &Reply) {
        self.0.reply(reply);
    }

    pub(crate) fn refuse(&mut self, refusal: &Refusal) {
        self.0.refuse(refusal);
    }

    pub(crate) fn proceed(&mut self) {
        self.0.proceed();
    }

    pub(crate) fn abort(&mut self, refusal: &Refusal) {
        self.0.abort(refusal);
    }

    pub(crate) fn tls_started(&mut self, extensions: Extensions) {
        self.0.tls_started(extensions);
    }

    pub(crate) fn offer(&mut self, extensions: Extensions) {
        self.0.offer(extensions);
    }

    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        self.0.output()
    }

    pub(crate) fn early(&self) -> Early {
        self.0.early()
    }

    /// Answers the end of the message: it is safe. With LMTP, for every recipient (RFC 2033 §4.2).
    /// Returns what was said.
    pub(crate) fn accept(&mut self, proof: &Proof, trace: TraceId) -> Reply {
        let reply = proof.reply(trace);
        for _ in 0..self.0.answers_due() {
            self.0.accepted(&reply);
        }
        reply
    }

    /// Answers the end of the message: it is refused. With LMTP, for every recipient.
    pub(crate) fn refuse_message(&mut self, refusal: &Refusal) {
        for _ in 0..self.0.answers_due() {
            self.0.refuse(refusal);
        }
    }
}
