//! `postern ports`: what listens, why and for whom.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;

use postern_config::{Config, Plaintext};

use crate::failure::{Failure, Status};
use crate::file;
use crate::inspect::sockets::{listening, program, serving};
use crate::output::{Output, Row};
use crate::serve::local_sockets;

#[derive(serde::Serialize)]
struct Port {
    service: &'static str,
    address: String,
    /// Whether something listens there; absent where the system does not tell.
    listens: Option<bool>,
    program: Option<String>,
    why: &'static str,
    for_whom: String,
}

pub(crate) fn run(named: Option<&Path>, out: Output) -> Result<Status, Failure> {
    let config = file::load(named)?;
    let sockets = listening();
    let mut ports = Vec::new();
    for (service, addresses) in config.listen.all() {
        for &address in addresses {
            let socket = sockets.as_ref().and_then(|sockets| serving(address, sockets));
            ports.push(Port {
                service,
                address: address.to_string(),
                listens: sockets.as_ref().map(|_| socket.is_some()),
                program: socket.and_then(program),
                why: why(service),
                for_whom: for_whom(&config, service, address),
            });
        }
    }
    ports.extend(local_sockets(&config).into_iter().map(|(service, path)| Port {
        service,
        // Somebody behind it, or a file that was left there.
        listens: Some(UnixStream::connect(&path).is_ok()),
        address: path.display().to_string(),
        program: None,
        why: why(service),
        for_whom: "programs on this host that may enter its folder".to_owned(),
    }));
    out.list(&ports, "No port is configured: every list in [listen] is empty.")?;
    Ok(status(&ports))
}

/// Nothing listens: the server is not there. Some of it doesn't: a finding.
fn status(ports: &[Port]) -> Status {
    let dead = ports.iter().filter(|port| port.listens == Some(false)).count();
    match dead {
        0 => Status::Fine,
        _ if dead == ports.len() => Status::Unreachable,
        _ => Status::Finding,
    }
}

fn why(service: &str) -> &'static str {
    match service {
        "smtp" => "mail from other servers",
        "smtps" => "mail from other servers, TLS from the first byte",
        "lmtp" => "mail from the mail server in front",
        "pop3" => "fetching mail",
        "milter" => "questions of another mail server (milter)",
        "policy" => "questions of a Postfix (policy delegation)",
        "pop3s" => "fetching mail, TLS from the first byte",
        "web" => "the pages where recipients see what is held for them",
        _ => "metrics and health",
    }
}

fn for_whom(config: &Config, service: &str, address: SocketAddr) -> String {
    let where_from = match address.ip().to_canonical() {
        ip if ip.is_loopback() => "programs on this host".to_owned(),
        ip if ip.is_unspecified() => "everybody who can reach this host".to_owned(),
        ip => format!("everybody who can reach {ip}"),
    };
    match service {
        "pop3" if config.pop3.plaintext == Plaintext::AfterTls && !address.ip().is_loopback() => {
            format!("{where_from}; passwords only over TLS")
        }
        _ => where_from,
    }
}

impl Row for Port {
    const HEAD: &'static [&'static str] = &["ADDRESS", "SERVICE", "LISTENS", "WHY", "FOR WHOM"];

    fn cells(&self) -> Vec<String> {
        let listens = match (self.listens, &self.program) {
            (Some(true), Some(program)) => program.clone(),
            (Some(true), None) => "yes".into(),
            (Some(false), _) => "no".into(),
            (None, _) => "unknown".into(),
        };
        vec![self.address.clone(), self.service.into(), listens, self.why.into(), self.for_whom.clone()]
    }
}
