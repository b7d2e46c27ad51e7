//! Password hashes as PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash` (RFC 9106).

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use postern_types::Secret;

use crate::SigninError;
use crate::password::LONGEST;

/// What a hash costs to compute, for us and for whoever guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB; 19,456 (19 MiB), the first choice of OWASP's Password Storage Cheat Sheet.
    pub memory_kib: u32,
    /// Passes over the memory; 2.
    pub passes: u32,
    /// Lanes; 1.
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

/// The most that checking a stored hash may cost: a wrong entry must not stop the server.
const MOST: Cost = Cost { memory_kib: 256 * 1024, passes: 16, lanes: 8 };

/// A password's hash, as it is kept. `Debug` shows only its parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: Box<str>,
}

impl PasswordHash {
    /// Hashes a password with a random salt. Takes tens of milliseconds of processor time;
    /// async code uses [`Verifier::hash`](crate::Verifier::hash).
    ///
    /// # Errors
    /// The password is empty or too long, the cost is impossible, or no random bytes.
    pub fn new(password: &Secret<String>, cost: Cost) -> Result<Self, SigninError> {
        let password = password.expose().as_bytes();
        if password.is_empty() || password.len() > LONGEST {
            return Err(SigninError::Length);
        }
        let Cost { memory_kib, passes, lanes } = cost;
        let params = Params::new(memory_kib, passes, lanes, None).map_err(|_| SigninError::Cost {
            memory_kib,
            passes,
            lanes,
        })?;
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| SigninError::Random)?;
        let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(password, &salt)
            .map_err(|error| SigninError::Failed(error.to_string()))?;
        Ok(Self { text: hash.to_string().into() })
    }

    /// A hash from its PHC string.
    ///
    /// # Errors
    /// Other algorithms, and costs beyond 256 MiB, 16 passes or 8 lanes.
    pub fn parse(text: &str) -> Result<Self, SigninError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| SigninError::NotAHash)?;
        let params = Params::try_from(&hash).map_err(|_| SigninError::NotAHash)?;
        let bearable = params.m_cost() <= MOST.memory_kib
            && params.t_cost() <= MOST.passes
            && params.p_cost() <= MOST.lanes;
        let whole = hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
        if bearable && whole { Ok(Self { text: text.into() }) } else { Err(SigninError::NotAHash) }
    }

    /// The PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is the hash of `password`. Takes as long as [`PasswordHash::new`]; async
    /// code uses [`Verifier::verify`](crate::Verifier::verify).
    #[must_use]
    pub fn matches(&self, password: &Secret<String>) -> bool {
        let password = password.expose().as_bytes();
        password.len() <= LONGEST
            && phc::PasswordHash::new(&self.text)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
    }
}

impl FromStr for PasswordHash {
    type Err = SigninError;
    fn from_str(text: &str) -> Result<Self, SigninError> {
        Self::parse(text)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.text.splitn(5, '$').take(4).collect::<Vec<_>>().join("$");
        write!(f, "{public}$***")
    }
}

/// Costs next to nothing: for tests.
#[cfg(test)]
pub(crate) const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_password_matches_its_hash_and_no_other() {
        let hash = PasswordHash::new(&secret("correct horse"), CHEAP).unwrap();
        assert!(hash.matches(&secret("correct horse")));
        assert!(!hash.matches(&secret("correct horsf")));
        assert!(!hash.matches(&secret("")));
        let again = PasswordHash::parse(hash.as_str()).unwrap();
        assert!(again.matches(&secret("correct horse")));
        assert_ne!(PasswordHash::new(&secret("correct horse"), CHEAP).unwrap(), hash, "salts differ");
    }

    #[test]
    fn hashes_are_argon2id_with_the_documented_cost() {
        let hash = PasswordHash::new(&secret("x"), Cost::default()).unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert_eq!(format!("{hash:?}"), "$argon2id$v=19$m=19456,t=2,p=1$***");
    }

    #[test]
    fn a_hash_of_the_reference_implementation_is_understood() {
        // argon2 -id -t 2 -k 256 -p 1 -l 24 -e: "password" with salt "somesalt" (its test.c).
        let text = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let hash = PasswordHash::parse(text).unwrap();
        assert!(hash.matches(&secret("password")));
        assert!(!hash.matches(&secret("passwore")));
    }

    #[test]
    fn other_texts_are_no_hashes() {
        let salt_and_hash = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        for text in [
            String::new(),
            "plain".into(),
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".into(),
            format!("$argon2i$v=19$m=256,t=2,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=4000000,t=2,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=256,t=1000000,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=8192,t=1,p=1000${salt_and_hash}"),
        ] {
            assert_eq!(PasswordHash::parse(&text), Err(SigninError::NotAHash), "{text}");
        }
    }

    #[test]
    fn impossible_requests_say_why() {
        assert_eq!(PasswordHash::new(&secret(""), CHEAP), Err(SigninError::Length));
        assert_eq!(PasswordHash::new(&secret(&"x".repeat(LONGEST + 1)), CHEAP), Err(SigninError::Length));
        let none = Cost { memory_kib: 0, passes: 0, lanes: 0 };
        assert!(matches!(PasswordHash::new(&secret("x"), none), Err(SigninError::Cost { .. })));
    }
}
