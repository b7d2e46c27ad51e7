//! What MAIL begins and the answer to the message ends: one transaction and its recipients.

use std::time::{Duration, Instant};

use postern_gate::{Judged, Placement, Seen};
use postern_message::HeaderCollector;
use postern_smtp::command::{Mail, Rcpt};
use postern_store::{AccountId, BodyWriter, TracedRecipient};
use postern_types::{Refusal, TraceId};

use crate::upstream::Upstream;

/// One transaction.
pub(crate) struct Transaction {
    pub(crate) trace: TraceId,
    pub(crate) began: Instant,
    pub(crate) mail: Mail,
    pub(crate) recipients: Vec<Recipient>,
    /// Recipients that were refused, for the trace.
    pub(crate) refused: Vec<TracedRecipient>,
    /// Their verdicts, where the judgement refused them.
    pub(crate) refused_by: Vec<Judged>,
    /// What the last recipient was judged on.
    pub(crate) seen: Seen,
    /// The last refusal, for the outcome if nothing better comes.
    pub(crate) refusal: Option<Refusal>,
    /// The MTA behind, once a recipient of its domain was accepted.
    pub(crate) upstream: Option<Behind>,
    /// Why the MTA behind was lost with recipients that it had accepted: from then on nothing can be
    /// promised for them, and the transaction must not be accepted.
    pub(crate) lost: Option<Refusal>,
    /// The message, once DATA was answered.
    pub(crate) message: Option<Message>,
}

/// The MTA behind, with this transaction open there.
pub(crate) struct Behind {
    pub(crate) route: String,
    pub(crate) session: Upstream,
    /// Recipients that this session there has accepted.
    pub(crate) announced: usize,
}

/// A recipient that was answered 250.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) rcpt: Rcpt,
    pub(crate) destination: Destination,
    /// What was decided for it. Its address is for the bare `<Postmaster>` the one with our own name.
    pub(crate) judged: Judged,
}

/// Where a recipient's mail belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Mailboxes(Vec<AccountId>),
    Upstream,
}

/// The message as it comes in.
pub(crate) struct Message {
    /// How long the client has been waited for; not the time that we or the MTA took.
    pub(crate) waited: Duration,
    /// When the client was heard last: since then it may be waiting for us.
    pub(crate) heard: Instant,
    pub(crate) size: u64,
    pub(crate) header: HeaderCollector,
    /// Whether it waits here until its signatures have been checked.
    pub(crate) held: bool,
    pub(crate) stage: Intake,
}

/// How far the message has come.
pub(crate) enum Intake {
    /// The header is being collected; nothing has been passed on.
    Header,
    /// The header was judged; the rest streams on.
    Streaming(Sinks),
    /// It has signatures that want the body: all of it is kept, and judged at its end.
    Held(BodyWriter),
    /// It will be refused at its end; what still comes is thrown away.
    Refused(Refusal),
}

/// Where the message streams to. At least one of the two.
pub(crate) struct Sinks {
    pub(crate) body: Option<BodyWriter>,
    /// Whether the MTA behind answered DATA with 354.
    pub(crate) upstream: bool,
}

impl Transaction {
    pub(crate) fn new(trace: TraceId, mail: Mail) -> Self {
        Self {
            trace,
            began: Instant::now(),
            mail,
            recipients: Vec::new(),
            refused: Vec::new(),
            refused_by: Vec::new(),
            seen: Seen::default(),
            refusal: None,
            upstream: None,
            lost: None,
            message: None,
        }
    }

    /// Whether any recipient's copy is kept here: in a mailbox or in quarantine.
    pub(crate) fn stores(&self) -> bool {
        self.recipients.iter().any(Recipient::is_stored)
    }

    /// Whether any recipient's copy goes to the MTA behind.
    pub(crate) fn relays(&self) -> bool {
        self.recipients.iter().any(|recipient| !recipient.is_stored())
    }

    /// How many recipients the MTA behind must have accepted.
    pub(crate) fn relayed_recipients(&self) -> usize {
        self.recipients.iter().filter(|recipient| !recipient.is_stored()).count()
    }

    /// The session with the MTA behind is gone. With it goes what it had accepted, and so the transaction,
    /// if there was anything.
    pub(crate) fn lose_upstream(&mut self, refusal: &Refusal) {
        self.upstream = None;
        if self.relays() {
            self.lost = Some(refusal.clone());
        }
    }

    /// All recipients that were judged.
    pub(crate) fn judged(&self) -> impl Iterator<Item = &Judged> {
        let open = self.recipients.iter().map(|recipient| &recipient.judged);
        open.chain(&self.refused_by)
    }

    /// Remembers a refused recipient.
    pub(crate) fn note_refused(&mut self, address: String, refusal: &Refusal) {
        self.refused.push(TracedRecipient { address, verdict: refusal.reply.to_string() });
        self.refusal = Some(refusal.clone());
    }
}

impl Recipient {
    pub(crate) fn is_stored(&self) -> bool {
        self.is_quarantined() || self.destination != Destination::Upstream
    }

    pub(crate) fn is_quarantined(&self) -> bool {
        self.judged.placement == Placement::Quarantine
    }
}

impl postern_gate::Recipient for Recipient {
    fn judged(&self) -> &Judged {
        &self.judged
    }

    fn judged_mut(&mut self) -> &mut Judged {
        &mut self.judged
    }

    /// The MTA behind was not told of a recipient who was to be kept from it.
    fn is_too_late(&self) -> bool {
        self.destination == Destination::Upstream && self.is_quarantined()
    }
}
