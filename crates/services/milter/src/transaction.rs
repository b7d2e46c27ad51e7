//! What MAIL begins and the answer to the message ends: one transaction and its recipients.

use std::sync::Arc;
use std::time::Instant;

use postern_policy::{Action, Evidence, Profile, RecipientVerdict, Stage, Verdict};
use postern_store::{AccountId, BodyWriter, TracedRecipient};
use postern_types::{Address, Refusal, ReversePath, TraceId};

use crate::judgement::Known;

/// One transaction of the MTA.
pub(crate) struct Transaction {
    pub(crate) trace: TraceId,
    pub(crate) began: Instant,
    pub(crate) sender: ReversePath,
    pub(crate) recipients: Vec<Recipient>,
    /// Recipients that were refused, for the trace.
    pub(crate) refused: Vec<TracedRecipient>,
    /// Their verdicts, where the judgement refused them.
    pub(crate) refused_by: Vec<Judged>,
    /// What the last recipient was judged on.
    seen: Option<Arc<Evidence>>,
    /// The last refusal, for the outcome if nothing better comes.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) message: Message,
}

/// A verdict, and what it was reached on.
pub(crate) struct Judged {
    recipient: String,
    pub(crate) verdict: Verdict,
    seen: Arc<Evidence>,
}

/// A recipient to which this service has not said no.
pub(crate) struct Recipient {
    /// Every way in which the MTA named it: so it must be named to take it out of the envelope.
    pub(crate) named: Vec<Vec<u8>>,
    pub(crate) address: Address,
    /// The account of ours behind it, where there is one.
    pub(crate) account: Option<AccountId>,
    pub(crate) profile: Profile,
    pub(crate) verdict: Verdict,
    /// What it was judged on at RCPT.
    seen: Arc<Evidence>,
    pub(crate) placement: Placement,
}

/// Where this message goes for a recipient. Ordered from mild to hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Placement {
    /// The MTA delivers it.
    Deliver,
    /// The MTA delivers it, marked.
    Tag,
    /// It is taken from the MTA, into the quarantine.
    Quarantine,
}

impl Placement {
    /// Where a verdict puts the copy, if the message is not refused for everybody.
    pub(crate) fn of(verdict: &Verdict) -> Self {
        match verdict.action {
            Action::Deliver => Self::Deliver,
            Action::Tag => Self::Tag,
            Action::Quarantine | Action::Refuse(_) => Self::Quarantine,
        }
    }
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
            recipients: Vec::new(),
            refused: Vec::new(),
            refused_by: Vec::new(),
            seen: None,
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
        match self.recipients.iter_mut().find(|known| known.address == recipient.address) {
            None => self.recipients.push(recipient),
            Some(known) => {
                let new = recipient.named.into_iter().filter(|name| !known.named.contains(name));
                let new: Vec<_> = new.collect();
                known.named.extend(new);
            }
        }
    }

    /// Remembers what a recipient is judged on; recipients that are judged on the same share it.
    pub(crate) fn judged_on(&mut self, evidence: &Evidence) -> Arc<Evidence> {
        match &self.seen {
            Some(seen) if seen.tells_the_same(evidence, Stage::Rcpt) => Arc::clone(seen),
            _ => Arc::clone(self.seen.insert(Arc::new(evidence.clone()))),
        }
    }

    /// Remembers a refused recipient.
    pub(crate) fn note_refused(&mut self, address: String, refusal: &Refusal) {
        self.refused.push(TracedRecipient { address, verdict: refusal.reply.to_string() });
        self.refusal = Some(refusal.clone());
    }

    /// The verdicts so far, for the trace; `known` is what is known in the end.
    pub(crate) fn verdicts(&self, known: &Evidence) -> Vec<RecipientVerdict> {
        let open = self.recipients.iter().map(|recipient| {
            let (address, verdict) = (recipient.address.to_string(), recipient.verdict.clone());
            // With the header known everybody was judged again, on all of it.
            let seen = if verdict.stage == Stage::Data { known } else { &recipient.seen };
            RecipientVerdict::new(address, verdict, seen, known)
        });
        let refused = self.refused_by.iter().map(|judged| {
            RecipientVerdict::new(judged.recipient.clone(), judged.verdict.clone(), &judged.seen, known)
        });
        open.chain(refused).collect()
    }
}

impl Recipient {
    pub(crate) fn new(
        address: Address,
        account: Option<AccountId>,
        profile: Profile,
        verdict: Verdict,
        seen: Arc<Evidence>,
    ) -> Self {
        let placement = Placement::of(&verdict);
        Self { named: Vec::new(), address, account, profile, verdict, seen, placement }
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.placement == Placement::Quarantine
    }

    /// Its verdict alone, where it is refused.
    pub(crate) fn into_judged(self) -> Judged {
        Judged { recipient: self.address.to_string(), verdict: self.verdict, seen: self.seen }
    }
}
