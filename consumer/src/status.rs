//! The header blocks of what a consumer says about itself.

use bytes::Bytes;
use headwater_protocol::headers::statuses::Status;

use super::effect::Effect;

/// A status without further headers.
pub fn plain(status: Status) -> Bytes {
    block(status, &[])
}

/// A status that ends a pull request before its time.
pub fn with_left_over(status: Status, messages: i64, bytes: i64) -> Bytes {
    block(status, &[("Nats-Pending-Messages", &messages), ("Nats-Pending-Bytes", &bytes)])
}

/// A heartbeat, with what was delivered last and the subject that should be answered, if any.
pub fn heartbeat(last_consumer: u64, last_stream: u64, stalled: Option<&Bytes>) -> Bytes {
    use headwater_protocol::headers::statuses::IDLE_HEARTBEAT;
    let stalled = stalled.map(|subject| String::from_utf8_lossy(subject));
    let mut headers: Vec<(&str, &dyn std::fmt::Display)> =
        vec![("Nats-Last-Consumer", &last_consumer), ("Nats-Last-Stream", &last_stream)];
    if let Some(subject) = &stalled {
        headers.push(("Nats-Consumer-Stalled", subject));
    }
    block(IDLE_HEARTBEAT, &headers)
}

/// `400 Bad Request - <why>`
pub fn bad_request(why: impl std::fmt::Display) -> Bytes {
    Bytes::from(format!("NATS/1.0 400 Bad Request - {why}\r\n\r\n"))
}

/// `409 Exceeded <limit> of <value>`
pub fn exceeded(limit: &str, value: impl std::fmt::Display) -> Bytes {
    Bytes::from(format!("NATS/1.0 409 Exceeded {limit} of {value}\r\n\r\n"))
}

/// A status message that wants no answer.
pub fn to(subject: &Bytes, headers: Bytes) -> Effect {
    Effect::Status { to: subject.clone(), headers, reply: None }
}

fn block(status: Status, headers: &[(&str, &dyn std::fmt::Display)]) -> Bytes {
    use std::fmt::Write;
    let (code, text) = status;
    let mut block = format!("NATS/1.0 {code} {text}\r\n");
    for (name, value) in headers {
        // Writing to a String does not fail.
        let _ = write!(block, "{name}: {value}\r\n");
    }
    block.push_str("\r\n");
    Bytes::from(block)
}

#[cfg(test)]
mod tests {
    use headwater_protocol::headers::statuses;

    use super::*;

    #[test]
    fn a_status_is_written_as_clients_expect_it() {
        assert_eq!(plain(statuses::NO_MESSAGES), &b"NATS/1.0 404 No Messages\r\n\r\n"[..]);
        assert_eq!(
            with_left_over(statuses::REQUEST_TIMEOUT, 2, 0),
            &b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 2\r\nNats-Pending-Bytes: 0\r\n\r\n"[..]
        );
        assert_eq!(
            heartbeat(3, 5, Some(&Bytes::from_static(b"$JS.FC.S.C.abcd"))),
            &b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 3\r\nNats-Last-Stream: 5\r\nNats-Consumer-Stalled: $JS.FC.S.C.abcd\r\n\r\n"[..]
        );
    }
}
