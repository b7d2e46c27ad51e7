//! DATA at the MTA behind: opened for those who are to get the message from there, and for nobody else.

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

impl Session {
    /// Opens DATA at the MTA behind, where a recipient needs it.
    pub(crate) async fn open_upstream(&mut self) -> Result<(), Refusal> {
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let route = transaction.upstream.as_ref().map(|behind| behind.route.clone()).unwrap_or_default();
        match open(transaction).await {
            Ok(()) => Ok(()),
            Err(why) => Err(self.not_opened(&route, why)),
        }
    }

    /// The same for a message that was held. The MTA may have grown tired of waiting: then it is connected to
    /// once more, and told everything again.
    pub(crate) async fn open_upstream_late(&mut self) -> Result<(), Refusal> {
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let Some(route) = transaction.upstream.as_ref().map(|behind| behind.route.clone()) else {
            return Ok(());
        };
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
            return Err(self.not_opened(&route, why));
        }
        transaction.upstream = None;
        match self.connect_upstream(&route).await {
            Err(error) => Err(self.not_opened(&route, Why::Error(error))),
            Ok(session) => {
                let Some(transaction) = &mut self.transaction else { return Ok(()) };
                let mut behind = Behind { route: route.clone(), session, announced: 0 };
                let told = match announce(&mut behind, &transaction.mail, &transaction.recipients).await {
                    Ok(()) => begin(&mut behind).await,
                    Err(why) => Err(why),
                };
                transaction.upstream = Some(behind);
                told.map_err(|why| self.not_opened(&route, why))
            }
        }
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
        behind.session.reset().await.map_err(Why::Error)?;
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
    let reply = session.mail(&mail.path, &mail.params).await.map_err(Why::Error)?;
    if !reply.code.is_positive() {
        return Err(Why::Said(reply));
    }
    behind.announced = 0;
    let theirs = |r: &&Recipient| r.destination == Destination::Upstream && !r.is_stored();
    for recipient in recipients.iter().filter(theirs) {
        let rcpt = &recipient.rcpt;
        let reply = session.rcpt(&rcpt.path, &rcpt.params).await.map_err(Why::Error)?;
        if !reply.code.is_positive() {
            return Err(Why::Said(reply));
        }
        behind.announced += 1;
    }
    Ok(())
}

async fn begin(behind: &mut Behind) -> Result<(), Why> {
    let reply = behind.session.data().await.map_err(Why::Error)?;
    if reply.code.is_intermediate() { Ok(()) } else { Err(Why::Said(reply)) }
}
