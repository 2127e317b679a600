//! What the store keeps of a stream or consumer besides its messages: when it was made, and its configuration.
//!
//! Eight bytes of creation time (nanoseconds since 1970, little endian), then the configuration as the API's JSON.

use headwater_protocol::jetstream::from_json::{JsonObject, decode};
use headwater_protocol::jetstream::timestamp::Timestamp;
use serde::Serialize;

/// Writes a record.
pub fn encode(created: Timestamp, config: &impl Serialize) -> Vec<u8> {
    let mut record = created.0.to_le_bytes().to_vec();
    // Writing configurations, which are plain data, to memory does not fail.
    let _ = serde_json::to_writer(&mut record, config);
    record
}

/// Reads a record; fields this version does not know are left out.
pub fn read<T: JsonObject + Default>(record: &[u8]) -> Result<(Timestamp, T), String> {
    let (created, config) = record.split_first_chunk::<8>().ok_or("record is cut short")?;
    let config = decode(config, false).map_err(|error| error.to_string())?;
    Ok((Timestamp(i64::from_le_bytes(*created)), config))
}

#[cfg(test)]
mod tests {
    use headwater_protocol::jetstream::stream_config::StreamConfig;

    use super::*;

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let config = StreamConfig { name: "ORDERS".into(), max_msgs: 7, ..StreamConfig::default() };
        let written = encode(Timestamp(42), &config);
        assert_eq!(read::<StreamConfig>(&written), Ok((Timestamp(42), config)));
    }

    #[test]
    fn a_record_that_makes_no_sense_is_an_error_not_a_panic() {
        assert!(read::<StreamConfig>(b"short").is_err());
        assert!(read::<StreamConfig>(b"12345678not json").is_err());
    }
}
