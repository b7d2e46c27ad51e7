//! The fields that delivery adds or counts: `Return-Path`, `Delivered-To`, hops (RFC 5321 §4.4, §6.3).

use postern_types::{Address, ReversePath};

use crate::Fields;

/// A message with more `Received` fields than this is in a loop
/// (RFC 5321 §6.3 asks for at least 100 allowed hops or a rejection "normally at least 100";
/// Postfix and sendmail stop at 50 and 25, and real mail has fewer than 20).
pub const HOPS: usize = 50;

/// `Return-Path: <sender>` with CRLF, for final delivery (RFC 5321 §4.4).
#[must_use]
pub fn return_path(sender: &ReversePath) -> String {
    format!("Return-Path: <{sender}>\r\n")
}

/// `Delivered-To: recipient` with CRLF.
#[must_use]
pub fn delivered_to(recipient: &Address) -> String {
    format!("Delivered-To: {recipient}\r\n")
}

/// How many `Received` fields the header has, that is how many servers passed the message on.
/// Counts to one more than `limit` at most.
#[must_use]
pub fn hop_count(header: &[u8], limit: usize) -> usize {
    Fields::with_limit(header, usize::MAX).filter(|field| field.is("Received")).take(limit + 1).count()
}

/// Whether the message was delivered to `recipient` before: it went round in a circle of
/// forwards. Letter case of the local part does not count.
#[must_use]
pub fn was_delivered_to(header: &[u8], recipient: &Address) -> bool {
    let wanted = recipient.to_string();
    Fields::with_limit(header, usize::MAX)
        .filter(|field| field.is("Delivered-To"))
        .any(|field| field.text().eq_ignore_ascii_case(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_fields_are_lines() {
        let sender = ReversePath::parse("\"a b\"@example.org").unwrap();
        assert_eq!(return_path(&sender), "Return-Path: <\"a b\"@example.org>\r\n");
        assert_eq!(return_path(&ReversePath::Null), "Return-Path: <>\r\n");
        let ann = Address::parse("ann@example.test").unwrap();
        assert_eq!(delivered_to(&ann), "Delivered-To: ann@example.test\r\n");
    }

    #[test]
    fn hops_are_counted() {
        let header = "Received: from a\r\n\tby b\r\nrECEIVED: from c\r\nX-Received: no\r\n\r\nReceived: body";
        assert_eq!(hop_count(header.as_bytes(), HOPS), 2);
        let many = "Received: x\r\n".repeat(60);
        assert_eq!(hop_count(many.as_bytes(), HOPS), HOPS + 1);
    }

    #[test]
    fn a_second_delivery_is_seen() {
        let header = b"Delivered-To: Ann@Example.Test\r\nDelivered-To:\r\n bob@example.test\r\n\r\n";
        let seen = |address: &str| was_delivered_to(header, &Address::parse(address).unwrap());
        assert!(seen("ann@example.test"));
        assert!(seen("bob@example.test"));
        assert!(!seen("eve@example.test"));
    }
}
