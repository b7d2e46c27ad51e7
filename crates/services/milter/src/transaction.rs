//! What MAIL begins and the answer to the message ends: one transaction and its recipients.

use std::time::Instant;

use postern_gate::{Judged, Known, Placement, Seen};
use postern_store::{AccountId, BodyWriter, TracedRecipient};
use postern_types::{Refusal, ReversePath, TraceId};

use crate::correspondents::Author;

/// One transaction of the MTA.
pub(crate) struct Transaction {
    pub(crate) trace: TraceId,
    pub(crate) began: Instant,
    pub(crate) sender: ReversePath,
    /// Anybody, until it is known better.
    pub(crate) author: Author,
    pub(crate) recipients: Vec<Recipient>,
    /// Recipients that were refused, for the trace.
    pub(crate) refused: Vec<TracedRecipient>,
    /// Their verdicts, where the judgement refused them.
    pub(crate) refused_by: Vec<Judged>,
    /// What the last recipient was judged on.
    pub(crate) seen: Seen,
    /// The last refusal, for the outcome if nothing better comes.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) message: Message,
}

/// A recipient to which this service has not said no.
pub(crate) struct Recipient {
    /// Every way in which the MTA named it: so it must be named to take it out of the envelope.
    pub(crate) named: Vec<Vec<u8>>,
    /// The account of ours behind it, where there is one.
    pub(crate) account: Option<AccountId>,
    pub(crate) judged: Judged,
}

/// The message as it comes in.
#[derive(Default)]
pub(crate) struct Message {
    pub(crate) size: u64,
    /// The header, in CRLF lines; complete when the body comes.
    pub(crate) header: Vec<u8>,
    pub(crate) stage: Intake,
    /// Whether MAIL had ESMTP parameters.
    pub(crate) extended: bool,
}

/// How far the message has come.
#[derive(Default)]
pub(crate) enum Intake {
    /// The header is being collected.
    #[default]
    Header,
    /// The header is larger than the limit; nothing more of it is kept.
    HeaderTooLarge,
    /// The header was judged. With a writer where a copy is kept, or may be.
    Body(Known, Option<BodyWriter>),
}

impl Transaction {
    pub(crate) fn new(trace: TraceId, sender: ReversePath) -> Self {
        Self {
            trace,
            began: Instant::now(),
            sender,
            author: Author::Anybody,
            recipients: Vec::new(),
            refused: Vec::new(),
            refused_by: Vec::new(),
            seen: Seen::default(),
            refusal: None,
            message: Message::default(),
        }
    }

    /// Whether any recipient's copy is kept here.
    pub(crate) fn keeps(&self) -> bool {
        self.recipients.iter().any(Recipient::is_kept)
    }

    /// Whether any recipient's copy goes to the MTA.
    pub(crate) fn passes(&self) -> bool {
        self.recipients.iter().any(|recipient| !recipient.is_kept())
    }

    /// Adds a recipient; one that is there already is not there twice. In the MTA's envelope it may be, written
    /// otherwise (`<bob@example.org>`, `<bob@EXAMPLE.ORG>`): all of that is withdrawn if any of it is.
    pub(crate) fn add(&mut self, recipient: Recipient) {
        match self.recipients.iter_mut().find(|known| known.judged.address == recipient.judged.address) {
            None => self.recipients.push(recipient),
            Some(known) => {
                let new = recipient.named.into_iter().filter(|name| !known.named.contains(name));
                let new: Vec<_> = new.collect();
                known.named.extend(new);
            }
        }
    }

    /// Remembers a refused recipient.
    pub(crate) fn note_refused(&mut self, address: String, refusal: &Refusal) {
        self.refused.push(TracedRecipient { address, verdict: refusal.reply.to_string() });
        self.refusal = Some(refusal.clone());
    }

    /// All recipients that were judged.
    pub(crate) fn judged(&self) -> impl Iterator<Item = &Judged> {
        let open = self.recipients.iter().map(|recipient| &recipient.judged);
        open.chain(&self.refused_by)
    }
}

impl Recipient {
    pub(crate) fn is_kept(&self) -> bool {
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
}
