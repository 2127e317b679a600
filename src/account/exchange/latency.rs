//! How long exported services take: which requests are measured, and what is told of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_protocol::headers;
use headwater_protocol::jetstream::client_info::ClientInfo;
use headwater_protocol::jetstream::timestamp::Timestamp;
use serde::Serialize;

use super::request_info::{brief, detailed};
use crate::clock::UnixNanos;
use crate::ids;
use crate::router;

/// The type of a measurement.
const TYPE: &str = "io.nats.server.metric.v1.service_latency";

/// Whether and how requests to a service are measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyTerms {
    /// Where measurements go, in the exporting account.
    pub subject: Box<str>,
    /// Which requests are measured.
    pub sampling: Sampling,
}

/// Which requests are measured. Headers of distributed tracing can ask for it always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// So many of a hundred.
    Percent(u8),
    /// Only those whose headers ask for it.
    Headers,
}

/// A request that is being measured.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub requestor: Option<Arc<router::ClientInfo>>,
    pub share: bool,
    /// The headers that asked for it.
    pub headers: TraceHeaders,
    pub subject: Box<str>,
}

/// Headers of distributed tracing.
pub(super) type TraceHeaders = BTreeMap<String, Vec<String>>;

/// How a measured request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    NoReplySubject,
    InterestLost,
    NotDelivered,
    TimedOut,
}

#[derive(Serialize)]
struct Measurement<'a> {
    r#type: &'static str,
    id: String,
    timestamp: Timestamp,
    status: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    requestor: Option<ClientInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responder: Option<ClientInfo>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    header: &'a TraceHeaders,
    start: Timestamp,
    service: i64,
    system: i64,
    total: i64,
}

impl Outcome {
    fn status(self) -> (u16, &'static str) {
        match self {
            Self::Answered => (200, ""),
            Self::NoReplySubject => (400, "Bad Request"),
            Self::InterestLost => (408, "Request Timeout"),
            Self::NotDelivered => (503, "Service Unavailable"),
            Self::TimedOut => (504, "Service Timeout"),
        }
    }
}

impl Measured {
    /// The measurement as it is published. `responder` is who answered, if anybody did.
    pub fn report(
        &self,
        outcome: Outcome,
        responder: Option<&router::ClientInfo>,
        server: &str,
        began: UnixNanos,
        now: UnixNanos,
    ) -> Vec<u8> {
        let rtt = |client: Option<&router::ClientInfo>| {
            client.map_or(0, |client| i64::try_from(client.rtt_nanos()).unwrap_or(i64::MAX))
        };
        let requestor_rtt = rtt(self.requestor.as_deref());
        let elapsed = now.saturating_sub(began).max(0);
        let (status, description) = outcome.status();
        let answered = outcome == Outcome::Answered;
        let describe = if self.share { detailed } else { brief };
        let measurement = Measurement {
            r#type: TYPE,
            id: ids::nuid(),
            timestamp: Timestamp(now),
            status,
            description,
            requestor: self.requestor.as_deref().map(|client| describe(client, server)),
            responder: responder.filter(|_| answered).map(|client| detailed(client, server)),
            header: &self.headers,
            start: Timestamp(began.saturating_sub(requestor_rtt)),
            service: if answered { elapsed.saturating_sub(rtt(responder)).max(0) } else { 0 },
            system: 0,
            total: if answered { elapsed.saturating_add(requestor_rtt) } else { 0 },
        };
        serde_json::to_vec(&measurement).unwrap_or_default()
    }
}

/// Whether a request is measured, and the headers that ask for it.
pub(super) fn sample(
    terms: &LatencyTerms,
    block: &[u8],
    random: impl FnOnce(usize) -> usize,
) -> Option<TraceHeaders> {
    match terms.sampling {
        Sampling::Percent(percent) if percent >= 100 || random(100) <= usize::from(percent) => {
            Some(TraceHeaders::new())
        }
        _ => asked_by_headers(block),
    }
}

/// The conventions of Uber, Zipkin (B3, both forms) and W3C, in this order.
fn asked_by_headers(block: &[u8]) -> Option<TraceHeaders> {
    let get =
        |name: &str| headers::get(block, name.as_bytes()).and_then(|value| std::str::from_utf8(value).ok());
    if let Some(trace) = get("Uber-Trace-Id") {
        return uber_asks(trace)
            .then(|| picked(block, |name| name == "Uber-Trace-Id" || name.starts_with("Uberctx-")));
    }
    let b3 = |name: &str| name.starts_with("X-B3-");
    match get("X-B3-Sampled") {
        Some("1") => return Some(picked(block, b3)),
        Some(_) => return None,
        None if get("X-B3-TraceId").is_some() => return Some(picked(block, b3)),
        None => {}
    }
    if let Some(single) = get("B3") {
        let parts: Vec<&str> = single.split('-').collect();
        let denied = matches!(parts.as_slice(), ["0"] | [_, _, "0", ..]);
        return (!denied).then(|| picked(block, |name| name == "B3"));
    }
    let trace = get("Traceparent").or_else(|| get("traceparent"))?;
    w3c_asks(trace).then(|| {
        picked(block, |name| matches!(name, "Traceparent" | "traceparent" | "Tracestate" | "tracestate"))
    })
}

fn picked(block: &[u8], wanted: impl Fn(&str) -> bool) -> TraceHeaders {
    let mut found = TraceHeaders::new();
    for (name, value) in headers::iter(block) {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        if wanted(&name) {
            found.entry(name.into_owned()).or_default().push(value.into_owned());
        }
    }
    found
}

/// `id:span:parent:flags`, the flags in one or two hexadecimal digits.
fn uber_asks(trace: &str) -> bool {
    let parts: Vec<&str> = trace.split(':').collect();
    matches!(parts.as_slice(), [_, _, _, flags] if flags.len() <= 2 && is_odd(flags))
}

/// `version-id-parent-flags`, the flags in two hexadecimal digits.
fn w3c_asks(trace: &str) -> bool {
    let parts: Vec<&str> = trace.split('-').collect();
    matches!(parts.as_slice(), [_, _, _, flags] if flags.len() == 2 && is_odd(flags))
}

fn is_odd(flags: &str) -> bool {
    u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(header: &str) -> bool {
        asked_by_headers(format!("NATS/1.0\r\n{header}\r\n\r\n").as_bytes()).is_some()
    }

    #[test]
    fn headers_of_distributed_tracing_ask_for_a_measurement() {
        for header in [
            "Uber-Trace-Id: 479fefe9525eddb:5adb976bfc1f95c1:479fefe9525eddb:1",
            "X-B3-Sampled: 1",
            "X-B3-TraceId: 80f198ee56343ba864fe8b2a57d3eff7",
            "B3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90",
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(asks(header), "{header}");
        }
    }

    #[test]
    fn headers_that_deny_it_or_say_nothing_do_not() {
        for header in [
            "Uber-Trace-Id: 479fefe9525eddb:5adb976bfc1f95c1:479fefe9525eddb:0",
            "X-B3-Sampled: 0",
            "B3: 0",
            "B3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0-05e3ac9a4f6e3b90",
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "Other: 1",
        ] {
            assert!(!asks(header), "{header}");
        }
    }

    #[test]
    fn a_hundred_percent_measures_all() {
        let terms = LatencyTerms { subject: "l".into(), sampling: Sampling::Percent(100) };
        assert!(sample(&terms, b"", |_| 99).is_some());
        let few = LatencyTerms { sampling: Sampling::Percent(10), ..terms };
        assert!(sample(&few, b"", |_| 10).is_some() && sample(&few, b"", |_| 11).is_none());
    }
}
