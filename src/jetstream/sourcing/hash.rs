//! nats-server's short names for long ones. They appear in stored headers, so ours have to be the same.

use headwater_protocol::jetstream::timestamp::Timestamp;
use sha2::{Digest, Sha256};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 8;

/// Eight characters of base 62 that stand for `text`.
pub fn short_hash(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    let digit = |byte: &u8| DIGITS.get(usize::from(*byte) % DIGITS.len()).copied().map(char::from);
    bytes.iter().take(LENGTH).filter_map(digit).collect()
}

/// What tells a stream from another that later has its name.
pub fn stream_identity(created: Timestamp) -> String {
    short_hash(&created.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_hashed_as_nats_server_hashes_it() {
        assert_eq!(short_hash("M $G"), "ih8eMwqr");
        assert_eq!(short_hash(&short_hash("S $G")), "N6lXlrSF");
    }

    #[test]
    fn a_stream_that_is_made_anew_is_another() {
        let made = Timestamp(1_795_309_937_033_158_442);
        assert_eq!(stream_identity(made), "TXDvoK2g");
        assert_ne!(stream_identity(Timestamp(made.0 + 1)), stream_identity(made));
    }
}
