//! The DNS of the test internet: authoritative for everything, like the resolver of a network
//! that has only this internet. UDP and TCP on the same port. What no zone declares is NXDOMAIN.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Edns, Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

use crate::world::World;
use crate::zone::{Fault, Kind, Zone};

/// A running DNS server; the server ends when this value is dropped.
pub struct DnsServer {
    state: Arc<State>,
    address: SocketAddr,
    _server: Server<Answering>,
}

/// A question that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name, lower case, without the dot at the end.
    pub name: String,
    /// The type of record.
    pub kind: Kind,
    /// Who asked.
    pub from: SocketAddr,
    /// Whether it came over TCP.
    pub over_tcp: bool,
}

#[derive(Default)]
struct State {
    world: RwLock<World>,
    questions: RwLock<Vec<Question>>,
}

struct Answering(Arc<State>);

impl DnsServer {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No socket to be had.
    pub async fn start() -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        // The port is free for UDP; now and then somebody has it for TCP.
        for _ in 0..20 {
            match Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    /// Starts on a given address, UDP and TCP.
    ///
    /// # Errors
    /// The address is taken, not ours, or not allowed.
    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        let udp = UdpSocket::bind(address).await?;
        let address = udp.local_addr()?;
        let tcp = TcpListener::bind(address).await?;
        let state = Arc::new(State::default());
        let mut server = Server::new(Answering(Arc::clone(&state)));
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(30), 64);
        Ok(Self { state, address, _server: server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a zone, or more records and faults to one that is there.
    pub fn add(&self, zone: Zone) {
        self.world_mut().add(&zone);
    }

    /// Takes away all records of an absolute name.
    pub fn remove(&self, name: &str) {
        self.world_mut().remove(&normal(name));
    }

    /// Makes an absolute name, and everything below it, misbehave from now on; `.` is everything.
    pub fn fault(&self, name: &str, fault: Fault) {
        self.world_mut().set_fault(&normal(name), Some(fault));
    }

    /// Ends a fault that was set on exactly this name.
    pub fn heal(&self, name: &str) {
        self.world_mut().set_fault(&normal(name), None);
    }

    /// Every question so far, in order.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        self.state.questions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often `name` was asked for `kind`.
    #[must_use]
    pub fn count(&self, name: &str, kind: Kind) -> usize {
        let name = normal(name);
        self.questions().iter().filter(|q| q.name == name && q.kind == kind).count()
    }

    /// Forgets the questions so far.
    pub fn forget_questions(&self) {
        self.state.questions.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn world_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.state.world.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl State {
    fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, question: Question) {
        self.questions.write().unwrap_or_else(PoisonError::into_inner).push(question);
    }
}

#[async_trait::async_trait]
impl RequestHandler for Answering {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut out: R,
    ) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.recursion_available = true;
        metadata.authoritative = true;
        let no_answer = ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() });
        let Ok(info) = request.request_info() else {
            metadata.response_code = ResponseCode::FormErr;
            let response = MessageResponseBuilder::from_message_request(request).build_no_records(metadata);
            return out.send_response(response).await.unwrap_or(no_answer);
        };
        let name = normal(&info.query.name().to_string());
        let kind = info.query.query_type();
        let over_tcp = request.protocol() == Protocol::Tcp;
        self.0.note(Question { name: name.clone(), kind, from: request.src(), over_tcp });

        let fault = self.0.world().fault(&name);
        let mut found = self.0.world().look_up(&name, kind);
        match fault {
            Some(Fault::Silent) => return no_answer,
            Some(Fault::Late(by)) => tokio::time::sleep(by).await,
            Some(_) => found.answers.clear(),
            None => {}
        }
        metadata.response_code = match fault {
            Some(Fault::NxDomain) => ResponseCode::NXDomain,
            Some(Fault::ServFail) => ResponseCode::ServFail,
            Some(Fault::Refused) => ResponseCode::Refused,
            _ if found.exists => ResponseCode::NoError,
            _ => ResponseCode::NXDomain,
        };
        // rfc2308 §2.1, §2.2: an answer that says no carries the SOA.
        let negative = matches!(metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
        let soa = (negative && found.answers.is_empty()).then_some(&found.soa);
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        let mut response = MessageResponseBuilder::from_message_request(request);
        if request.edns.is_some() {
            response.edns(&edns);
        }
        let response = response.build(metadata, &found.answers, None, soa, None);
        out.send_response(response).await.unwrap_or(no_answer)
    }
}
