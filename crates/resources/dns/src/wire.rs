//! The way to the resolvers: hickory's pool of name servers, one question at a time.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer, RetryDnsHandle};
use hickory_resolver::net::{DnsError as HickoryError, NetError, NoRecords};
use hickory_resolver::proto::op::{DnsRequestOptions, Query, ResponseCode};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig, system_conf};

use crate::question::Question;
use crate::read::{Reading, Records, read};
use crate::{Absent, Answer, DnsError, Servers, Settings, Unknown};

/// Asks the configured resolvers; knows no cache.
pub(crate) struct Wire {
    handle: RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>,
    options: DnsRequestOptions,
}

impl Wire {
    pub(crate) fn new(settings: &Settings) -> Result<Self, DnsError> {
        let servers = name_servers(&settings.servers)?;
        let mut options = ResolverOpts::default();
        options.timeout = settings.timeout;
        options.edns0 = true;
        let mut request = DnsRequestOptions::default();
        request.recursion_desired = true;
        request.use_edns = true;
        request.edns_payload_len = options.edns_payload_len;
        let tls = TlsConfig::new().map_err(|e| DnsError::SystemConfiguration(e.to_string()))?;
        let context = Arc::new(PoolContext::new(options, tls));
        let pool = NameServerPool::from_config(servers, context, TokioRuntimeProvider::default());
        let handle = RetryDnsHandle::new(pool, settings.attempts.saturating_sub(1));
        Ok(Self { handle, options: request })
    }

    /// Asks until the answer is there, across messages where aliases lead on.
    /// Also says how long the answer may be kept, as far as the servers say.
    pub(crate) async fn ask(&self, question: &Question) -> (Answer<Records>, Duration) {
        let record_type = question.record_type();
        let Some(mut name) = question.wire_name() else {
            return (Answer::NotFound(Absent::Unusable), Duration::MAX);
        };
        let (mut aliases, mut ttl) = (0, u32::MAX);
        loop {
            let query = Query::query(name.clone(), record_type);
            match self.handle.lookup(query, self.options).first_answer().await {
                Ok(response) => match read(&response, &name, record_type, aliases, ttl) {
                    Reading::Answer(answer, keep) => return (answer, keep),
                    Reading::Alias { target, aliases: followed, ttl: shortest } => {
                        (name, aliases, ttl) = (target, followed, shortest);
                    }
                },
                Err(NetError::Dns(HickoryError::NoRecordsFound(none))) => return absent(&none, ttl),
                Err(error) => return (Answer::Unknown(why(&error)), Duration::ZERO),
            }
        }
    }
}

/// hickory reports an answer without records as an error of its own.
fn absent(none: &NoRecords, ttl: u32) -> (Answer<Records>, Duration) {
    let keep = Duration::from_secs(none.negative_ttl.unwrap_or(0).min(ttl).into());
    match none.response_code {
        ResponseCode::NXDomain => (Answer::NotFound(Absent::NxDomain), keep),
        // rfc2308 §2.2.1: NS without SOA and without an answer is a referral, not NODATA
        ResponseCode::NoError if none.soa.is_none() && none.ns.is_some() => {
            (Answer::Unknown(Unknown::Lame), Duration::ZERO)
        }
        ResponseCode::NoError => (Answer::NotFound(Absent::NoData), keep),
        code => (Answer::Unknown(Unknown::Failure(code.into())), Duration::ZERO),
    }
}

fn why(error: &NetError) -> Unknown {
    match error {
        NetError::Timeout => Unknown::Timeout,
        NetError::Io(error) => Unknown::Network(error.kind()),
        NetError::NoConnections => Unknown::Network(std::io::ErrorKind::NotConnected),
        NetError::Dns(HickoryError::ResponseCode(code)) => Unknown::Failure((*code).into()),
        NetError::Busy => Unknown::Overloaded,
        _ => Unknown::Malformed,
    }
}

fn name_servers(servers: &Servers) -> Result<Vec<NameServerConfig>, DnsError> {
    match servers {
        Servers::System => {
            let (config, _) = system_conf::read_system_conf()
                .map_err(|error| DnsError::SystemConfiguration(error.to_string()))?;
            let ips = config.name_servers().iter().map(|server| server.ip);
            Ok(ips.map(|ip| name_server((ip, 53).into())).collect())
        }
        Servers::List(list) if list.is_empty() => Err(DnsError::NoServers),
        Servers::List(list) => Ok(list.iter().map(|&address| name_server(address)).collect()),
    }
}

/// A recursive resolver: what it says does not exist is not asked of the next one.
fn name_server(address: std::net::SocketAddr) -> NameServerConfig {
    let connection = |protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = address.port();
        connection
    };
    let connections = vec![connection(ProtocolConfig::Udp), connection(ProtocolConfig::Tcp)];
    NameServerConfig::new(address.ip(), true, connections)
}
