//! SASL PLAIN (RFC 4616) as it comes over the line: base64 of `authzid NUL authcid NUL passwd`.

use base64ct::{Base64, Encoding};
use postern_types::Secret;

use crate::{Credentials, Mechanism};

/// Reads a response; `None` for whatever is not PLAIN, or asks to act for somebody else.
pub(crate) fn parse(response: &[u8]) -> Option<Credentials> {
    let response = std::str::from_utf8(response.trim_ascii()).ok()?;
    let decoded = String::from_utf8(Base64::decode_vec(response).ok()?).ok()?;
    let mut fields = decoded.split('\0');
    let (authorize, user, password) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = fields.next().is_none() && !user.is_empty() && !password.is_empty();
    // rfc4616 §2: who may act for others is the server's business; here nobody may.
    let own = authorize.is_empty() || authorize == user;
    (whole && own && !user.contains(char::is_control)).then(|| Credentials {
        user: user.to_owned(),
        password: Secret::new(password.to_owned()),
        mechanism: Mechanism::Plain,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &str) -> Option<(String, String)> {
        let credentials = parse(Base64::encode_string(fields.as_bytes()).as_bytes())?;
        Some((credentials.user, credentials.password.expose().clone()))
    }

    #[test]
    fn name_and_password_are_read() {
        let ann = Some(("ann".to_owned(), "two words".to_owned()));
        assert_eq!(read("\0ann\0two words"), ann);
        assert_eq!(read("ann\0ann\0two words"), ann);
    }

    #[test]
    fn everything_else_is_refused() {
        for fields in ["", "ann\0x", "\0\0x", "\0ann\0", "bob\0ann\0x", "\0ann\0x\0y", "\0a\nb\0x"] {
            assert_eq!(read(fields), None, "{fields:?}");
        }
        assert!(parse(b"not base64!").is_none());
        assert!(parse(b"=").is_none());
        assert!(parse(b"AP8A/w==").is_none(), "no UTF-8");
    }
}
