//! What MAIL begins and the answer to the message ends: one transaction and its recipients.

use std::time::Instant;

use postern_message::HeaderCollector;
use postern_policy::{RecipientVerdict, Verdict};
use postern_smtp::command::{Mail, Rcpt};
use postern_store::{AccountId, BodyWriter, TracedRecipient};
use postern_types::{Address, Refusal, TraceId};

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
    pub(crate) refused_by: Vec<RecipientVerdict>,
    /// The last refusal, for the outcome if nothing better comes.
    pub(crate) refusal: Option<Refusal>,
    /// The MTA behind, once a recipient of its domain was accepted.
    pub(crate) upstream: Option<Behind>,
    /// The message, once DATA was answered.
    pub(crate) message: Option<Message>,
}

/// The MTA behind, with this transaction open there.
pub(crate) struct Behind {
    pub(crate) route: String,
    pub(crate) session: Upstream,
}

/// A recipient that was answered 250.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) rcpt: Rcpt,
    /// The address; for the bare `<Postmaster>`, with our own name.
    pub(crate) address: Address,
    pub(crate) destination: Destination,
    pub(crate) verdict: Verdict,
    /// Whether the verdict keeps the copy in quarantine.
    pub(crate) placement: Placement,
}

/// Where a recipient's mail belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Mailboxes(Vec<AccountId>),
    Upstream,
}

/// Where this message goes for a recipient. Ordered from mild to hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Placement {
    /// To its destination.
    Deliver,
    /// To its destination, marked.
    Tag,
    /// Into the quarantine, whatever the destination.
    Quarantine,
}

/// The message as it comes in.
pub(crate) struct Message {
    pub(crate) began: Instant,
    pub(crate) size: u64,
    pub(crate) header: HeaderCollector,
    pub(crate) stage: Intake,
}

/// How far the message has come.
pub(crate) enum Intake {
    /// The header is being collected; nothing has been passed on.
    Header,
    /// The header was judged; the rest streams on.
    Streaming(Sinks),
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
            refusal: None,
            upstream: None,
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

    /// Remembers a refused recipient.
    pub(crate) fn note_refused(&mut self, address: String, refusal: &Refusal) {
        self.refused.push(TracedRecipient { address, verdict: refusal.reply.to_string() });
        self.refusal = Some(refusal.clone());
    }
}

impl Recipient {
    pub(crate) fn is_stored(&self) -> bool {
        self.placement == Placement::Quarantine || self.destination != Destination::Upstream
    }
}
