//! The message on its way in: the header is collected and judged, the rest streams on.
//!
//! Nothing goes to the MTA behind or to the disk before the header was judged, so a message that is
//! refused by its header costs neither. From then on each piece goes at once to the store's body and to
//! the MTA, whichever the recipients need; memory holds one piece. A message with signatures is held
//! until its end: see `judgement.rs` and `held.rs`.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use postern_gate::{Known, shared_mark};
use postern_message::{HeaderCollector, Protocol, Received, Transmission};
use postern_types::{Refusal, Timestamp};

use crate::finish::mark;
use crate::refusal;
use crate::session::Session;
use crate::transaction::{Behind, Destination, Intake, Message, Recipient, Sinks};

impl Session {
    /// DATA or the first BDAT: the message may come.
    pub(crate) fn data(&mut self) {
        let lost = self.transaction.as_ref().and_then(|transaction| transaction.lost.clone());
        let room = lost.or_else(|| self.service.cannot_take(0));
        let header = HeaderCollector::new(self.service.settings.header_size);
        let Some(transaction) = &mut self.transaction else { return };
        if let Some(refusal) = room {
            let refusal = refusal.traced(transaction.trace);
            self.protocol.refuse(&refusal);
            // The client may try DATA again: the transaction stays open.
            transaction.refusal = Some(refusal);
            return;
        }
        transaction.message = Some(Message {
            waited: Duration::ZERO,
            heard: Instant::now(),
            size: 0,
            header,
            held: false,
            stage: Intake::Header,
        });
        self.protocol.proceed();
    }

    /// A piece of the message.
    pub(crate) async fn body(&mut self, piece: Vec<u8>) {
        let Some(message) = self.transaction.as_mut().and_then(|t| t.message.as_mut()) else { return };
        message.size += piece.len() as u64;
        match &message.stage {
            Intake::Refused(_) => {}
            Intake::Streaming(_) => self.stream(&piece).await,
            Intake::Held(_) => self.hold(&piece).await,
            Intake::Header => {
                let length = message.header.push(&piece);
                if message.header.is_truncated() {
                    let refusal = refusal::header_too_large(self.service.settings.header_size);
                    message.stage = Intake::Refused(refusal);
                } else if message.header.is_complete() {
                    self.header_done().await;
                    self.rest(&piece[length..]).await;
                }
            }
        }
    }

    /// What of a piece stands behind the header.
    async fn rest(&mut self, piece: &[u8]) {
        let message = self.transaction.as_ref().and_then(|transaction| transaction.message.as_ref());
        match message.map(|message| &message.stage) {
            Some(Intake::Held(_)) => self.hold(piece).await,
            _ => self.stream(piece).await,
        }
    }

    /// Judges the header and opens the ways that the message takes from here.
    pub(crate) async fn header_done(&mut self) {
        let opened = match self.judge_header().await {
            Ok(Known::Everything) => self.open_sinks().await.map(Intake::Streaming),
            Ok(Known::TheHeader) => Ok(Intake::Held(self.service.store.body())),
            Err(refusal) => Err(refusal),
        };
        let Some(message) = self.transaction.as_mut().and_then(|t| t.message.as_mut()) else { return };
        message.stage = opened.unwrap_or_else(Intake::Refused);
        message.held = matches!(message.stage, Intake::Held(_));
        // It goes on from here: a message that takes long does not hold it twice.
        let header = std::mem::take(&mut message.header);
        // Without a header its first line would continue our last field: the body begins here, as Postfix has it too.
        let headless = header.is_complete() && header.bytes().is_empty();
        let header = if headless { b"\r\n".to_vec() } else { header.into_bytes() };
        let cleaned = match self.collector.without_forged(&header) {
            Cow::Owned(cleaned) => Some(cleaned),
            Cow::Borrowed(_) => None,
        };
        let header = cleaned.unwrap_or(header);
        match message.stage {
            Intake::Held(_) => self.keep(&header).await,
            _ => self.stream(&header).await,
        }
    }

    /// A piece of the body of a message that is held: hashed for its signatures, and kept.
    async fn hold(&mut self, piece: &[u8]) {
        self.collector.body(piece);
        self.keep(piece).await;
    }

    async fn keep(&mut self, piece: &[u8]) {
        let trace = self.trace();
        let message = self.transaction.as_mut().and_then(|transaction| transaction.message.as_mut());
        let Some(Message { stage: Intake::Held(body), .. }) = message else { return };
        if let Err(error) = body.write(piece).await {
            self.service.store_failed(trace, "write", &error);
            self.set_stage(Intake::Refused(refusal::store_failed(&error, trace)));
        }
    }

    /// Opens the store's body and the MTA's DATA, as the recipients need them.
    async fn open_sinks(&mut self) -> Result<Sinks, Refusal> {
        self.open_upstream().await?;
        let store = &self.service.store;
        let (stores, relays) = self
            .transaction
            .as_ref()
            .map_or((false, false), |transaction| (transaction.stores(), transaction.relays()));
        let body = match (stores, relays) {
            (false, _) => None,
            (true, false) => Some(store.body()),
            // Safe on the disk before the MTA is asked to take its part: see `finish.rs`.
            (true, true) => Some(store.body_on_disk()),
        };
        let mut sinks = Sinks { body, upstream: relays };
        if relays {
            self.mark_upstream(&mut sinks.upstream).await?;
        }
        Ok(sinks)
    }

    /// What stands before the message in the MTA's copy.
    pub(crate) async fn mark_upstream(&mut self, open: &mut bool) -> Result<(), Refusal> {
        let trace = self.trace();
        let mut top = self.collector.report().unwrap_or_default().into_bytes();
        top.extend(self.received(None));
        top.extend_from_slice(self.upstream_mark().as_bytes());
        self.pass_on(&top, open).await.map_err(|refusal| refusal.because(format!("{trace}")))
    }

    /// The mark for the MTA's copy, which all its recipients share.
    fn upstream_mark(&self) -> String {
        let recipients = self.transaction.as_ref().map_or(&[][..], |transaction| &transaction.recipients);
        let theirs = recipients.iter().filter(|recipient| recipient.destination == Destination::Upstream);
        shared_mark(theirs.map(|recipient| &recipient.judged)).map(|value| mark(&value)).unwrap_or_default()
    }

    /// A piece on its way to where the message goes. What fails makes the message refused at its end.
    async fn stream(&mut self, piece: &[u8]) {
        if piece.is_empty() {
            return;
        }
        let trace = self.trace();
        let Some(Intake::Streaming(mut sinks)) = self.take_stage() else { return };
        let mut failed = None;
        if let Some(body) = &mut sinks.body
            && let Err(error) = body.write(piece).await
        {
            self.service.store_failed(trace, "write", &error);
            failed = Some(refusal::store_failed(&error, trace));
        }
        if failed.is_none() && sinks.upstream {
            failed = self.pass_on(piece, &mut sinks.upstream).await.err();
        }
        self.set_stage(match failed {
            None => Intake::Streaming(sinks),
            Some(refusal) => Intake::Refused(refusal),
        });
    }

    /// A piece to the MTA behind.
    pub(crate) async fn pass_on(&mut self, piece: &[u8], open: &mut bool) -> Result<(), Refusal> {
        let limit = self.until_dot();
        let behind = self.transaction.as_mut().and_then(|transaction| transaction.upstream.as_mut());
        let Some(Behind { route, session, .. }) = behind else { return Ok(()) };
        let Err(error) = limit.keep(session.body(piece)).await else { return Ok(()) };
        let route = route.clone();
        // Without its final dot the MTA forgets the message (rfc5321 §4.1.1.4).
        *open = false;
        let refusal = self.upstream_failed(&route, &error);
        if let Some(transaction) = &mut self.transaction {
            transaction.lose_upstream(&refusal);
        }
        Err(refusal)
    }

    fn take_stage(&mut self) -> Option<Intake> {
        let message = self.transaction.as_mut()?.message.as_mut()?;
        match &message.stage {
            Intake::Streaming(_) => {
                let nothing = Sinks { body: None, upstream: false };
                Some(std::mem::replace(&mut message.stage, Intake::Streaming(nothing)))
            }
            Intake::Header | Intake::Held(_) | Intake::Refused(_) => None,
        }
    }

    pub(crate) fn set_stage(&mut self, stage: Intake) {
        if let Some(message) = self.transaction.as_mut().and_then(|transaction| transaction.message.as_mut())
        {
            message.stage = stage;
        }
    }

    /// Our `Received` field. `recipient` is named only where it is the only one.
    pub(crate) fn received(&self, recipient: Option<&Recipient>) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let name = self.confirmed_name();
        let tls = self.tls_words();
        let utf8 = self.transaction.as_ref().is_some_and(|transaction| transaction.mail.params.smtp_utf8);
        let protocol = match (self.is_lmtp(), self.client.extended) {
            (true, _) => Protocol::Lmtp,
            (false, true) => Protocol::Esmtp,
            (false, false) => Protocol::Smtp,
        };
        let received = Received {
            helo: &self.client.helo,
            name: name.as_ref(),
            ip: self.client.address.ip(),
            by: &self.service.settings.hostname,
            with: Transmission { protocol, tls: tls.is_some(), authenticated: false, utf8 },
            tls: tls.as_deref(),
            id: self.trace(),
            recipient: recipient.map(|recipient| &recipient.judged.address),
            at: Timestamp::now(),
        };
        received.encode(&mut out);
        out
    }
}
