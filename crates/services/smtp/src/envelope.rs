//! The envelope of a session: greeting, HELO, what trusted neighbours say, MAIL and RCPT.

use std::io;
use std::time::Duration;

use postern_events::{Event as Happened, MessageEvent, Stage as At};
use postern_gate::Judged;
use postern_policy::{Helo, Profile, Rdns};
use postern_smtp::Flavour;
use postern_smtp::command::{Hello, HelloVerb, Mail, Rcpt, Xclient, XclientName, Xforward, XforwardName};
use postern_store::Resolution;
use postern_types::{
    Address, Blame, Domain, ForwardPath, Host, LocalPart, Refusal, Reply, Timestamp, TraceId,
};

use crate::connection::Expect;
use crate::refusal;
use crate::session::Session;
use crate::transaction::{Behind, Destination, Recipient, Transaction};
use crate::upstream::{Origin, Upstream, UpstreamError};

/// How long the MTA behind may take from the connection to the answer to a RCPT: well within the five
/// minutes after which clients give up (rfc5321 §4.5.3.2.3).
const ENVELOPE: Duration = Duration::from_secs(120);

impl Session {
    /// The greeting; before it a pause, if one is set, in which a client that cannot wait betrays itself.
    pub(crate) async fn greet(&mut self) -> io::Result<()> {
        let pause = self.service.settings.greeting_delay;
        if pause > Duration::ZERO && !self.service.is_exempt(self.client.address.ip()) {
            // rfc5321 §4.3.1: the client waits for the greeting.
            if let Ok(early) = tokio::time::timeout(pause, self.io.read(Expect::Commands)).await {
                match early? {
                    [] => return Err(io::ErrorKind::UnexpectedEof.into()),
                    bytes => {
                        self.collector.spoke_first(bytes);
                        self.protocol.receive(bytes);
                    }
                }
            }
        }
        self.protocol.welcome();
        Ok(())
    }

    pub(crate) async fn hello(&mut self, hello: Hello) {
        self.drop_transaction();
        let extended = hello.verb != HelloVerb::Helo;
        // A neighbour that told us the client's own name by XCLIENT speaks for it.
        if self.client.helo.is_empty() || !self.client.announced {
            self.client.helo = hello.name;
            self.client.extended = extended;
        }
        self.collector.helo(Helo { name: self.client.helo.clone(), extended: self.client.extended });
        let offer =
            if extended { self.service.cut_offer(self.extensions()).await } else { self.extensions() };
        self.protocol.offer(offer);
        self.protocol.welcome();
    }

    fn refuse_session(&mut self, refusal: &Refusal, stage: At) {
        self.protocol.refuse(refusal);
        let sender = postern_types::ReversePath::Null;
        self.service.events.emit(&Happened::MessageRefused {
            message: MessageEvent {
                trace: self.trace,
                client: self.client.address.ip(),
                helo: &self.client.helo,
                sender: &sender,
                recipients: &Vec::<String>::new(),
                size: 0,
                duration: Duration::ZERO,
            },
            stage,
            refusal,
        });
        self.record_session(refusal);
    }

    /// XCLIENT: a trusted neighbour says who the client is; the session starts anew (XCLIENT_README).
    pub(crate) fn xclient(&mut self, attributes: &Xclient) {
        let trusted =
            self.io.peer().is_some_and(|peer| self.service.settings.trust.xclient.contains(peer.ip()));
        if !trusted {
            return self.protocol.refuse(&refusal::not_trusted("XCLIENT"));
        }
        self.drop_transaction();
        if let Some(ip) = attributes.client_ip() {
            let port = attributes.value(XclientName::Port).and_then(|port| port.parse().ok()).unwrap_or(0);
            self.client.address = (ip, port).into();
        }
        self.client.helo = attributes.value(XclientName::Helo).unwrap_or_default().to_owned();
        self.begin_anew();
        match self.service.blocked(self.client.address.ip(), self.trace) {
            None => self.protocol.welcome(),
            Some(away) => self.refuse_session(&away.refusal, At::Connect),
        }
    }

    /// XFORWARD: a trusted neighbour says where the next message came from (XFORWARD_README).
    /// It holds for one transaction; after that the connection speaks for itself again.
    pub(crate) fn xforward(&mut self, attributes: &Xforward) {
        let trusted =
            self.io.peer().is_some_and(|peer| self.service.settings.trust.xforward.contains(peer.ip()));
        if !trusted {
            return self.protocol.refuse(&refusal::not_trusted("XFORWARD"));
        }
        self.own.get_or_insert_with(|| self.client.clone());
        if let Some(ip) = attributes.client_ip() {
            let port = attributes.value(XforwardName::Port).and_then(|port| port.parse().ok()).unwrap_or(0);
            self.client.address = (ip, port).into();
        }
        if let Some(helo) = attributes.value(XforwardName::Helo) {
            helo.clone_into(&mut self.client.helo);
        }
        self.begin_anew();
        self.protocol.reply(&Reply::new(250, Some((2, 0, 0)), "OK"));
    }

    /// After a transaction for which XFORWARD named a client: the connection's own counts again.
    pub(crate) fn forget_origin(&mut self) {
        self.protocol.identify(self.trace);
        if let Some(own) = self.own.take() {
            let announced = own.announced;
            self.client = own;
            self.begin_anew();
            self.client.announced = announced;
        }
    }

    /// Begins to collect evidence about the client that a neighbour has named.
    fn begin_anew(&mut self) {
        // What the client before has shown is not this one's.
        self.report_session();
        self.client.announced = true;
        self.collector = self.service.begin(&self.client, self.io.tls(), self.door);
        if !self.client.helo.is_empty() {
            self.collector.helo(Helo { name: self.client.helo.clone(), extended: self.client.extended });
        }
    }

    pub(crate) fn mail(&mut self, mail: Mail) {
        let refusal = self.service.cannot_take(mail.params.size.unwrap_or(0));
        let trace = self.begin_transaction(mail);
        match refusal {
            None => self.protocol.reply(&Reply::new(250, Some((2, 1, 0)), "OK")),
            Some(refusal) => self.refuse_mail(&refusal.traced(trace)),
        }
    }

    /// MAIL for a message that says itself that it is larger than the limit.
    pub(crate) fn too_large(&mut self, mail: Mail) {
        let trace = self.begin_transaction(mail);
        self.refuse_mail(&refusal::too_large().traced(trace));
    }

    fn begin_transaction(&mut self, mail: Mail) -> TraceId {
        self.drop_transaction();
        let trace = self.service.ids.next(Timestamp::now());
        self.collector.mail(&mail.path);
        self.protocol.identify(trace);
        self.transaction = Some(Box::new(Transaction::new(trace, mail)));
        trace
    }

    fn refuse_mail(&mut self, refusal: &Refusal) {
        self.refuse_transaction(refusal, At::Mail);
        self.protocol.refuse(refusal);
    }

    pub(crate) async fn rcpt(&mut self, rcpt: Rcpt) {
        let path = rcpt.path.clone();
        match self.admit(rcpt).await {
            Ok(reply) => {
                self.note_recipient(None);
                self.protocol.reply(&reply);
            }
            Err(refusal) => {
                self.note_recipient(Some(&refusal));
                self.refuse_recipient(&path, &refusal);
            }
        }
    }

    fn refuse_recipient(&mut self, path: &ForwardPath, refusal: &Refusal) {
        self.protocol.refuse(refusal);
        let Some(transaction) = &mut self.transaction else { return };
        transaction.note_refused(path.to_string(), refusal);
        self.service.events.emit(&Happened::RecipientRefused {
            trace: transaction.trace,
            client: self.client.address.ip(),
            sender: &transaction.mail.path,
            recipient: path,
            refusal,
        });
    }

    /// Decides one recipient: whose it is, whether it exists, what the evidence says for it.
    async fn admit(&mut self, rcpt: Rcpt) -> Result<Reply, Refusal> {
        let address = self.address_of(&rcpt.path)?;
        let trace = self.trace();
        let resolution = self.service.store.resolve(&rcpt.path).await.map_err(|error| {
            self.service.store_failed(trace, "resolve", &error);
            refusal::store_failed(&error, trace)
        })?;
        let (route, mailboxes) = match resolution {
            Resolution::NotOurs => return Err(refusal::relaying_denied(&address, trace)),
            Resolution::UnknownUser => return Err(refusal::unknown_user(&address, trace)),
            Resolution::Mailboxes(accounts) => (None, accounts),
            Resolution::Proxy(route) => (Some(route), Vec::new()),
        };
        let profile = self.profile_of(&address, &mailboxes).await?;
        let judged = self.judge_recipient(address, profile).await?;
        if let Some(refusal) = judged.refusal(trace) {
            self.note_verdict(judged);
            return Err(refusal);
        }
        let destination =
            if route.is_some() { Destination::Upstream } else { Destination::Mailboxes(mailboxes) };
        let recipient = Recipient { rcpt, destination, judged };
        let reply = match route {
            // active-filter §6: what the quarantine takes is not announced to the MTA.
            Some(route) if !recipient.is_stored() => self.ask_upstream(&route, &recipient.rcpt).await?,
            _ => Reply::new(250, Some((2, 1, 5)), "OK"),
        };
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients.push(recipient);
        }
        Ok(reply)
    }

    fn note_verdict(&mut self, judged: Judged) {
        if let Some(transaction) = &mut self.transaction {
            transaction.refused_by.push(judged);
        }
    }

    /// The recipient's address; the bare `<Postmaster>` is ours (rfc5321 §4.5.1).
    fn address_of(&self, path: &ForwardPath) -> Result<Address, Refusal> {
        match path {
            ForwardPath::Address(address) => Ok(address.clone()),
            ForwardPath::Postmaster => LocalPart::parse("postmaster")
                .map(|local| Address::new(local, Host::Domain(self.service.settings.hostname.clone())))
                .map_err(|error| Refusal::new(Blame::Us, 451, (4, 3, 0), error.to_string())),
        }
    }

    async fn judge_recipient(&mut self, address: Address, profile: Profile) -> Result<Judged, Refusal> {
        let early = self.protocol.early();
        if early.after_hello || early.after_data || early.elsewhere {
            self.collector.did_not_wait();
        }
        let policy = self.service.policy.load_full();
        let Some(transaction) = &mut self.transaction else { return Err(refusal::no_transaction()) };
        Ok(self.collector.judge_recipient(address, profile, &policy, &mut transaction.seen).await)
    }

    /// The client's name in the DNS, where it leads back to its address.
    pub(crate) fn confirmed_name(&self) -> Option<Domain> {
        match self.collector.rdns() {
            Rdns::Confirmed { name } => Domain::parse(name).ok(),
            _ => None,
        }
    }

    /// Passes RCPT on to the MTA behind; its answer is ours, so that it verifies its own users.
    async fn ask_upstream(&mut self, route: &str, rcpt: &Rcpt) -> Result<Reply, Refusal> {
        let other =
            self.transaction.as_ref().and_then(|t| t.upstream.as_ref()).is_some_and(|b| b.route != route);
        if other {
            // Two MTAs cannot both be made to take or leave one message. The sender's MTA sends this
            // recipient another copy (rfc5321 §4.5.3.1.10: 452 for what must come in the next transaction).
            return Err(Refusal::new(
                Blame::Us,
                452,
                (4, 5, 3),
                "send this recipient's copy in a message of its own",
            )
            .because("the recipients of one message belong to different MTAs behind"));
        }
        if let Some(refusal) = self.transaction.as_ref().and_then(|transaction| transaction.lost.clone()) {
            return Err(refusal);
        }
        let within = ENVELOPE.min(self.service.settings.upstream.timeout);
        let asked = tokio::time::timeout(within, self.try_upstream(route, rcpt)).await;
        match asked.unwrap_or(Err(UpstreamError::Timeout(within))) {
            Ok(reply) if reply.code.is_positive() => Ok(reply),
            Ok(reply) => Err(refusal::upstream_said(reply)),
            Err(error) => {
                // What the MTA knows of this transaction is lost with the connection.
                let refusal = self.upstream_failed(route, &error);
                if let Some(transaction) = &mut self.transaction {
                    transaction.lose_upstream(&refusal);
                }
                Err(refusal)
            }
        }
    }

    async fn try_upstream(&mut self, route: &str, rcpt: &Rcpt) -> Result<Reply, UpstreamError> {
        let needs_session =
            self.transaction.as_ref().is_some_and(|transaction| transaction.upstream.is_none());
        if needs_session {
            let mut session = self.connect_upstream(route).await?;
            let Some(transaction) = &mut self.transaction else { return Err(UpstreamError::Closed) };
            let reply = session.mail(&transaction.mail.path, &transaction.mail.params).await?;
            if !reply.code.is_positive() {
                session.quit().await;
                return Ok(reply);
            }
            transaction.upstream = Some(Behind { route: route.to_owned(), session, announced: 0 });
        }
        let behind = self.transaction.as_mut().and_then(|transaction| transaction.upstream.as_mut());
        let Some(behind) = behind else { return Err(UpstreamError::Closed) };
        let answer = behind.session.rcpt(&rcpt.path, &rcpt.params).await?;
        behind.announced += usize::from(answer.code.is_positive());
        Ok(answer)
    }

    pub(crate) async fn connect_upstream(&self, route: &str) -> Result<Upstream, UpstreamError> {
        let service = &self.service;
        let name = self.confirmed_name();
        let origin = Origin {
            address: self.client.address,
            name: name.as_ref().map(Domain::as_str),
            helo: &self.client.helo,
            extended: self.client.extended,
            ident: self.trace().to_string(),
        };
        let settings = &service.settings.upstream;
        let upstream = Upstream::connect(route, settings, &service.tls_out, Some(&origin)).await?;
        service.offers.learn(route, upstream.extensions());
        Ok(upstream)
    }

    /// The refusal for an MTA that cannot be used, reported.
    pub(crate) fn upstream_failed(&self, route: &str, error: &UpstreamError) -> Refusal {
        let trace = self.trace();
        self.service.events.emit(&Happened::UpstreamFailed {
            trace: Some(trace),
            upstream: route,
            why: error,
        });
        refusal::upstream_unreachable(error.to_string(), trace)
    }

    /// Whether this door speaks LMTP.
    pub(crate) fn is_lmtp(&self) -> bool {
        self.door.flavour() == Flavour::Lmtp
    }
}
