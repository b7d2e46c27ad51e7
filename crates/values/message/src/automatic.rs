//! Mail that a program wrote, by its own word: nobody learns from it whom a person knows (RFC 3834).

use crate::Fields;

/// Whether a header says that no person wrote the message: an automatic answer or notice, a bulk mailing, a
/// mailing list's copy.
#[must_use]
pub fn is_automatic(header: &[u8]) -> bool {
    Fields::new(header).any(|field| {
        let is = |values: &[&str]| {
            let text = field.text();
            // A parameter or comment may follow.
            let value = text.split([';', '(', ' ', '\t']).find(|part| !part.is_empty()).unwrap_or_default();
            values.iter().any(|known| value.eq_ignore_ascii_case(known))
        };
        if field.is("Auto-Submitted") {
            // rfc3834 §5: everything but `no` means that a program sent it.
            return !is(&["no"]);
        }
        // rfc2076 §3.9: no standard, and known everywhere.
        (field.is("Precedence") && is(&["bulk", "junk", "list"])) || field.is("List-Id")
    })
}

#[cfg(test)]
mod tests {
    use super::is_automatic;

    #[test]
    fn what_a_program_wrote_says_so() {
        for header in [
            "Auto-Submitted: auto-replied\r\n",
            "Subject: x\r\nauto-submitted: auto-generated; type=x\r\n",
            "Precedence:\r\n bulk\r\n",
            "Precedence: LIST (of friends)\r\n",
            "List-Id: Friends <friends.example.org>\r\n",
        ] {
            assert!(is_automatic(header.as_bytes()), "{header}");
        }
        for header in ["Auto-Submitted: no\r\n", "Precedence: first-class\r\n", "Subject: bulk\r\n", ""] {
            assert!(!is_automatic(header.as_bytes()), "{header}");
        }
    }
}
