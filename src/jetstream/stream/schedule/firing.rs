//! Publishing what is due.

use std::borrow::Cow;

use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::go_duration::SECOND;
use headwater_protocol::subject::transform::Transform;

use super::Scheduling;
use crate::clock::UnixNanos;
use crate::jetstream::stream::accept::{Accepted, Rollup, check_header_size};
use crate::jetstream::stream::expiry::load;
use crate::jetstream::stream::publish_headers::PublishHeaders;
use crate::jetstream::stream::ttl::Ttl;
use crate::jetstream::stream::turn::Turn;
use crate::jetstream::stream::{Refusal, StreamMachine};
use crate::store::{MessageLog, StoreError, StoredMessage};

/// Messages published in one go, so that others do not wait for them.
const PUBLISHED_PER_ROUND_MAX: usize = 256;
/// How long to wait before what was refused is tried again.
const RETRY_AFTER: UnixNanos = 10 * SECOND;

impl StreamMachine {
    /// Publishes what is due.
    pub(in crate::jetstream::stream) fn fire_schedules(
        &mut self,
        turn: &mut Turn<'_>,
    ) -> Result<(), StoreError> {
        for _ in 0..PUBLISHED_PER_ROUND_MAX {
            let Some((due, seq)) = self.schedules.take_due(turn.now) else { break };
            let schedule = match load(turn.log, seq)? {
                Some(schedule) if is_current(turn.log, &schedule)? => schedule,
                _ => continue,
            };
            if self.fire(turn, &schedule, due).is_err() {
                self.schedules.by_due.insert((turn.now.saturating_add(RETRY_AFTER), seq));
            }
        }
        Ok(())
    }

    fn fire(&mut self, turn: &mut Turn<'_>, schedule: &StoredMessage, due: UnixNanos) -> Result<(), Refusal> {
        let asked = PublishHeaders::read(schedule.headers());
        let Ok(pattern) = self.pattern_of(&asked) else { return Ok(()) };
        let next = if pattern.repeats() { pattern.next(due, turn.now) } else { None };
        let content = match turn.log.subject(asked.schedule_source) {
            Some(source) => load(turn.log, source.last_seq)?,
            None => None,
        };
        let content = content.as_ref().unwrap_or(schedule);
        let told = next.map_or_else(|| "purge".into(), |next| pattern.show(next));
        let target = self.transformed(asked.schedule_target);
        let mut product = Accepted {
            subject: &target,
            headers: Cow::Owned(product_headers(content.headers(), schedule.subject(), &told, &asked)),
            payload: Cow::Borrowed(content.payload()),
            msg_id: b"",
            rollup: (asked.schedule_rollup == b"sub").then_some(Rollup::Subject),
            ttl: None,
            total: None,
            scheduling: Scheduling { due: None, ends: next.is_none().then_some(schedule.subject()) },
            wanted: self.is_wanted(turn, &target),
        };
        product.ttl = self.raise_ttl(Ttl::parse(asked.schedule_ttl)?, &mut product.headers);
        self.check_message_size(product.bytes())?;
        check_header_size(&product.headers)?;
        self.check_server_room(turn.log)?;
        self.check_account_room(turn.log, &product.content())?;
        self.store(turn, &product)?;
        self.schedules.by_due.extend(next.map(|next| (next, schedule.seq)));
        Ok(())
    }

    fn transformed<'a>(&self, subject: &'a [u8]) -> Cow<'a, [u8]> {
        let transform = self.config.subject_transform.as_ref();
        let transform = transform.and_then(|transform| Transform::new(&transform.src, &transform.dest).ok());
        let transformed = transform.and_then(|transform| transform.apply(subject));
        transformed.map_or(Cow::Borrowed(subject), Cow::Owned)
    }
}

/// Whether no other message has taken the schedule's place. What schedules publish does not.
fn is_current(log: &dyn MessageLog, schedule: &StoredMessage) -> Result<bool, StoreError> {
    let Some(state) = log.subject(schedule.subject()).filter(|state| state.last_seq != schedule.seq) else {
        return Ok(true);
    };
    let last = load(log, state.last_seq)?;
    Ok(last.is_none_or(|last| headers::get(last.headers(), names::SCHEDULER).is_some()))
}

/// What is published has the headers of its content, but for those that were meant for when that was published.
fn product_headers(content: &[u8], schedule: &[u8], next: &str, asked: &PublishHeaders<'_>) -> Vec<u8> {
    let mut block = headers::remove_prefix(content, names::SCHEDULE_PREFIX);
    block = headers::remove_prefix(&block, names::EXPECTED_PREFIX);
    for name in [names::MSG_ID, names::TTL, names::ROLLUP] {
        block = headers::remove(&block, name);
    }
    headers::append(&mut block, names::SCHEDULER, schedule);
    headers::append(&mut block, names::SCHEDULE_NEXT, next.as_bytes());
    if !asked.schedule_ttl.is_empty() {
        headers::append(&mut block, names::TTL, asked.schedule_ttl);
    }
    if !asked.schedule_rollup.is_empty() {
        headers::append(&mut block, names::ROLLUP, asked.schedule_rollup);
    }
    block
}
