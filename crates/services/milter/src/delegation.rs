//! Postfix's policy delegation: one question for each recipient, before there is a message.
//!
//! What can be answered there: go on, refuse with words, and for the whole message to hold it (in Postfix's own
//! hold queue, since there is no message to keep here) or to mark it. All questions of one transaction carry one
//! `instance`; they share a collector, so that nothing is asked twice. Postfix asks them one after the other on
//! one connection, so a connection holds one of them, and that is all there is to bound.

use postern_delegation::{Action, Request, Requests};
use postern_events::Service as EventService;
use postern_feedback::{Taken, Told};
use postern_gate::{Collector, MARK, Trust};
use postern_policy::{Action as Verdicted, Helo};
use postern_store::Outcome;
use postern_types::Refusal;

use crate::Service;
use crate::client::{self, Client};
use crate::connection::{Connection, Read, Wire, Work};
use crate::house::House;
use crate::transaction::Transaction;
use crate::{record, refusal};

/// One connection of a Postfix.
pub(crate) async fn run<W: Wire>(service: &Service, mut io: Connection<W>) {
    let house = &service.house;
    let mut asking = Asking { house, case: None };
    let mut requests = Requests::default();
    let mut answers = Vec::new();
    loop {
        match requests.next() {
            Ok(Some(request)) => asking.answer(&request).await.encode(&mut answers),
            Ok(None) => {
                if io.write(&mut answers).await.is_err() {
                    break;
                }
                match io.read(house.settings.timeout, &house.shutdown, Work::None).await {
                    Ok(Read::Bytes(bytes)) => requests.push(bytes),
                    Ok(Read::Closed | Read::Stopping) | Err(_) => break,
                }
            }
            Err(error) => {
                tracing::warn!(mta = %io.from(), %error, "a policy connection is given up");
                break;
            }
        }
    }
    asking.close();
}

/// What a connection has been asked about.
struct Asking<'a> {
    house: &'a House,
    case: Option<Case>,
}

/// One transaction of the MTA.
struct Case {
    instance: String,
    client: Client,
    collector: Collector,
    transaction: Transaction,
    /// What the MTA was told to do with the whole message.
    held: bool,
    tagged: bool,
}

impl Asking<'_> {
    async fn answer(&mut self, request: &Request) -> Action {
        let Some(ip) = request.client_address() else { return Action::Dunno };
        let signed_in = request.value("sasl_username").is_some();
        let trust = if signed_in || self.house.is_trusted(ip) { Trust::Ours } else { Trust::Stranger };
        let helo = request.value("helo_name").unwrap_or_default().to_owned();
        let client = Client { ip: ip.to_canonical(), helo, trust };
        // Postfix asks wherever its configuration says so; what comes before the recipient knows no profile.
        match request.value("protocol_state") {
            Some("RCPT") if trust == Trust::Stranger => self.recipient(request, client).await,
            Some("CONNECT" | "EHLO" | "HELO" | "MAIL") => self.door(&client),
            _ => Action::Dunno,
        }
    }

    /// Lists alone, at the connection.
    fn door(&self, client: &Client) -> Action {
        match self.house.turned_away(client, EventService::Policy) {
            Some(refusal) => Action::Refuse(refusal.reply),
            None => Action::Dunno,
        }
    }

    async fn recipient(&mut self, request: &Request, client: Client) -> Action {
        if let Some(refusal) = self.house.turned_away(&client, EventService::Policy) {
            return Action::Refuse(refusal.reply);
        }
        let ours = &self.house.settings.hostname;
        let (path, from) =
            (request.value("recipient").unwrap_or_default(), request.value("sender").unwrap_or_default());
        let trace = self.house.trace();
        let Some(sender) = client::sender(from, ours) else {
            return refused(refusal::bad_address(from, trace));
        };
        let Some(recipient) = client::recipient(path, ours) else {
            return refused(refusal::bad_address(path, trace));
        };
        let instance = request.value("instance").unwrap_or_default();
        let known = self.case.as_ref().is_some_and(|case| {
            !instance.is_empty() && case.instance == instance && case.transaction.sender == sender
        });
        if !known {
            self.close();
            let mut collector = self.house.begin(&client);
            collector.helo(Helo {
                name: client.helo.clone(),
                extended: request.value("protocol_name") != Some("SMTP"),
            });
            collector.mail(&sender);
            let transaction = Transaction::new(trace, sender);
            let instance = instance.to_owned();
            self.case = Some(Case { instance, client, collector, transaction, held: false, tagged: false });
        }
        let Some(case) = &mut self.case else { return Action::Dunno };
        case.judge(self.house, recipient, path).await
    }

    /// Records what the connection was asked about.
    fn close(&mut self) {
        let Some(Case { client, collector, transaction, held, .. }) = self.case.take() else { return };
        // Whether the mail came to anything is not told here: only offences are reported.
        self.house.report_offences(&transaction, &collector, Taken::No, &mut Told::default());
        if transaction.recipients.is_empty() {
            return self.house.drop_transaction(&transaction, &client, &collector);
        }
        let (outcome, reply) = match held {
            true => (Outcome::Quarantined, "held in the mail server's queue"),
            false => (Outcome::Relayed, "left to the mail server"),
        };
        self.house.store.record(record::of(&transaction, &client, &collector, outcome, reply.to_owned()));
    }
}

impl Case {
    async fn judge(
        &mut self,
        house: &House,
        recipient: (postern_types::ForwardPath, postern_types::Address),
        path: &str,
    ) -> Action {
        let Self { client, collector, transaction, .. } = self;
        let trace = transaction.trace;
        let recipient = match house.judge_recipient(transaction, client, collector, recipient).await {
            Ok(recipient) => recipient,
            Err(refusal) => {
                house.refuse_recipient(transaction, client, path, &refusal);
                return refused(refusal);
            }
        };
        let action = match &recipient.judged.verdict.action {
            Verdicted::Deliver => Action::Dunno,
            Verdicted::Tag if std::mem::replace(&mut self.tagged, true) => Action::Dunno,
            Verdicted::Tag => Action::Prepend(format!("{MARK}: {}", recipient.judged.mark())),
            Verdicted::Quarantine if std::mem::replace(&mut self.held, true) => Action::Dunno,
            Verdicted::Quarantine => Action::Hold(format!(
                "quarantined by Postern: {} ({trace})",
                recipient.judged.verdict.decided_by
            )),
            Verdicted::Refuse(refused_for) => {
                let refusal = refused_for.refusal(trace);
                transaction.refused_by.push(recipient.judged);
                house.refuse_recipient(transaction, client, path, &refusal);
                return refused(refusal);
            }
        };
        transaction.add(recipient);
        action
    }
}

/// What is only for now must not hide what another restriction refuses for good.
fn refused(refusal: Refusal) -> Action {
    match refusal.reply.enhanced {
        Some(enhanced) if refusal.reply.code.is_transient() => {
            Action::DeferIfPermit(format!("{enhanced} {}", refusal.reply.lines().join(" ")))
        }
        _ => Action::Refuse(refusal.reply),
    }
}
