//! What the filter says (`SMFIR_*`).

use crate::Malformed;
use crate::flags::{Actions, Steps};
use crate::packet::{Data, Packet, Packets, write, write_text};

/// One packet of the filter: an answer, or a change of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer to [`Command::Negotiate`](crate::Command::Negotiate).
    Negotiate {
        /// The version that is spoken.
        version: u32,
        /// What the filter may do.
        actions: Actions,
        /// What the MTA is to leave out, and how the conversation goes.
        steps: Steps,
    },
    /// Go on.
    Continue,
    /// Take it; the filter wants to hear no more of it.
    Accept,
    /// Refuse it for good.
    Reject,
    /// Refuse it for now.
    TempFail,
    /// Say yes to the client, and throw it away.
    Discard,
    /// Refuse it with these words: one or more lines `550 5.7.1 text`, CRLF between them.
    Code(Vec<u8>),
    /// No more of the body, please.
    Skip,
    /// Still at work; begins the MTA's time anew.
    Progress,
    /// Adds a field at the end of the header.
    AddHeader {
        /// Its name.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Adds a field at a place in the header.
    InsertHeader {
        /// How many fields stand before it.
        index: u32,
        /// Its name.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Changes a field.
    ChangeHeader {
        /// Which of that name, from 1.
        index: u32,
        /// Its name.
        name: Vec<u8>,
        /// Its new value; empty deletes it.
        value: Vec<u8>,
    },
    /// Changes the envelope sender.
    ChangeSender {
        /// The path in angle brackets.
        path: Vec<u8>,
        /// ESMTP parameters.
        parameters: Option<Vec<u8>>,
    },
    /// Adds a recipient.
    AddRecipient {
        /// The path in angle brackets.
        path: Vec<u8>,
        /// ESMTP parameters (version 6).
        parameters: Option<Vec<u8>>,
    },
    /// Takes a recipient out, named as in its RCPT.
    DeleteRecipient(Vec<u8>),
    /// A piece of the new body.
    ReplaceBody(Vec<u8>),
    /// Has the MTA hold the message, for this reason.
    Quarantine(Vec<u8>),
}

impl Reply {
    /// The next whole packet of a filter.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn next(packets: &mut Packets) -> Result<Option<Self>, Malformed> {
        packets.next_packet()?.map(|packet| Self::read(&packet)).transpose()
    }

    fn read(packet: &Packet) -> Result<Self, Malformed> {
        let mut data = Data::of(packet);
        let reply = match packet.command {
            b'O' => Self::Negotiate {
                version: data.u32()?,
                actions: Actions::from_bits(data.u32()?),
                steps: Steps::from_bits(data.u32()?),
            },
            b'c' => Self::Continue,
            b'a' => Self::Accept,
            b'r' => Self::Reject,
            b't' => Self::TempFail,
            b'd' => Self::Discard,
            b'y' => Self::Code(undoubled(data.text()?)),
            b's' => Self::Skip,
            b'p' => Self::Progress,
            b'h' => Self::AddHeader { name: data.text()?.to_vec(), value: data.text()?.to_vec() },
            b'i' => Self::InsertHeader {
                index: data.u32()?,
                name: data.text()?.to_vec(),
                value: data.text()?.to_vec(),
            },
            b'm' => Self::ChangeHeader {
                index: data.u32()?,
                name: data.text()?.to_vec(),
                value: data.text()?.to_vec(),
            },
            b'e' => Self::ChangeSender { path: data.text()?.to_vec(), parameters: optional(&mut data)? },
            b'+' => Self::AddRecipient { path: data.text()?.to_vec(), parameters: None },
            b'2' => {
                Self::AddRecipient { path: data.text()?.to_vec(), parameters: Some(data.text()?.to_vec()) }
            }
            b'-' => Self::DeleteRecipient(data.text()?.to_vec()),
            b'b' => Self::ReplaceBody(data.rest().to_vec()),
            b'q' => Self::Quarantine(data.text()?.to_vec()),
            other => return Err(Malformed::UnknownCommand(other)),
        };
        data.end()?;
        Ok(reply)
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let plain = |out: &mut Vec<u8>, command: u8| write(out, command, |_| {});
        let texts = |out: &mut Vec<u8>, command: u8, texts: &[&[u8]]| {
            write(out, command, |out| texts.iter().for_each(|text| write_text(out, text)));
        };
        match self {
            Self::Negotiate { version, actions, steps } => write(out, b'O', |out| {
                for number in [*version, actions.bits(), steps.bits()] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
            }),
            Self::Continue => plain(out, b'c'),
            Self::Accept => plain(out, b'a'),
            Self::Reject => plain(out, b'r'),
            Self::TempFail => plain(out, b't'),
            Self::Discard => plain(out, b'd'),
            // Sendmail takes the text for a format: a single `%` would begin something else.
            Self::Code(text) => texts(out, b'y', &[&doubled(text)]),
            Self::Skip => plain(out, b's'),
            Self::Progress => plain(out, b'p'),
            Self::AddHeader { name, value } => texts(out, b'h', &[name, value]),
            Self::InsertHeader { index, name, value } => write_indexed(out, b'i', *index, name, value),
            Self::ChangeHeader { index, name, value } => write_indexed(out, b'm', *index, name, value),
            Self::ChangeSender { path, parameters: None } => texts(out, b'e', &[path]),
            Self::ChangeSender { path, parameters: Some(parameters) } => {
                texts(out, b'e', &[path, parameters])
            }
            Self::AddRecipient { path, parameters: None } => texts(out, b'+', &[path]),
            Self::AddRecipient { path, parameters: Some(parameters) } => {
                texts(out, b'2', &[path, parameters])
            }
            Self::DeleteRecipient(path) => texts(out, b'-', &[path]),
            Self::ReplaceBody(piece) => write(out, b'b', |out| out.extend_from_slice(piece)),
            Self::Quarantine(reason) => texts(out, b'q', &[reason]),
        }
    }
}

fn write_indexed(out: &mut Vec<u8>, command: u8, index: u32, name: &[u8], value: &[u8]) {
    write(out, command, |out| {
        out.extend_from_slice(&index.to_be_bytes());
        write_text(out, name);
        write_text(out, value);
    });
}

fn optional(data: &mut Data<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    if data.is_empty() { Ok(None) } else { data.text().map(|text| Some(text.to_vec())) }
}

fn doubled(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &octet in text {
        out.push(octet);
        if octet == b'%' {
            out.push(octet);
        }
    }
    out
}

fn undoubled(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut octets = text.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        out.push(octet);
        if octet == b'%' && octets.peek() == Some(&b'%') {
            octets.next();
        }
    }
    out
}
