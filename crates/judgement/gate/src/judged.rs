//! [`Judged`]: one recipient of a transaction as the judgement left it, the same for every service.

use std::sync::Arc;

use postern_policy::{Action, Evidence, Listed, Profile, RecordView, Stage, Verdict, VerdictView};
use postern_store::{AccountId, MessageCopy};
use postern_types::{Address, Refusal, Timestamp, TraceId};

use crate::Collector;

/// The field that marks a message which is delivered although something speaks against it.
pub const MARK: &str = "X-Postern-Verdict";

/// One recipient, and what was decided for it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Who it is.
    pub address: Address,
    /// What it wants, and what its lists say of the sender: asked once, at RCPT.
    pub profile: Profile,
    /// The verdict so far.
    pub verdict: Verdict,
    /// Where that puts its copy, if the message is not refused for everybody.
    pub placement: Placement,
    /// What it was judged on at RCPT: later the client may show more of itself.
    seen: Arc<Evidence>,
}

/// Where a message goes for a recipient. Ordered from mild to hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placement {
    /// To its destination.
    Deliver,
    /// To its destination, marked.
    Tag,
    /// Into the quarantine, whatever the destination.
    Quarantine,
}

impl Placement {
    /// Where a verdict puts the copy, if the message is not refused for everybody: what fails for some only is
    /// kept, never dropped or bounced.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        match verdict.action {
            Action::Deliver => Self::Deliver,
            Action::Tag => Self::Tag,
            Action::Quarantine | Action::Refuse(_) => Self::Quarantine,
        }
    }
}

/// A service's recipient, which knows more than the judgement does.
pub trait Recipient {
    /// What the judgement knows of it.
    fn judged(&self) -> &Judged;

    /// The same, to be judged again.
    fn judged_mut(&mut self) -> &mut Judged;

    /// Whether a milder verdict would come too late: what follows from this one has been done already.
    fn is_too_late(&self) -> bool {
        false
    }
}

/// The evidence of the transaction's last recipient. Those that are judged on the same share it.
#[derive(Clone, Debug, Default)]
pub struct Seen(Option<Arc<Evidence>>);

impl Seen {
    pub(crate) fn share(&mut self, evidence: &Evidence) -> Arc<Evidence> {
        match &self.0 {
            Some(seen) if seen.tells_the_same(evidence, Stage::Rcpt) => Arc::clone(seen),
            _ => Arc::clone(self.0.insert(Arc::new(evidence.clone()))),
        }
    }
}

impl Judged {
    pub(crate) fn new(address: Address, profile: Profile, verdict: Verdict, seen: Arc<Evidence>) -> Self {
        let placement = Placement::of(&verdict);
        Self { address, profile, verdict, placement, seen }
    }

    pub(crate) fn put(&mut self, verdict: Verdict) {
        self.placement = Placement::of(&verdict);
        self.verdict = verdict;
    }

    pub(crate) fn allows_the_sender(&self) -> bool {
        matches!(self.profile.sender, Listed::Allowed { .. })
    }

    /// The refusal, where the verdict is one.
    #[must_use]
    pub fn refusal(&self, trace: TraceId) -> Option<Refusal> {
        self.verdict.refusal(trace)
    }

    /// The value of the [`MARK`] field.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("suspicious; score={}", self.verdict.score)
    }

    /// Its copy for the quarantine, readable by `account` where there is one.
    #[must_use]
    pub fn quarantined(
        &self,
        account: Option<AccountId>,
        expires_at: Timestamp,
        prefix: Vec<u8>,
    ) -> MessageCopy {
        let verdict = &self.verdict;
        let reasons: Vec<&str> = verdict.reasons.iter().map(|reason| reason.words.as_str()).collect();
        let mut reason = format!("{}: {}", verdict.decided_by, reasons.join("; "));
        if let Some(why) = &verdict.overruled {
            reason.push_str(&format!("; {why}"));
        }
        MessageCopy::Quarantine {
            recipient: self.address.clone(),
            account,
            reason,
            // A verdict is plain data; serialising it cannot fail.
            verdict: serde_json::to_string(verdict).unwrap_or_default(),
            expires_at,
            prefix,
        }
    }

    fn view<'a>(&'a self, known: &'a Evidence) -> VerdictView<'a> {
        // With the header known everybody was judged again, on all of it.
        let seen = if self.verdict.stage == Stage::Data { known } else { &self.seen };
        VerdictView::new(self.address.to_string(), &self.verdict, seen, known)
    }
}

impl Collector {
    /// Evidence and verdicts so far, as the trace holds them: a [`Record`](postern_policy::Record) in JSON.
    #[must_use]
    pub fn record<'a>(&'a self, judged: impl Iterator<Item = &'a Judged>) -> String {
        let evidence = self.known();
        let verdicts = judged.map(|judged| judged.view(evidence)).collect();
        RecordView { evidence, verdicts }.to_json()
    }
}

/// The mark of a copy that several recipients share: that of the worst verdict among those that want one.
#[must_use]
pub fn shared_mark<'a>(recipients: impl Iterator<Item = &'a Judged>) -> Option<String> {
    let tagged = recipients.filter(|judged| judged.placement == Placement::Tag);
    tagged.max_by_key(|judged| judged.verdict.score).map(Judged::mark)
}
