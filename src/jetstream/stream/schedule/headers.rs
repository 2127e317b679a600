//! Whether what a message says about schedules is in order. The order of the checks is nats-server's.

use headwater_protocol::headers::{self, names};
use headwater_protocol::subject::{is_literal, is_valid, overlaps};
use jiff::tz::TimeZone;

use super::Scheduling;
use super::pattern::Pattern;
use crate::jetstream::stream::accept::Accepted;
use crate::jetstream::stream::publish_headers::PublishHeaders;
use crate::jetstream::stream::ttl::Ttl;
use crate::jetstream::stream::turn::Turn;
use crate::jetstream::stream::{Refusal, StreamMachine};
use crate::store::MessageLog;

impl StreamMachine {
    /// Checks the schedule, if there is one. `written` tells of a subject whether the batch the message is part of has put a
    /// schedule there, `None` if it has put nothing there.
    pub(in crate::jetstream::stream) fn check_scheduling<'a>(
        &self,
        turn: &Turn<'_>,
        asked: &PublishHeaders<'a>,
        message: &mut Accepted<'a>,
        written: &dyn Fn(&[u8]) -> Option<bool>,
    ) -> Result<(), Refusal> {
        if !asked.is_about_schedules() {
            return Ok(());
        }
        let due = self.check_schedule(turn, asked, message)?;
        let ends = self.check_end(turn.log, asked, message.subject, written)?;
        message.scheduling = Scheduling { due, ends };
        Ok(())
    }

    /// The times of a schedule.
    pub(super) fn pattern_of(&self, asked: &PublishHeaders<'_>) -> Result<Pattern, Refusal> {
        let zone = self.zone_of(asked)?;
        let text = std::str::from_utf8(asked.schedule).ok();
        text.and_then(|text| Pattern::parse(text, zone)).ok_or(Refusal::SchedulePattern)
    }

    fn zone_of(&self, asked: &PublishHeaders<'_>) -> Result<Option<TimeZone>, Refusal> {
        let Some(name) = asked.schedule_time_zone else { return Ok(None) };
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty());
        let zone = name.and_then(self.bounds.zone_of);
        zone.map(Some).ok_or(Refusal::ScheduleTimeZone)
    }

    /// When the message is due, if it is a schedule. A schedule replaces the one before it on its subject.
    fn check_schedule(
        &self,
        turn: &Turn<'_>,
        asked: &PublishHeaders<'_>,
        message: &mut Accepted<'_>,
    ) -> Result<Option<i64>, Refusal> {
        if asked.schedule.is_empty() && self.zone_of(asked).is_ok() {
            return Ok(None);
        }
        if !self.config.allow_msg_schedules {
            return Err(Refusal::SchedulesDisabled);
        }
        let due = self.pattern_of(asked)?.next(turn.now, turn.now).ok_or(Refusal::SchedulePattern)?;
        self.check_product(asked, message.subject)?;
        if asked.rollup.is_empty() {
            headers::append(message.headers.to_mut(), names::ROLLUP, b"sub");
        } else if !asked.rollup.eq_ignore_ascii_case(b"sub") {
            return Err(Refusal::ScheduleRollup);
        }
        Ok(Some(due))
    }

    /// What will be published when the schedule is due, and where.
    fn check_product(&self, asked: &PublishHeaders<'_>, subject: &[u8]) -> Result<(), Refusal> {
        if Ttl::parse(asked.schedule_ttl).is_err() {
            return Err(Refusal::ScheduleTtl);
        }
        if !asked.schedule_rollup.is_empty() && asked.schedule_rollup != b"sub" {
            return Err(Refusal::ScheduleRollup);
        }
        if !asked.schedule_ttl.is_empty() && !self.config.allow_msg_ttl {
            return Err(Refusal::TtlDisabled);
        }
        let (target, source) = (asked.schedule_target, asked.schedule_source);
        if !can_be_published_on(target) || target == subject {
            return Err(Refusal::ScheduleTarget);
        }
        let source_is_its_own = source == target || source == subject;
        if !source.is_empty() && (source_is_its_own || !can_be_published_on(source)) {
            return Err(Refusal::ScheduleSource);
        }
        if !self.captures(target) {
            return Err(Refusal::ScheduleTarget);
        }
        if !source.is_empty() && !self.captures(source) {
            return Err(Refusal::ScheduleSource);
        }
        Ok(())
    }

    /// The subject of the schedule that the message takes away. Clients may say no more about schedules than that.
    fn check_end<'a>(
        &self,
        log: &dyn MessageLog,
        asked: &PublishHeaders<'a>,
        subject: &[u8],
        written: &dyn Fn(&[u8]) -> Option<bool>,
    ) -> Result<Option<&'a [u8]>, Refusal> {
        let schedule = asked.scheduler;
        if asked.schedule_next.is_empty() {
            return if schedule.is_empty() { Ok(None) } else { Err(Refusal::ScheduleScheduler) };
        }
        if asked.schedule_next != b"purge" || schedule == subject || !can_be_published_on(schedule) {
            return Err(Refusal::ScheduleScheduler);
        }
        if !self.config.allow_msg_schedules {
            return Err(Refusal::SchedulesDisabled);
        }
        let is_schedule = match written(schedule) {
            Some(is_schedule) => is_schedule,
            None => holds_no_other_than_schedule(log, schedule)?,
        };
        if is_schedule { Ok(Some(schedule)) } else { Err(Refusal::ScheduleScheduler) }
    }

    fn captures(&self, subject: &[u8]) -> bool {
        self.config.subjects.iter().any(|captured| overlaps(captured.as_bytes(), subject))
    }
}

/// Whether the last message of a subject, if there is one, is a schedule.
fn holds_no_other_than_schedule(log: &dyn MessageLog, subject: &[u8]) -> Result<bool, Refusal> {
    let last = match log.subject(subject) {
        Some(state) => log.load(state.last_seq)?,
        None => None,
    };
    Ok(last.is_none_or(|last| {
        headers::get(last.headers(), names::SCHEDULE).is_some_and(|value| !value.is_empty())
    }))
}

fn can_be_published_on(subject: &[u8]) -> bool {
    is_valid(subject) && is_literal(subject)
}
