//! What comes back, without what differs from one time to the next: times, and names that are made up.

use serde_json::{Map, Value, json};

const ZERO_TIME: &str = "0001-01-01T00:00:00Z";
/// Times; whether they are zero is compared.
const TIMES: &[&str] = &["created", "ts", "time", "first_ts", "last_ts", "last_active"];

/// What is before the number of pending messages: in an ack token, in a consumer's info.
const PENDING_AFTER: [&str; 2] = [".<time>.", r#""num_pending":"#];

/// What names the consumers that are in the way; nats-server names them in no particular order.
const VIOLATED: &str = "change to limits violates consumers: ";

fn in_order(text: &str) -> String {
    let mut names: Vec<&str> = text.trim_start_matches(VIOLATED).split(", ").collect();
    names.sort_unstable();
    format!("{VIOLATED}{}", names.join(", "))
}

/// A body as it is compared: JSON masked and in the order of its keys, anything else as it is.
pub fn body(bytes: &[u8]) -> String {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(mut json) => {
            mask(&mut json);
            json.to_string()
        }
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn mask(json: &mut Value) {
    match json {
        Value::Object(entries) => {
            forget_sequence_zero(entries);
            // How long a request that does not wait is kept when there is nothing for it is nobody's business.
            entries.remove("num_waiting");
            for (key, value) in entries {
                match value {
                    Value::String(time) if TIMES.contains(&key.as_str()) && time != ZERO_TIME => {
                        *value = "<time>".into();
                    }
                    Value::String(text) if text.starts_with(VIOLATED) => *text = in_order(text),
                    _ => mask(value),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(mask),
        _ => {}
    }
}

/// nats-server lists sequence 0 as deleted in a stream that has never held a message. We do not.
fn forget_sequence_zero(state: &mut Map<String, Value>) {
    if state.get("deleted") == Some(&json!([0])) {
        state.remove("deleted");
        state.remove("num_deleted");
    }
}

/// An answer without a consumer's positions. When some of its messages have been purged, nats-server's floor can name a
/// delivery above one that is still pending, and what it has looked at counts as delivered.
pub fn without_positions(told: &str) -> String {
    [r#""ack_floor":"#, r#""delivered":"#].iter().fold(told.to_owned(), |told, position| {
        let mut parts = told.split(position);
        let head = parts.next().unwrap_or_default().to_owned();
        parts.fold(head, |told, part| told + part.split_once('}').map_or(part, |(_, rest)| rest))
    })
}

/// An answer without how many messages are pending. To nats-server those are pending, too, that come before the one a
/// consumer was told to go on with, or before a rollup.
pub fn without_pending(told: &str) -> String {
    let without = |told: String, before: &str| {
        let mut parts = told.split(before);
        let head = parts.next().unwrap_or_default().to_owned();
        parts.fold(head, |told, part| {
            told + before + part.trim_start_matches(|digit: char| digit.is_ascii_digit())
        })
    };
    PENDING_AFTER.iter().fold(told.to_owned(), |told, before| without(told, before))
}

/// A reply subject as it is compared: without the time in an ack token.
pub fn reply(subject: &str) -> String {
    let mut tokens: Vec<&str> = subject.split('.').collect();
    if subject.starts_with("$JS.ACK.") && tokens.len() == 9 {
        tokens[7] = "<time>";
    }
    tokens.join(".")
}

/// A header block as it is compared.
pub fn headers(block: &str) -> String {
    let masked = block.split("\r\n").map(|line| match line.split_once(": ") {
        Some((name @ ("Nats-Time-Stamp" | "Nats-Pin-Id"), _)) => format!("{name}: <masked>"),
        Some((name @ "Nats-Subject", subject)) => format!("{name}: {}", reply(subject)),
        _ => line.to_owned(),
    });
    masked.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
}
