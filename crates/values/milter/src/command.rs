//! What the MTA says (`SMFIC_*`).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::Malformed;
use crate::flags::{Actions, Steps};
use crate::macros::Stage;
use crate::packet::{Data, Packet, Packets, write, write_text};

/// Macros in one packet; MTAs send about ten.
const MACROS_MAX: usize = 256;
/// Arguments of MAIL and RCPT: the path and its ESMTP parameters.
const ARGUMENTS_MAX: usize = 64;

/// One command of the MTA. Texts are octets as the client sent them; they hold no NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The first of all: what the MTA can do.
    Negotiate {
        /// Its version of the protocol.
        version: u32,
        /// What a filter may do.
        actions: Actions,
        /// What it can leave out.
        steps: Steps,
    },
    /// Macros for the command that follows. Not answered.
    Macros {
        /// The command that they are for.
        stage: Stage,
        /// Names (mostly in braces) and values.
        values: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// A client has connected.
    Connect(Connect),
    /// HELO or EHLO, and the name given.
    Hello(Vec<u8>),
    /// MAIL: the path, mostly in angle brackets, then ESMTP parameters. Never empty.
    Mail(Vec<Vec<u8>>),
    /// RCPT, in the same form.
    Rcpt(Vec<Vec<u8>>),
    /// DATA (version 4).
    Data,
    /// One header field.
    Header {
        /// Its name.
        name: Vec<u8>,
        /// What stands behind the colon, folded with LF alone; without the first space, unless
        /// [`Steps::LEADING_SPACE`] was agreed.
        value: Vec<u8>,
    },
    /// The header is over.
    EndOfHeader,
    /// A piece of the body, with CRLF line ends.
    Body(Vec<u8>),
    /// The message is over; perhaps with the last piece of its body.
    EndOfMessage(Vec<u8>),
    /// A command that the MTA does not know (version 3).
    Unknown(Vec<u8>),
    /// The message is given up; the session may go on. Not answered.
    Abort,
    /// The session is over. Not answered.
    Quit,
    /// The session is over, and another begins on this connection (version 6). Not answered.
    QuitNewConnection,
}

/// A client as the MTA sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Its name in the DNS, or its address in brackets where it has none.
    pub name: Vec<u8>,
    /// Where it comes from.
    pub peer: Peer,
}

/// Where a client comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// By IP. Port 0 where the MTA does not say.
    Internet(SocketAddr),
    /// By a local socket, with its path.
    Unix(Vec<u8>),
    /// The MTA has no address: a program on its own host.
    Unknown,
}

/// The octets by which kinds of address are told apart (`SMFIA_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family;

impl Family {
    /// No address.
    pub const UNKNOWN: u8 = b'U';
    /// A local socket.
    pub const UNIX: u8 = b'L';
    /// IPv4.
    pub const INET: u8 = b'4';
    /// IPv6.
    pub const INET6: u8 = b'6';
}

impl Command {
    /// The next whole command of a stream of bytes.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn next(packets: &mut Packets) -> Result<Option<Self>, Malformed> {
        packets.next_packet()?.map(|packet| Self::read(&packet)).transpose()
    }

    fn read(packet: &Packet) -> Result<Self, Malformed> {
        let mut data = Data::of(packet);
        let command = match packet.command {
            b'O' => Self::Negotiate {
                version: data.u32()?,
                actions: Actions::from_bits(data.u32()?),
                steps: Steps::from_bits(data.u32()?),
            },
            b'D' => read_macros(&mut data)?,
            b'C' => Self::Connect(Connect::read(&mut data)?),
            b'H' => Self::Hello(data.text()?.to_vec()),
            b'M' => Self::Mail(read_arguments(&mut data)?),
            b'R' => Self::Rcpt(read_arguments(&mut data)?),
            b'T' => Self::Data,
            b'L' => Self::Header { name: data.text()?.to_vec(), value: data.text()?.to_vec() },
            b'N' => Self::EndOfHeader,
            b'B' => Self::Body(data.rest().to_vec()),
            b'E' => Self::EndOfMessage(data.rest().to_vec()),
            b'U' => Self::Unknown(data.text()?.to_vec()),
            b'A' => Self::Abort,
            b'Q' => Self::Quit,
            b'K' => Self::QuitNewConnection,
            other => return Err(Malformed::UnknownCommand(other)),
        };
        data.end()?;
        Ok(command)
    }

    /// Appends the command as a packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let texts =
            |out: &mut Vec<u8>, texts: &[Vec<u8>]| texts.iter().for_each(|text| write_text(out, text));
        match self {
            Self::Negotiate { version, actions, steps } => write(out, b'O', |out| {
                for number in [*version, actions.bits(), steps.bits()] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
            }),
            Self::Macros { stage, values } => write(out, b'D', |out| {
                out.push(stage.command());
                values.iter().for_each(|(name, value)| {
                    write_text(out, name);
                    write_text(out, value);
                });
            }),
            Self::Connect(connect) => write(out, b'C', |out| connect.write(out)),
            Self::Hello(name) => write(out, b'H', |out| write_text(out, name)),
            Self::Mail(arguments) => write(out, b'M', |out| texts(out, arguments)),
            Self::Rcpt(arguments) => write(out, b'R', |out| texts(out, arguments)),
            Self::Data => write(out, b'T', |_| {}),
            Self::Header { name, value } => write(out, b'L', |out| {
                write_text(out, name);
                write_text(out, value);
            }),
            Self::EndOfHeader => write(out, b'N', |_| {}),
            Self::Body(piece) => write(out, b'B', |out| out.extend_from_slice(piece)),
            Self::EndOfMessage(piece) => write(out, b'E', |out| out.extend_from_slice(piece)),
            Self::Unknown(line) => write(out, b'U', |out| write_text(out, line)),
            Self::Abort => write(out, b'A', |_| {}),
            Self::Quit => write(out, b'Q', |_| {}),
            Self::QuitNewConnection => write(out, b'K', |_| {}),
        }
    }
}

fn read_macros(data: &mut Data<'_>) -> Result<Command, Malformed> {
    let stage = Stage::of(data.octet()?);
    let mut values = Vec::new();
    while !data.is_empty() {
        if values.len() == MACROS_MAX {
            return Err(data.wrong("it has too many macros"));
        }
        values.push((data.text()?.to_vec(), data.text()?.to_vec()));
    }
    Ok(Command::Macros { stage, values })
}

fn read_arguments(data: &mut Data<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let arguments = data.texts(ARGUMENTS_MAX)?;
    if arguments.is_empty() { Err(data.wrong("there is no path")) } else { Ok(arguments) }
}

impl Connect {
    fn read(data: &mut Data<'_>) -> Result<Self, Malformed> {
        let name = data.text()?.to_vec();
        let peer = match data.octet()? {
            Family::UNKNOWN => {
                // Some MTAs send port and address here too, and they mean nothing.
                data.rest();
                Peer::Unknown
            }
            family @ (Family::UNIX | Family::INET | Family::INET6) => {
                let port = data.u16()?;
                let address = data.text()?;
                if family == Family::UNIX {
                    Peer::Unix(address.to_vec())
                } else {
                    let ip = ip(address).ok_or(data.wrong("its address is none"))?;
                    Peer::Internet(SocketAddr::new(ip, port))
                }
            }
            _ => return Err(data.wrong("its kind of address is none")),
        };
        Ok(Self { name, peer })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_text(out, &self.name);
        let (family, port, address) = match &self.peer {
            Peer::Unknown => return out.push(Family::UNKNOWN),
            Peer::Unix(path) => (Family::UNIX, 0, path.clone()),
            Peer::Internet(at) if at.is_ipv4() => (Family::INET, at.port(), at.ip().to_string().into_bytes()),
            Peer::Internet(at) => (Family::INET6, at.port(), at.ip().to_string().into_bytes()),
        };
        out.push(family);
        out.extend_from_slice(&port.to_be_bytes());
        write_text(out, &address);
    }
}

/// Sendmail writes `IPv6:` before an IPv6 address, Postfix does not; a scope (`%eth0`) says nothing to us.
fn ip(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip);
    }
    let tagged = text.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let text = if tagged { &text[5..] } else { text };
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}
