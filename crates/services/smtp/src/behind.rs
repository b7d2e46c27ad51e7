//! DATA at the MTA behind: opened for those who are to get the message from there, and for nobody else; and how long
//! the MTA may take for a message whose client waits.

use std::time::{Duration, Instant};

use postern_types::{Refusal, Reply};

use crate::refusal;
use crate::session::Session;
use crate::transaction::{Behind, Destination, Recipient, Transaction};
use crate::upstream::UpstreamError;

/// Why the MTA's DATA could not be opened.
enum Why {
    Said(Reply),
    Error(UpstreamError),
}

impl From<UpstreamError> for Why {
    fn from(error: UpstreamError) -> Self {
        Self::Error(error)
    }
}

/// Until when the MTA behind must have done its part, counted from when the client was last heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    until: Instant,
    whole: Duration,
}

impl Limit {
    /// An exchange that is broken off when the time is over.
    pub(crate) async fn keep<T, E: From<UpstreamError>>(
        self,
        exchange: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let late = |_| Err(UpstreamError::TooSlow(self.whole).into());
        tokio::time::timeout_at(self.until.into(), exchange).await.unwrap_or_else(late)
    }

    /// Whether there is still time.
    pub(crate) fn check(self) -> Result<(), UpstreamError> {
        if Instant::now() < self.until { Ok(()) } else { Err(UpstreamError::TooSlow(self.whole)) }
    }
}

impl Session {
    /// For everything before the final dot. Half of the time, so that an MTA that needs more is left while it cannot have
    /// accepted anything, and one that has the dot has time for its answer. A message that was held has most of
    /// it: all of it is sent while the client waits.
    pub(crate) fn until_dot(&self) -> Limit {
        let whole = self.service.settings.upstream.end_timeout;
        let message = self.transaction.as_ref().and_then(|transaction| transaction.message.as_ref());
        let for_answer = match message {
            Some(message) if message.held => (whole / 4).min(Duration::from_secs(60)),
            _ => whole / 2,
        };
        self.limit(whole - for_answer)
    }

    /// For the answer to the message.
    pub(crate) fn until_answer(&self) -> Limit {
        self.limit(self.service.settings.upstream.end_timeout)
    }

    fn limit(&self, whole: Duration) -> Limit {
        let message = self.transaction.as_ref().and_then(|transaction| transaction.message.as_ref());
        let heard = message.map_or_else(Instant::now, |message| message.heard);
        Limit { until: heard + whole, whole }
    }

    /// Opens DATA at the MTA behind, where a recipient needs it.
    pub(crate) async fn open_upstream(&mut self) -> Result<(), Refusal> {
        let limit = self.until_dot();
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let route = transaction.upstream.as_ref().map(|behind| behind.route.clone()).unwrap_or_default();
        match limit.keep(open(transaction)).await {
            Ok(()) => Ok(()),
            Err(why) => Err(self.not_opened(&route, why)),
        }
    }

    /// The same for a message that was held. The MTA may have grown tired of waiting: then it is connected to
    /// once more, and told everything again.
    pub(crate) async fn open_upstream_late(&mut self) -> Result<(), Refusal> {
        let behind = self.transaction.as_ref().and_then(|transaction| transaction.upstream.as_ref());
        let Some(route) = behind.map(|behind| behind.route.clone()) else { return Ok(()) };
        let limit = self.until_dot();
        let opened = limit.keep(self.open_or_again(&route)).await;
        opened.map_err(|why| self.not_opened(&route, why))
    }

    async fn open_or_again(&mut self, route: &str) -> Result<(), Why> {
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let why = match open(transaction).await {
            Ok(()) => return Ok(()),
            Err(why) => why,
        };
        // rfc5321 §3.8: 421 is what a server says that closes
        let gone = match &why {
            Why::Error(error) => matches!(error, UpstreamError::Closed | UpstreamError::Io(_)),
            Why::Said(reply) => reply.code.get() == 421,
        };
        if !gone {
            return Err(why);
        }
        transaction.upstream = None;
        let session = self.connect_upstream(route).await?;
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let mut behind = Behind { route: route.to_owned(), session, announced: 0 };
        announce(&mut behind, &transaction.mail, &transaction.recipients).await?;
        begin(&mut behind).await?;
        transaction.upstream = Some(behind);
        Ok(())
    }

    fn not_opened(&self, route: &str, why: Why) -> Refusal {
        match why {
            Why::Said(reply) => refusal::upstream_said(reply),
            Why::Error(error) => self.upstream_failed(route, &error),
        }
    }
}

/// Opens DATA; a transaction there that holds recipients who are not to get the message any more is
/// begun anew without them.
async fn open(transaction: &mut Transaction) -> Result<(), Why> {
    let wanted = transaction.relayed_recipients();
    let Some(behind) = &mut transaction.upstream else { return Ok(()) };
    if wanted == 0 {
        // Nobody there gets it: the session is closed, and with it what was begun.
        transaction.upstream = None;
        return Ok(());
    }
    // Who was to be held from the beginning was never announced there.
    if behind.announced != wanted {
        behind.session.reset().await?;
        announce(behind, &transaction.mail, &transaction.recipients).await?;
    }
    begin(behind).await
}

/// MAIL, and RCPT for those who get the message from there.
async fn announce(
    behind: &mut Behind,
    mail: &postern_smtp::command::Mail,
    recipients: &[Recipient],
) -> Result<(), Why> {
    let session = &mut behind.session;
    let reply = session.mail(&mail.path, &mail.params).await?;
    if !reply.code.is_positive() {
        return Err(Why::Said(reply));
    }
    behind.announced = 0;
    let theirs = |r: &&Recipient| r.destination == Destination::Upstream && !r.is_stored();
    for recipient in recipients.iter().filter(theirs) {
        let rcpt = &recipient.rcpt;
        let reply = session.rcpt(&rcpt.path, &rcpt.params).await?;
        if !reply.code.is_positive() {
            return Err(Why::Said(reply));
        }
        behind.announced += 1;
    }
    Ok(())
}

async fn begin(behind: &mut Behind) -> Result<(), Why> {
    let reply = behind.session.data().await?;
    if reply.code.is_intermediate() { Ok(()) } else { Err(Why::Said(reply)) }
}
