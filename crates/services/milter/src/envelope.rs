//! The envelope of a milter session: connection, HELO, MAIL and RCPT.

use postern_events::Service as EventService;
use postern_gate::Trust;
use postern_milter::{Answer, Connect};
use postern_policy::Helo;

use crate::client::{self, Client};
use crate::correspondents::Author;
use crate::milter::{Session, Visit};
use crate::refusal;
use crate::transaction::Transaction;

impl Session<'_> {
    /// A client has connected to the MTA.
    pub(crate) fn connect(&mut self, connect: &Connect) {
        let client = Client::of(connect, |ip| self.house.is_trusted(ip));
        if let Some(refusal) = self.house.turned_away(&client, EventService::Milter) {
            // The MTA says it at once, or to every command that follows.
            return self.refuse(&refusal);
        }
        self.welcome(client);
        self.protocol.answer(Answer::Continue);
    }

    /// HELO or EHLO; also again, after STARTTLS.
    pub(crate) fn hello(&mut self, name: &[u8]) {
        self.drop_transaction();
        let tls = self.tls_words();
        if let Some(visit) = &mut self.visit {
            visit.client.helo = String::from_utf8_lossy(name).into_owned();
            visit.begin_to_know(tls);
        }
        self.protocol.answer(Answer::Continue);
    }

    /// MAIL: a transaction begins. Who has signed in at the MTA is one of ours.
    pub(crate) fn mail(&mut self, arguments: &[Vec<u8>]) {
        self.drop_transaction();
        // Who has only a way of signing in has no name by which anybody could be told.
        let login =
            self.macro_text("auth_authen").or_else(|| self.macro_text("auth_type").map(|_| String::new()));
        let tls = self.tls_words();
        let Some(visit) = &mut self.visit else { return self.protocol.answer(Answer::Continue) };
        let trust = if login.is_some() { Trust::Ours } else { visit.client.trust };
        if (visit.collector.known().client.trusted) != (trust == Trust::Ours) {
            let client = Client { trust, ..visit.client.clone() };
            visit.collector = self.house.begin(&client);
            visit.begin_to_know(tls);
        }
        let (path, trace) = (text(arguments), self.house.trace());
        let Some(sender) = client::sender(&path, &self.house.settings.hostname) else {
            return self.refuse(&refusal::bad_address(&path, trace));
        };
        visit.collector.mail(&sender);
        let mut transaction = Transaction::new(trace, sender);
        transaction.author = Author::of(&visit.client, login);
        transaction.message.extended = arguments.len() > 1;
        visit.transaction = Some(Box::new(transaction));
        self.protocol.answer(Answer::Continue);
    }

    /// RCPT: what the evidence says for this recipient.
    pub(crate) async fn rcpt(&mut self, arguments: &[Vec<u8>]) {
        let path = text(arguments);
        let Some(Visit { client, collector, transaction: Some(transaction), .. }) = &mut self.visit else {
            return self.protocol.answer(Answer::Continue);
        };
        let trace = transaction.trace;
        let judged = match client::recipient(&path, &self.house.settings.hostname) {
            Some(recipient) => self.house.judge_recipient(transaction, client, collector, recipient).await,
            None => Err(refusal::bad_address(&path, trace)),
        };
        let refusal = match judged {
            Ok(mut recipient) => match recipient.judged.refusal(trace) {
                None => {
                    recipient.named.extend(arguments.first().cloned());
                    transaction.add(recipient);
                    return self.protocol.answer(Answer::Continue);
                }
                Some(refusal) => {
                    transaction.refused_by.push(recipient.judged);
                    refusal
                }
            },
            Err(refusal) => refusal,
        };
        self.house.refuse_recipient(transaction, client, &path, &refusal);
        self.refuse(&refusal);
    }

    /// Version and cipher of the client's TLS, where the MTA tells.
    pub(crate) fn tls_words(&self) -> Option<String> {
        let version = self.macro_text("tls_version")?;
        Some(match self.macro_text("cipher") {
            Some(cipher) => format!("{version} with {cipher}"),
            None => version,
        })
    }
}

impl Visit {
    /// Tells the collector what the client has shown of itself so far.
    fn begin_to_know(&mut self, tls: Option<String>) {
        if let Some(tls) = tls {
            self.collector.tls(tls);
        }
        if !self.client.helo.is_empty() {
            // The MTA does not say whether it was EHLO; nearly always it is.
            self.collector.helo(Helo { name: self.client.helo.clone(), extended: true });
        }
    }
}

/// The path of MAIL or RCPT.
fn text(arguments: &[Vec<u8>]) -> String {
    arguments.first().map(|path| String::from_utf8_lossy(path).into_owned()).unwrap_or_default()
}
