//! Mail that a program wrote, by its own word: nobody learns from it whom a person knows (RFC 3834).

use crate::Fields;

/// Fields that only programs write: mailing lists (rfc2919, rfc2369 §3.2), and what answers or sends pages' forms.
const ALWAYS: [&str; 5] =
    ["List-Id", "List-Unsubscribe", "X-Auto-Response-Suppress", "X-PHP-Originating-Script", "X-PHP-Script"];

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
        (field.is("Precedence") && is(&["bulk", "junk", "list"])) || ALWAYS.iter().any(|name| field.is(name))
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
            "List-Unsubscribe: <https://example.org/leave>\r\n",
            "X-PHP-Originating-Script: 33:contact.php\r\n",
        ] {
            assert!(is_automatic(header.as_bytes()), "{header}");
        }
        for header in ["Auto-Submitted: no\r\n", "Precedence: first-class\r\n", "Subject: bulk\r\n", ""] {
            assert!(!is_automatic(header.as_bytes()), "{header}");
        }
    }
}
