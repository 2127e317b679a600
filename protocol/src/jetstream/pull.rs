//! The body of a pull request (CONSUMER.MSG.NEXT, `+NXT`).

use serde::Deserialize;

use super::from_json::{JsonError, decode, json_fields};
use crate::decimal::parse_i64;

/// What a pull request asks for. Zero means not asked for; durations are nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Messages wanted, at least 1.
    pub batch: u64,
    /// How long the request lives.
    pub expires: i64,
    /// Most bytes in all.
    pub max_bytes: i64,
    /// No waiting if there is nothing.
    pub no_wait: bool,
    /// The longest silence.
    pub idle_heartbeat: i64,
    /// What the request says about priorities; `None` unless it was JSON, which spares it the checks.
    pub priority: Option<PriorityRequest>,
}

/// What a pull request says about its place among others (ADR-42).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriorityRequest {
    /// The group it belongs to.
    pub group: String,
    /// Serve it only when at least so many messages are undelivered.
    pub min_pending: i64,
    /// Serve it only when at least so many messages are unacknowledged.
    pub min_ack_pending: i64,
    /// The pin it holds.
    pub id: String,
    /// Its rank, 0 to 9, lower first.
    pub priority: i64,
}

impl Default for PullRequest {
    /// What an empty body means: one message, however long it takes.
    fn default() -> Self {
        Self { batch: 1, expires: 0, max_bytes: 0, no_wait: false, idle_heartbeat: 0, priority: None }
    }
}

impl PullRequest {
    /// Reads a body: nothing, a number, or JSON; other text asks for one message. The error is what follows
    /// `400 Bad Request - `.
    pub fn parse(body: &[u8]) -> Result<Self, JsonError> {
        let body = body.trim_ascii();
        match body.first() {
            None => Ok(Self::default()),
            Some(b'{') => Self::from_fields(read_fields(body)?),
            Some(_) => Ok(Self { batch: at_least_one(parse_i64(body).unwrap_or(1)), ..Self::default() }),
        }
    }

    fn from_fields(fields: PullFields) -> Result<Self, JsonError> {
        if fields.idle_heartbeat > 0 && fields.idle_heartbeat.saturating_mul(2) > fields.expires {
            return Err(JsonError::new("heartbeat value too large"));
        }
        Ok(Self {
            batch: at_least_one(fields.batch),
            expires: fields.expires,
            max_bytes: fields.max_bytes,
            no_wait: fields.no_wait,
            idle_heartbeat: fields.idle_heartbeat,
            priority: Some(PriorityRequest {
                group: fields.group,
                min_pending: fields.min_pending,
                min_ack_pending: fields.min_ack_pending,
                id: fields.id,
                priority: fields.priority,
            }),
        })
    }
}

/// The keys of the JSON form.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PullFields {
    expires: i64,
    batch: i64,
    max_bytes: i64,
    no_wait: bool,
    idle_heartbeat: i64,
    group: String,
    min_pending: i64,
    min_ack_pending: i64,
    id: String,
    priority: i64,
}

json_fields! { PullFields as "" {
    expires, batch, max_bytes, no_wait, idle_heartbeat, group, min_pending, min_ack_pending, id, priority,
} }

/// Bodies as clients usually send them are read straight away; unusual ones (`null`, unknown or repeated keys, keys
/// in capitals) and faulty ones take the long way.
fn read_fields(body: &[u8]) -> Result<PullFields, JsonError> {
    serde_json::from_slice(body).or_else(|_| decode(body, false))
}

/// A missing, zero or negative batch is exactly one message.
fn at_least_one(batch: i64) -> u64 {
    u64::try_from(batch).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> PullRequest {
        PullRequest::parse(body.as_bytes()).unwrap()
    }

    fn refusal(body: &str) -> String {
        PullRequest::parse(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_body_asks_for_one_message_without_priority_checks() {
        assert_eq!(parse(""), PullRequest::default());
        assert_eq!(parse(" \r\n").priority, None);
    }

    #[test]
    fn a_number_is_a_batch_and_other_text_is_one_message() {
        assert_eq!(parse("25").batch, 25);
        for body in ["-3", "0", "many", "[1]", "null", "\"x\""] {
            assert_eq!(parse(body), PullRequest::default(), "{body}");
        }
    }

    #[test]
    fn every_key_is_understood() {
        let request = parse(
            r#"{"batch":5,"expires":10,"max_bytes":7,"no_wait":true,"idle_heartbeat":5,"group":"g","min_pending":1,
                "min_ack_pending":2,"id":"pin","priority":3}"#,
        );
        let priority = PriorityRequest {
            group: "g".into(),
            min_pending: 1,
            min_ack_pending: 2,
            id: "pin".into(),
            priority: 3,
        };
        let expected = PullRequest {
            batch: 5,
            expires: 10,
            max_bytes: 7,
            no_wait: true,
            idle_heartbeat: 5,
            priority: Some(priority),
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn a_batch_below_one_is_one() {
        for body in ["{}", r#"{"batch":0}"#, r#"{"batch":-4}"#, r#"{"batch":null}"#] {
            assert_eq!(parse(body).batch, 1, "{body}");
        }
    }

    #[test]
    fn unusual_spellings_mean_the_same() {
        let usual = parse(r#"{"batch":2,"no_wait":true}"#);
        for body in [
            r#"{"BATCH":2,"No_Wait":true}"#,
            r#"{"batch":2,"no_wait":true,"bogus":[1]}"#,
            r#"{"batch":9,"batch":2,"no_wait":true,"group":null}"#,
        ] {
            assert_eq!(parse(body), usual, "{body}");
        }
    }

    #[test]
    fn errors_are_those_behind_bad_request() {
        assert_eq!(refusal("{"), "unexpected end of JSON input");
        assert_eq!(refusal(r#"{"batch":1"#), "unexpected end of JSON input");
        assert_eq!(refusal(r#"{"idle_heartbeat":6,"expires":11}"#), "heartbeat value too large");
        assert_eq!(refusal(r#"{"idle_heartbeat":6}"#), "heartbeat value too large");
        assert_eq!(
            refusal(r#"{"batch":"x"}"#),
            "json: cannot unmarshal string into Go struct field .batch of type int64"
        );
    }
}
