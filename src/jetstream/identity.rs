//! What tells a stream from a later one of the same name (`Nats-Stream-Identity`), and the short names that nats-server makes
//! of long ones.

use headwater_protocol::jetstream::timestamp::Timestamp;
use sha2::{Digest, Sha256};

/// What short names are written with.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How long they are.
const CHARACTERS: usize = 8;

/// The identity of a stream, made from the moment it was created as nats-server makes it: servers that mirror it compare it
/// with what the other kind of server told them.
pub fn of_stream(created: Timestamp) -> String {
    short_hash(&created.to_string())
}

/// The short name that stands for `text`. Stored headers contain them, so they have to be the same as nats-server's.
pub fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    let digit = |byte: &u8| DIGITS.get(usize::from(*byte) % DIGITS.len()).copied().map_or('0', char::from);
    digest.iter().take(CHARACTERS).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shortened_as_nats_server_shortens_it() {
        assert_eq!(short_hash("M $G"), "ih8eMwqr");
        assert_eq!(short_hash(&short_hash("S $G")), "N6lXlrSF");
    }

    #[test]
    fn a_stream_that_is_made_anew_is_another() {
        let made = Timestamp(1_795_309_937_033_158_442);
        assert_eq!(of_stream(made), "TXDvoK2g");
        assert_ne!(of_stream(Timestamp(made.0 + 1)), of_stream(made));
    }
}
