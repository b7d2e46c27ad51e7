//! Can the server open its ports?

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use postern_config::{Config, Listen};

use super::Finding;
use super::sockets::{is_systemd, listening, program, serving};

/// One finding for each address in `[listen]`.
pub(crate) fn inspect(listen: &Listen) -> Vec<Finding> {
    let all = listen.all();
    all.into_iter()
        .flat_map(|(service, list)| list.iter().map(move |address| free(service, *address)))
        .collect()
}

/// The same for a server that may be running: a port that Postern holds is as it should be.
pub(crate) fn inspect_running(config: &Config) -> Vec<Finding> {
    let sockets = listening().unwrap_or_default();
    let mut findings = Vec::new();
    for (service, list) in config.listen.all() {
        for &address in list {
            let holder = serving(address, &sockets).and_then(program);
            findings.push(match holder {
                Some(program) if program.starts_with("postern ") => {
                    Finding::ok(about(service, address), format!("held by {program}"))
                }
                Some(program) if is_systemd(&program) => {
                    Finding::warning(about(service, address), format!("waits at {program} for somebody to serve it"))
                        .so("At the first connection systemd starts whom it is for: `systemctl list-sockets` shows it.")
                }
                _ => free(service, address),
            });
        }
    }
    findings
}

fn about(service: &str, address: SocketAddr) -> String {
    format!("port {} ({service} on {})", address.port(), address.ip())
}

fn free(service: &str, address: SocketAddr) -> Finding {
    let about = about(service, address);
    match TcpListener::bind(address).map_err(|error| error.kind()) {
        Ok(_) => Finding::ok(about, "free"),
        Err(ErrorKind::AddrInUse) => {
            let holder = listening().and_then(|sockets| serving(address, &sockets)).and_then(program);
            let holder = holder.unwrap_or_else(|| "a program that this user may not see".into());
            Finding::problem(about, format!("taken by {holder}"))
                .so(format!("Stop that program, or choose another address in `listen.{service}`."))
        }
        Err(ErrorKind::PermissionDenied) => Finding::warning(about, "this user may not open it").so(
            "Ports below 1024 need the systemd socket unit, or a start as root (`server.user` is who Postern becomes then).",
        ),
        Err(ErrorKind::AddrNotAvailable) => Finding::problem(about, "this machine does not have that address")
            .so(format!("Correct `listen.{service}`; `ip address` shows what there is.")),
        Err(other) => Finding::problem(about, format!("cannot be opened: {other}"))
            .so(format!("Correct `listen.{service}`, or leave that address out.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::State;

    #[test]
    fn a_taken_port_names_its_program() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let finding = free("smtp", taken.local_addr().unwrap());
        assert_eq!(finding.state, State::Problem);
        assert!(finding.found.contains(&std::process::id().to_string()), "{finding}");
        assert!(finding.advice.unwrap().contains("`listen.smtp`"));
    }

    #[test]
    fn an_address_of_another_machine_is_a_problem() {
        assert_eq!(free("smtp", "192.0.2.1:2525".parse().unwrap()).state, State::Problem);
        assert_eq!(free("smtp", "127.0.0.1:0".parse().unwrap()).state, State::Ok);
    }
}
