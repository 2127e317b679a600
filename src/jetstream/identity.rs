//! What tells a stream from a later one of the same name: `Nats-Stream-Identity`.

use headwater_protocol::jetstream::timestamp::Timestamp;
use sha2::{Digest, Sha256};

/// What identities are written with.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How long they are.
const CHARACTERS: usize = 8;

/// The identity of a stream, made from the moment it was created as nats-server makes it: servers that mirror it compare it
/// with what the other kind of server told them.
pub fn of_stream(created: Timestamp) -> String {
    let digest = Sha256::digest(created.to_string());
    let digit = |byte: &u8| DIGITS.get(usize::from(*byte) % DIGITS.len()).copied().map_or('0', char::from);
    digest.iter().take(CHARACTERS).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_eight_letters_or_digits_and_changes_with_the_moment() {
        let first = of_stream(Timestamp(1_700_000_000_000_000_000));
        assert_eq!(first.len(), 8);
        assert!(first.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(first, of_stream(Timestamp(1_700_000_000_000_000_000)));
        assert_ne!(first, of_stream(Timestamp(1_700_000_000_000_000_001)));
    }
}
