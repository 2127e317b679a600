//! A message as STREAM.MSG.GET shows it.

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;
use serde::{Serialize, Serializer};

use super::timestamp::Timestamp;

/// A message, its bytes in base64.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StoredMsg<'a> {
    /// Its subject.
    #[serde(serialize_with = "lossy")]
    pub subject: &'a [u8],
    /// Its sequence.
    pub seq: u64,
    /// Its header block, from `NATS/1.0` to the empty line.
    #[serde(serialize_with = "base64", skip_serializing_if = "<[u8]>::is_empty")]
    pub hdrs: &'a [u8],
    /// Its payload.
    #[serde(serialize_with = "base64", skip_serializing_if = "<[u8]>::is_empty")]
    pub data: &'a [u8],
    /// When it was stored.
    pub time: Timestamp,
}

fn base64<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &BASE64_STANDARD))
}

fn lossy<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_in_base64_and_without_what_is_empty() {
        let message = StoredMsg { subject: b"a", seq: 3, hdrs: b"", data: b"hi", time: Timestamp(0) };
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"subject":"a","seq":3,"data":"aGk=","time":"1970-01-01T00:00:00Z"}"#
        );
        let headed = StoredMsg { hdrs: b"NATS/1.0\r\n\r\n", data: b"", ..message };
        assert!(
            serde_json::to_string(&headed).unwrap().contains(r#""seq":3,"hdrs":"TkFUUy8xLjANCg0K","time""#)
        );
    }
}
