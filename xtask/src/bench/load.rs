//! The load: `smtp-source` for mail, and our own connections for what it cannot do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

use super::{DOMAIN, PASSWORD, USERS};
use crate::Failure;

/// How much mail, and how much of it at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) messages: usize,
    pub(super) sessions: usize,
}

const OCTETS: &str = "10240";

/// Sends messages of 10 KB to up to ten recipients, one process and one mailbox for each, one
/// connection for each message. Gives what went wrong; a run with errors is no result.
pub(super) fn send(port: u16, shape: Shape) -> Result<(), Failure> {
    let senders = shape.sessions.min(USERS);
    let share =
        |whole: usize, number: usize| (whole / senders + usize::from(number < whole % senders)).to_string();
    let mut children = Vec::new();
    for number in 0..senders {
        let (messages, sessions) = (share(shape.messages, number), share(shape.sessions, number));
        let child = Command::new("/usr/sbin/smtp-source")
            .args(["-4", "-m", &messages, "-s", &sessions, "-l", OCTETS, "-S", "bench"])
            .args(["-f", "sender@sender.example", "-M", "client.sender.example"])
            .args(["-t", &format!("user{number}@{DOMAIN}"), &format!("inet:127.0.0.1:{port}")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        children.push(child.map_err(|error| format!("smtp-source: {error}"))?);
    }
    let mut complaints = String::new();
    for child in children {
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        complaints += &String::from_utf8_lossy(&output.stderr);
        if !output.status.success() && output.stderr.is_empty() {
            complaints += "smtp-source failed\n";
        }
    }
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(complaints.lines().take(3).collect::<Vec<_>>().join("; "))
    }
}

/// The number of messages in all ten mailboxes, by POP3 STAT.
pub(super) fn count_by_pop3(port: u16) -> Result<usize, Failure> {
    (0..USERS).map(|number| stat(port, &format!("user{number}@{DOMAIN}"))).sum()
}

fn stat(port: u16, user: &str) -> Result<usize, Failure> {
    let failed = |error: std::io::Error| format!("POP3 as {user}: {error}");
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(failed)?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).map_err(failed)?;
    for command in [format!("USER {user}"), format!("PASS {PASSWORD}"), "STAT".to_owned()] {
        stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).map_err(failed)?;
        line.clear();
        stream.read_line(&mut line).map_err(failed)?;
        if !line.starts_with("+OK") {
            return Err(format!("POP3 as {user}: {line}"));
        }
    }
    stream.get_mut().write_all(b"QUIT\r\n").map_err(failed)?;
    let count = line.split_whitespace().nth(1).and_then(|number| number.parse().ok());
    count.ok_or_else(|| format!("POP3 STAT: {line}"))
}

/// Connects from an address of 127.0.0.0/8.
pub(super) fn connect_from(source: Ipv4Addr, port: u16) -> Result<TcpStream, Failure> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    let socket = socket.map_err(|error| format!("socket: {error}"))?;
    use std::os::fd::AsRawFd;
    let own = SockaddrIn::from(SocketAddrV4::new(source, 0));
    let server = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    bind(socket.as_raw_fd(), &own).map_err(|error| format!("bind {source}: {error}"))?;
    connect(socket.as_raw_fd(), &server).map_err(|error| format!("connect from {source}: {error}"))?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Connects from the blocked address so many times, four at once, and reads to the end each time.
pub(super) fn knock(source: Ipv4Addr, port: u16, times: usize) -> Result<(), Failure> {
    let knock = move || (0..times / 4).try_for_each(|_| knock_once(source, port));
    let workers: Vec<_> = (0..4).map(|_| std::thread::spawn(knock)).collect();
    workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker failed".to_owned())?)
}

/// Connects, and reads to the end what is said to a blocked address.
pub(super) fn knock_once(source: Ipv4Addr, port: u16) -> Result<(), Failure> {
    let mut said = Vec::new();
    let read = connect_from(source, port)?.read_to_end(&mut said);
    // The server may close with a reset, which loses nothing that was read before.
    let refused = said.starts_with(b"5");
    if refused { Ok(()) } else { Err(format!("not refused: {read:?} {:?}", String::from_utf8_lossy(&said))) }
}

/// Sends one small message, in a connection of its own.
pub(super) fn send_one(source: Ipv4Addr, port: u16) -> Result<(), Failure> {
    let mut stream = envelope(source, port)?;
    ask(&mut stream, b"Subject: small\r\n\r\ntext\r\n.\r\n")?;
    ask(&mut stream, b"QUIT\r\n")
}

/// Opens connections, 5,000 from each address, and reads the greeting of each. They stay open.
pub(super) fn idle(port: u16, count: usize) -> Result<Vec<TcpStream>, Failure> {
    let mut open = Vec::with_capacity(count);
    for number in 0..count {
        let source = Ipv4Addr::new(127, 0, 8, u8::try_from(1 + number / 5000).unwrap_or(255));
        let mut stream = connect_from(source, port)?;
        greeting(&mut stream)?;
        open.push(stream);
    }
    Ok(open)
}

pub(super) fn greeting(stream: &mut TcpStream) -> Result<(), Failure> {
    let mut byte = [0];
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < 512 {
        stream.read_exact(&mut byte).map_err(|error| format!("no greeting: {error}"))?;
        line.push(byte[0]);
    }
    if line.starts_with(b"220") {
        Ok(())
    } else {
        Err(format!("no greeting: {}", String::from_utf8_lossy(&line)))
    }
}

/// Sends one message of so many octets.
pub(super) fn send_large(port: u16, octets: usize) -> Result<(), Failure> {
    let mut stream = envelope(Ipv4Addr::LOCALHOST, port)?;
    let line = [b"X".repeat(76), b"\r\n".to_vec()].concat();
    let block = line.repeat(1000);
    let write =
        |stream: &mut TcpStream, bytes: &[u8]| stream.write_all(bytes).map_err(|error| error.to_string());
    write(&mut stream, b"Subject: large\r\n\r\n")?;
    for _ in 0..octets / block.len() {
        write(&mut stream, &block)?;
    }
    ask(&mut stream, b".\r\n")?;
    ask(&mut stream, b"QUIT\r\n")
}

/// A connection on which a message may begin.
fn envelope(source: Ipv4Addr, port: u16) -> Result<TcpStream, Failure> {
    let mut stream = connect_from(source, port)?;
    greeting(&mut stream)?;
    let commands = [
        "EHLO client.sender.example",
        "MAIL FROM:<sender@sender.example>",
        "RCPT TO:<user0@bench.test>",
        "DATA",
    ];
    for command in commands {
        ask(&mut stream, format!("{command}\r\n").as_bytes())?;
    }
    Ok(stream)
}

/// Writes, reads a whole reply, and wants it positive.
fn ask(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), Failure> {
    stream.write_all(bytes).map_err(|error| error.to_string())?;
    let mut reply = Vec::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte).map_err(|error| format!("no reply: {error}"))?;
        reply.push(byte[0]);
        let last = reply.split(|b| *b == b'\n').rev().nth(1).unwrap_or_default();
        if reply.ends_with(b"\n") && last.get(3) == Some(&b' ') {
            let good = matches!(last.first(), Some(b'2' | b'3'));
            return if good { Ok(()) } else { Err(String::from_utf8_lossy(&reply).into_owned()) };
        }
    }
}
