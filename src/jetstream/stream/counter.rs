//! `Nats-Incr`: subjects that count (ADR-49). The total is the payload of a subject's last message.

use std::borrow::Cow;
use std::collections::BTreeMap;

use headwater_protocol::headers::{self, names};
use serde::Deserialize;

use super::StreamMachine;
use super::decimal_sum::Decimal;
use super::publish_headers::PublishHeaders;
use super::refusal::Refusal;
use crate::store::MessageLog;

/// What a subject has counted so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counter {
    /// The total.
    pub total: Decimal,
    /// What each origin has contributed, by stream and subject (`Nats-Counter-Sources`).
    pub sources: Sources,
}

/// Totals of origins, by stream and subject.
pub type Sources = BTreeMap<String, BTreeMap<String, String>>;

/// `{"val":"6"}`
#[derive(Deserialize)]
struct Value {
    val: String,
}

impl Counter {
    /// The counter as the last message of its subject left it.
    pub fn read(log: &dyn MessageLog, subject: &[u8]) -> Result<Self, Refusal> {
        let last = match log.subject(subject) {
            Some(state) => log.load(state.last_seq)?,
            None => None,
        };
        let Some(last) = last else { return Ok(Self::default()) };
        let total = total_of(last.payload())?;
        let sources = match headers::get(last.headers(), names::COUNTER_SOURCES) {
            Some(sources) if !sources.is_empty() => {
                serde_json::from_slice(sources).map_err(|_| Refusal::CounterBroken)?
            }
            _ => Sources::new(),
        };
        Ok(Self { total, sources })
    }

    /// Notes that a subject of an origin has come to the total that `payload` tells; returns how much of that is new.
    pub fn take_from(&mut self, stream: &str, subject: &str, payload: &[u8]) -> Result<Decimal, Refusal> {
        let total = total_of(payload)?;
        let known = self.sources.entry(stream.into()).or_default().entry(subject.into()).or_default();
        let increment = total.minus(&Decimal::parse(known.as_bytes()).unwrap_or_default());
        *known = total.to_string();
        Ok(increment)
    }

    /// Counts on; the message becomes the one that tells the total.
    pub fn add(
        &mut self,
        increment: &Decimal,
        block: &mut Cow<'_, [u8]>,
        payload: &mut Cow<'_, [u8]>,
    ) -> String {
        self.total = self.total.plus(increment);
        let value = self.total.to_string();
        *payload = Cow::Owned(format!("{{\"val\":\"{value}\"}}").into_bytes());
        if !self.sources.is_empty() {
            // Writing maps of strings does not fail.
            let sources = serde_json::to_vec(&self.sources).unwrap_or_default();
            headers::set(block.to_mut(), names::COUNTER_SOURCES, &sources);
        }
        value
    }
}

impl StreamMachine {
    /// How much a publisher wants to count; nothing on a stream that does not count.
    pub(super) fn check_increment(
        &self,
        asked: &PublishHeaders<'_>,
        payload: &[u8],
    ) -> Result<Option<Decimal>, Refusal> {
        if asked.incr.is_empty() {
            return Ok(None);
        }
        let increment = Decimal::parse(asked.incr).ok_or(Refusal::IncrementInvalid)?;
        if !self.config.allow_msg_counter {
            return Err(Refusal::CountersDisabled);
        }
        if !payload.is_empty() {
            return Err(Refusal::IncrementWithPayload);
        }
        if asked.expects_something() || !asked.rollup.is_empty() {
            return Err(Refusal::IncrementInvalid);
        }
        Ok(Some(increment))
    }
}

fn total_of(payload: &[u8]) -> Result<Decimal, Refusal> {
    let value: Value = serde_json::from_slice(payload).map_err(|_| Refusal::CounterBroken)?;
    Decimal::parse(value.val.as_bytes()).ok_or(Refusal::CounterBroken)
}
