//! Answers and changes as packets that every MTA reads in the same way.

use postern_types as types;

use crate::event::{Change, ChangeRefused};
use crate::flags::{Actions, Steps};
use crate::packet::LARGEST_PACKET;
use crate::reply::Reply;

/// Octets of a line of a reply, as Sendmail's library has it.
const LINE_MAX: usize = 980;
/// Lines of a reply, likewise.
const LINES_MAX: usize = 32;
/// Octets of a body in one packet.
const CHUNK: usize = 65_535;

/// The lines of a reply: `None` where it is neither 4yz nor 5yz.
pub(crate) fn code(reply: &types::Reply) -> Option<Vec<u8>> {
    if !reply.code.is_transient() && !reply.code.is_permanent() {
        return None;
    }
    // Postfix insists on an enhanced code, of the reply's own class.
    let class = if reply.code.is_permanent() { 5 } else { 4 };
    let given = reply.enhanced.filter(|enhanced| enhanced.class == class);
    let enhanced = given.unwrap_or(types::EnhancedCode::new(class, 0, 0));
    let lines = &reply.lines()[..reply.lines().len().min(LINES_MAX)];
    let mut out = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let (separator, end) = if i + 1 == lines.len() { (' ', "") } else { ('-', "\r\n") };
        let mut text = format!("{}{separator}{enhanced} {line}", reply.code);
        let cut = (0..=text.len().min(LINE_MAX)).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(cut.unwrap_or(0));
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(end.as_bytes());
    }
    Some(out)
}

/// What the MTA must have allowed for a change.
pub(crate) fn needs(change: &Change) -> Actions {
    match change {
        Change::AddHeader { .. } | Change::InsertHeader { .. } => Actions::ADD_HEADERS,
        Change::ChangeHeader { .. } => Actions::CHANGE_HEADERS,
        Change::ChangeSender(_) => Actions::CHANGE_SENDER,
        Change::AddRecipient(_) => Actions::ADD_RECIPIENTS,
        Change::DeleteRecipient(_) => Actions::DELETE_RECIPIENTS,
        Change::ReplaceBody(_) => Actions::CHANGE_BODY,
        Change::Quarantine(_) => Actions::QUARANTINE,
    }
}

/// A change as packets.
pub(crate) fn packets(change: Change, steps: Steps) -> Result<Vec<Reply>, ChangeRefused> {
    Ok(vec![match change {
        Change::AddHeader { name, value } => {
            Reply::AddHeader { name: field_name(name)?, value: field_value(&value, steps)? }
        }
        Change::InsertHeader { index, name, value } => {
            Reply::InsertHeader { index, name: field_name(name)?, value: field_value(&value, steps)? }
        }
        Change::ChangeHeader { index, name, value } => {
            // Empty is "delete", and must stay empty.
            let value = if value.is_empty() { value } else { field_value(&value, steps)? };
            Reply::ChangeHeader { index, name: field_name(name)?, value }
        }
        Change::ChangeSender(path) => {
            Reply::ChangeSender { path: format!("<{path}>").into_bytes(), parameters: None }
        }
        Change::AddRecipient(address) => {
            Reply::AddRecipient { path: format!("<{address}>").into_bytes(), parameters: None }
        }
        Change::DeleteRecipient(path) => Reply::DeleteRecipient(path),
        Change::ReplaceBody(body) => {
            if body.is_empty() {
                return Ok(vec![Reply::ReplaceBody(Vec::new())]);
            }
            return Ok(body.chunks(CHUNK).map(|chunk| Reply::ReplaceBody(chunk.to_vec())).collect());
        }
        Change::Quarantine(reason) => Reply::Quarantine(reason.replace(char::is_control, " ").into_bytes()),
    }])
}

fn field_name(name: String) -> Result<Vec<u8>, ChangeRefused> {
    // rfc5322 §3.6.8: ftext
    let valid = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':');
    if valid && name.len() < LARGEST_PACKET / 2 {
        Ok(name.into_bytes())
    } else {
        Err(ChangeRefused::FieldName)
    }
}

/// A value that stays one field: folded with LF alone, as MTAs keep it, each further line with a space before it.
fn field_value(value: &[u8], steps: Steps) -> Result<Vec<u8>, ChangeRefused> {
    if value.len() > LARGEST_PACKET / 2 {
        return Err(ChangeRefused::TooLong);
    }
    let space = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    let mut out = Vec::with_capacity(value.len() + 8);
    if steps.contains(Steps::LEADING_SPACE) && !space(value.first()) {
        out.push(b' ');
    }
    let trimmed = value.trim_ascii_end();
    for (i, &octet) in trimmed.iter().enumerate() {
        match octet {
            b'\r' | 0 => {}
            b'\n' if space(trimmed.get(i + 1)) => out.push(b'\n'),
            b'\n' => out.extend_from_slice(b"\n\t"),
            octet => out.push(octet),
        }
    }
    Ok(out)
}
