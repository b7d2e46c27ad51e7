//! One connection of an MTA that speaks milter, told from the first byte to the last.
//!
//! The protocol's state machine says what the MTA tells; this answers. What belongs to the envelope is in
//! `envelope.rs`, what belongs to the message in `message.rs`.

use std::io;
use std::time::Instant;

use postern_events::{Event as Happened, Service as EventService, SessionEnd};
use postern_feedback::{Taken, Told};
use postern_gate::Collector;
use postern_milter::{Actions, Answer, Closing, Event, Steps, Wanted};
use postern_types::Refusal;

use crate::Service;
use crate::client::Client;
use crate::connection::{Connection, Read, Wire, Work};
use crate::house::House;
use crate::transaction::Transaction;

/// The session: an MTA, and the client that it has now.
pub(crate) struct Session<'a> {
    pub(crate) house: &'a House,
    pub(crate) protocol: postern_milter::Session,
    /// The client, from its connection on.
    pub(crate) visit: Option<Visit>,
}

/// One client of the MTA.
pub(crate) struct Visit {
    pub(crate) client: Client,
    pub(crate) collector: Collector,
    pub(crate) transaction: Option<Box<Transaction>>,
    began: Instant,
    /// Messages that were taken.
    pub(crate) messages: u32,
    /// What the feedback list has heard of it.
    told: Told,
}

/// What must be allowed: marks are added, forged ones taken out, and whoever is quarantined leaves the envelope.
fn wanted() -> Wanted {
    Wanted {
        actions: Actions::ADD_HEADERS | Actions::CHANGE_HEADERS | Actions::DELETE_RECIPIENTS,
        steps: Steps::NO_UNKNOWN
            | Steps::NO_DATA
            | Steps::SKIP
            | Steps::NO_REPLY_HELO
            | Steps::NO_REPLY_HEADER
            | Steps::LEADING_SPACE,
        ..Wanted::default()
    }
}

/// The whole connection.
pub(crate) async fn run<W: Wire>(service: &Service, mut io: Connection<W>) {
    let protocol = postern_milter::Session::new(wanted());
    let mut session = Session { house: &service.house, protocol, visit: None };
    let end = loop {
        match session.protocol.next() {
            Event::NeedInput => match session.read(&mut io).await {
                Ok(None) => {}
                Ok(Some(end)) => break end,
                Err(error) => break end_of(&error),
            },
            Event::Close(why) => {
                // What is left to say is the answer to the last command.
                let _ = io.write(session.protocol.output()).await;
                if why != Closing::Quit {
                    tracing::warn!(mta = %io.from(), %why, "a milter connection is given up");
                }
                break if why == Closing::Quit { SessionEnd::Quit } else { SessionEnd::Errors };
            }
            event => session.take(event).await,
        }
    };
    session.leave(end);
}

impl Session<'_> {
    /// Does what the MTA asks for.
    async fn take(&mut self, event: Event) {
        match event {
            Event::Connect(connect) => self.connect(&connect),
            Event::Hello(name) => self.hello(&name),
            Event::Mail(arguments) => self.mail(&arguments),
            Event::Rcpt(arguments) => self.rcpt(&arguments).await,
            Event::Header { name, value } => self.header(&name, &value),
            Event::EndOfHeader => self.end_of_header().await,
            Event::Body(piece) => self.body(&piece).await,
            Event::EndOfMessage(piece) => self.end_of_message(&piece).await,
            Event::Abort => self.drop_transaction(),
            Event::Gone => self.leave(SessionEnd::Quit),
            Event::Data | Event::Unknown(_) => self.protocol.answer(Answer::Continue),
            // Both are the loop's.
            Event::NeedInput | Event::Close(_) => {}
        }
    }

    /// Writes the answers that wait, then reads what comes next. An end, if it is time for one.
    async fn read<W: Wire>(&mut self, io: &mut Connection<W>) -> io::Result<Option<SessionEnd>> {
        io.write(self.protocol.output()).await?;
        let open = self.visit.as_ref().is_some_and(|visit| visit.transaction.is_some());
        let work = if open { Work::UnderWay } else { Work::None };
        match io.read(self.house.settings.timeout, &self.house.shutdown, work).await? {
            Read::Bytes(bytes) => self.protocol.receive(bytes),
            Read::Closed => return Ok(Some(SessionEnd::Closed)),
            Read::Stopping => return Ok(Some(SessionEnd::Stopping)),
        }
        Ok(None)
    }

    /// A client has come.
    pub(crate) fn welcome(&mut self, client: Client) {
        let event = Happened::ConnectionOpened { service: EventService::Milter, client: client.ip };
        self.house.events.emit(&event);
        let collector = self.house.begin(&client);
        self.visit = Some(Visit {
            client,
            collector,
            transaction: None,
            began: Instant::now(),
            messages: 0,
            told: Told::default(),
        });
    }

    /// The client has gone.
    fn leave(&mut self, end: SessionEnd) {
        self.drop_transaction();
        let Some(visit) = self.visit.take() else { return };
        self.house.events.emit(&Happened::SessionEnded {
            service: EventService::Milter,
            trace: None,
            client: visit.client.ip,
            end,
            messages: visit.messages,
            duration: visit.began.elapsed(),
        });
    }

    /// Ends a transaction that was not finished.
    pub(crate) fn drop_transaction(&mut self) {
        let Some(visit) = &mut self.visit else { return };
        visit.report(self.house, Taken::No);
        if let Some(transaction) = visit.transaction.take() {
            self.house.drop_transaction(&transaction, &visit.client, &visit.collector);
        }
    }

    pub(crate) fn refuse(&mut self, refusal: &Refusal) {
        self.protocol.answer(Answer::Refuse(refusal.reply.clone()));
    }

    /// A macro of the MTA as text; `None` where it is not there or empty.
    pub(crate) fn macro_text(&self, name: &str) -> Option<String> {
        let value = self.protocol.macros().value(name).filter(|value| !value.is_empty())?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

impl Visit {
    /// Tells the feedback list what came of the transaction.
    pub(crate) fn report(&mut self, house: &House, taken: Taken) {
        if let Some(transaction) = &self.transaction {
            house.report_offences(transaction, &self.collector, taken, &mut self.told);
        }
    }
}

fn end_of(error: &io::Error) -> SessionEnd {
    match error.kind() {
        io::ErrorKind::TimedOut => SessionEnd::Timeout,
        io::ErrorKind::UnexpectedEof => SessionEnd::Closed,
        _ => SessionEnd::Broken,
    }
}
