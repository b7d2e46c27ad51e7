//! Tokens: 32 random bytes that open something for whoever has them.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use postern_store::TokenHash;
use sha2::{Digest, Sha256};

/// A secret that stands in a link or a cookie.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token([u8; 32]);

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandom;

/// How long a token is as text.
const LENGTH: usize = 43;

impl Token {
    pub(crate) fn random() -> Result<Self, NoRandom> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| NoRandom)?;
        Ok(Self(bytes))
    }

    /// Reads a token; `None` for a text that is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let mut bytes = [0; 32];
        let decoded = Base64UrlUnpadded::decode(text, &mut bytes).ok()?;
        (decoded.len() == 32).then_some(Self(bytes))
    }

    /// What the store knows it by.
    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }

    /// What a form of this browser's carries: another site can neither read nor guess it.
    pub(crate) fn form_token(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(b"a form of postern\0");
        hasher.update(self.0);
        Base64UrlUnpadded::encode_string(&hasher.finalize())
    }

    /// Whether a form carries it. Hashes are compared, so that the time taken says nothing.
    pub(crate) fn signed(&self, form_token: &str) -> bool {
        Sha256::digest(form_token) == Sha256::digest(self.form_token())
    }
}

/// As it stands in links and cookies.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is_one() {
        let token = Token::random().unwrap();
        assert_eq!(token.to_string().len(), LENGTH);
        assert_eq!(Token::parse(&token.to_string()).unwrap(), token);
        assert_ne!(Token::random().unwrap(), token);
        for bad in ["", "x", "=".repeat(43).as_str(), "ä".repeat(22).as_str(), "A".repeat(44).as_str()] {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
        assert!(!format!("{token:?}").contains(&token.to_string()));
    }

    #[test]
    fn a_form_token_belongs_to_one_browser() {
        let (ours, theirs) = (Token::random().unwrap(), Token::random().unwrap());
        assert!(ours.signed(&ours.form_token()));
        assert!(!ours.signed(&theirs.form_token()));
        assert!(!ours.signed(""));
        assert_ne!(ours.form_token(), ours.to_string());
    }
}
