//! Which sockets of this machine listen, and whose they are: proc(5), `/proc/net/tcp` and `tcp6`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listening {
    /// Where.
    pub(crate) address: SocketAddr,
    /// The number by which its owner is found.
    inode: u64,
}

/// All listening TCP sockets; `None` without `/proc`.
pub(crate) fn listening() -> Option<Vec<Listening>> {
    let v4 = fs::read_to_string("/proc/net/tcp").ok()?;
    // Without IPv6 in the kernel there is no such file.
    let v6 = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    Some(v4.lines().chain(v6.lines()).filter_map(parse).collect())
}

/// The socket that takes what comes for `address`: that very one, or one for every address.
pub(crate) fn serving(address: SocketAddr, sockets: &[Listening]) -> Option<Listening> {
    let exact = sockets.iter().find(|socket| socket.address == address);
    let wide = || {
        sockets.iter().find(|socket| {
            let every = socket.address.ip().is_unspecified() && socket.address.port() == address.port();
            // A socket for every IPv6 address may take IPv4 too, not the other way round.
            every && (socket.address.is_ipv6() || address.is_ipv4())
        })
    };
    exact.or_else(wide).copied()
}

/// The name of the program that serves the socket, where this user may see it: `postern (process 12)`.
pub(crate) fn program(socket: Listening) -> Option<String> {
    let link = format!("socket:[{}]", socket.inode);
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let holders = processes.filter_map(|process| {
        let number: u32 = process.file_name().to_string_lossy().parse().ok()?;
        let mut files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        files.find(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link.as_str()))?;
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        Some((name.trim().to_owned(), number))
    });
    serves(holders).map(|(name, number)| format!("{name} (process {number})"))
}

/// Whether what [`program`] gives is systemd, which starts whom the socket is for at the first connection.
pub(crate) fn is_systemd(program: &str) -> bool {
    program.starts_with("systemd ")
}

/// Of all who hold a socket, the one who serves it: systemd keeps what it has handed over.
fn serves(holders: impl Iterator<Item = (String, u32)>) -> Option<(String, u32)> {
    let mut keeper = None;
    for holder in holders {
        if holder.0 != "systemd" {
            return Some(holder);
        }
        keeper = Some(holder);
    }
    keeper
}

/// `0: 0100007F:0019 00000000:0000 0A …`; state 0A is LISTEN.
fn parse(line: &str) -> Option<Listening> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    if fields.nth(1)? != "0A" {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    let (ip, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Addresses stand there as words of the machine's own byte order.
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut octets = [0; 16];
            for (i, octet) in [word(0)?, word(8)?, word(16)?, word(24)?].concat().into_iter().enumerate() {
                octets[i] = octet;
            }
            Ipv6Addr::from(octets).into()
        }
        _ => return None,
    };
    Some(Listening { address: SocketAddr::new(ip, port), inode })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Listening {
        Listening { address: address.parse().unwrap(), inode: 1 }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let line = "   0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1682 1";
        assert_eq!(parse(line), Some(Listening { address: "127.0.0.1:25".parse().unwrap(), inode: 1682 }));
        let line = "   1: 0000000000000000FFFF00000100007F:03E3 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 9 1";
        assert_eq!(parse(line).unwrap().address, "[::ffff:127.0.0.1]:995".parse().unwrap());
        let established =
            "   0: 0100007F:0019 0100007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 7 1";
        assert_eq!(parse(established), None);
        assert_eq!(parse("  sl  local_address rem_address   st"), None);
    }

    #[test]
    fn an_open_socket_is_found_with_its_program() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let sockets = listening().unwrap();
        let found = serving(socket.local_addr().unwrap(), &sockets).unwrap();
        let program = program(found).unwrap();
        assert!(program.ends_with(&format!("(process {})", std::process::id())), "{program}");
    }

    #[test]
    fn who_was_handed_a_socket_by_systemd_serves_it() {
        let holders =
            |names: &[(&str, u32)]| serves(names.iter().map(|(name, number)| ((*name).to_owned(), *number)));
        let postern = Some(("postern".to_owned(), 7));
        assert_eq!(holders(&[("systemd", 1), ("postern", 7)]), postern);
        assert_eq!(holders(&[("postern", 7)]), postern);
        assert_eq!(holders(&[("systemd", 1)]), Some(("systemd".to_owned(), 1)));
        assert_eq!(holders(&[]), None);
        assert!(is_systemd("systemd (process 1)") && !is_systemd("systemd-resolve (process 9)"));
    }

    #[test]
    fn wide_sockets_serve_single_addresses() {
        let sockets = [at("[::]:25"), at("0.0.0.0:110")];
        assert!(serving("192.0.2.1:25".parse().unwrap(), &sockets).is_some());
        assert!(serving("0.0.0.0:25".parse().unwrap(), &sockets).is_some());
        assert!(serving("192.0.2.1:110".parse().unwrap(), &sockets).is_some());
        assert!(serving("[2001:db8::1]:110".parse().unwrap(), &sockets).is_none());
        assert!(serving("127.0.0.1:995".parse().unwrap(), &sockets).is_none());
    }
}
