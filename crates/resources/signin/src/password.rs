//! Passwords that the server makes up.

use postern_types::Secret;

use crate::SigninError;

/// The longest password that is taken, in bytes.
pub const LONGEST: usize = 1024;

/// Characters that nobody confuses when reading aloud or copying by hand: 32, so each is 5 bits.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A random password of 80 bits, such as `kx4m-q7wz-h2np-c9ud`.
///
/// # Errors
/// [`SigninError::Random`].
pub fn generate() -> Result<Secret<String>, SigninError> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|_| SigninError::Random)?;
    let mut password = String::with_capacity(19);
    for (i, byte) in random.iter().enumerate() {
        if i > 0 && i % 4 == 0 {
            password.push('-');
        }
        password.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn passwords_are_readable_and_never_the_same() {
        let all: HashSet<&u8> = ALPHABET.iter().collect();
        assert_eq!(all.len(), 32);
        let passwords: HashSet<String> = (0..100).map(|_| generate().unwrap().expose().clone()).collect();
        assert_eq!(passwords.len(), 100);
        for password in passwords {
            let groups: Vec<&str> = password.split('-').collect();
            assert_eq!(groups.len(), 4, "{password}");
            assert!(groups.iter().all(|g| g.len() == 4 && g.bytes().all(|b| ALPHABET.contains(&b))));
        }
    }
}
