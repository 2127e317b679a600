//! What operators do to a consumer: change, pause, reset, delete it.

use headwater_protocol::headers::statuses;
use headwater_protocol::jetstream::consumer_config::{ConsumerConfig, DeliverPolicy, PriorityPolicy};
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::timestamp::ZonedTime;
use headwater_store::StoreError;

use super::config::set_required_level;
use super::effect::{Advisory, Effect};
use super::machine::{ConsumerMachine, inactivity_jitter, rate_limit};
use super::settings::{Settings, StreamTraits};
use super::status;
use super::turn::Turn;

/// Why a reset did not happen.
#[derive(Debug, Clone)]
pub enum ResetError {
    /// The request is refused.
    Refused(ApiError),
    /// The log could not be read.
    Store(StoreError),
}

impl ConsumerMachine {
    /// Takes a configuration that [`super::config::decide`] found to be a possible update.
    pub fn update_config(&mut self, turn: &mut Turn<'_>, config: ConsumerConfig) {
        let settings = Settings::of(&config);
        let old = std::mem::replace(&mut self.settings, settings);
        self.config = config;
        if old.deliver_subject != self.settings.deliver_subject {
            self.redeliver_everything(turn);
        }
        self.state.acks.set_wait(self.settings.ack_wait.clone());
        if old.bytes_per_second != self.settings.bytes_per_second {
            self.rate_limit = rate_limit(&self.settings, &self.stream, turn.now);
        }
        if old.inactive_threshold != self.settings.inactive_threshold {
            self.activity.last = turn.now;
            self.activity.check_at = None;
            self.activity.jitter = inactivity_jitter(&self.settings, &mut self.rng);
        }
        if old.filters != self.settings.filters {
            self.skip_list = None;
            self.backlog.invalidate();
        }
        if old.priority != self.settings.priority || old.groups != self.settings.groups {
            self.pin.release();
            self.waiting.set_ranked(self.settings.priority == PriorityPolicy::Prioritized);
        }
        self.held_until = None;
        if self.config.sourcing {
            // The sourcing server begins anew with what it has not confirmed.
            self.go_back_to(self.state.ack_floor.stream.saturating_add(1));
        }
    }

    /// The stream was updated.
    pub fn update_stream(&mut self, stream: StreamTraits) {
        self.stream = stream;
    }

    /// `CONSUMER.PAUSE`: no deliveries until then, or again from now on.
    pub fn pause(&mut self, turn: &mut Turn<'_>, until: Option<ZonedTime>) {
        let before = self.config.pause_until.map(ZonedTime::utc);
        self.config = self.config_paused(until);
        let until = self.config.pause_until;
        let changed = until != before;
        self.settings.pause_until = until.map(|until| until.timestamp().0);
        if changed {
            self.pause_announced = self.settings.is_paused(turn.now);
            let (paused, until) = (self.pause_announced, self.settings.pause_until);
            turn.push(Effect::Advisory(Advisory::Pause { paused, until }));
        }
    }

    /// The configuration as it is when the consumer is paused until then.
    pub fn config_paused(&self, until: Option<ZonedTime>) -> ConsumerConfig {
        let pause_until = until.filter(|until| !until.is_zero()).map(ZonedTime::utc);
        let mut config = ConsumerConfig { pause_until, ..self.config.clone() };
        set_required_level(&mut config);
        config
    }

    /// `CONSUMER.RESET`: goes back to the first message that was neither acknowledged nor given up, or to `seq` if that is
    /// not 0. Returns the sequence it went to. On an interest stream, what lies before it may now be free to go.
    pub fn reset(&mut self, turn: &mut Turn<'_>, seq: u64) -> Result<u64, ResetError> {
        let target = match seq {
            0 => {
                self.drop_removed(turn);
                self.state.ack_floor.stream.max(self.given_up_floor).saturating_add(1)
            }
            seq => {
                self.check_reset(turn, seq)?;
                seq
            }
        };
        self.go_back_to(target);
        Ok(target)
    }

    fn go_back_to(&mut self, seq: u64) {
        self.state.reset_to(seq);
        self.given_up_floor = 0;
        self.skip_list = None;
        self.backlog.invalidate();
        self.held_until = None;
        if let Some(recorder) = &mut self.recorder {
            recorder.record_all();
        }
    }

    fn check_reset(&self, turn: &Turn<'_>, seq: u64) -> Result<(), ResetError> {
        let refuse = |why: &str| Err(ResetError::Refused(ErrorCode::ConsumerInvalidReset.with(why)));
        match self.config.deliver_policy {
            DeliverPolicy::All => Ok(()),
            DeliverPolicy::ByStartSequence if seq < self.config.opt_start_seq => refuse("below start seq"),
            DeliverPolicy::ByStartSequence => Ok(()),
            DeliverPolicy::ByStartTime => {
                let time = self.config.opt_start_time.map_or(0, |time| time.timestamp().0);
                let first = turn.log.seq_at_or_after(time).map_err(ResetError::Store)?;
                if seq < first { refuse("below start time") } else { Ok(()) }
            }
            DeliverPolicy::Last | DeliverPolicy::New | DeliverPolicy::LastPerSubject => refuse("not allowed"),
        }
    }

    /// The consumer or its stream has been deleted: tells whoever waits.
    pub fn delete(&mut self, turn: &mut Turn<'_>) {
        for request in self.waiting.drain() {
            turn.status(&request.reply, status::plain(statuses::CONSUMER_DELETED));
        }
    }

    /// The broker is going away: tells whoever waits.
    pub fn server_shutdown(&mut self, turn: &mut Turn<'_>) {
        for request in self.waiting.drain() {
            turn.status(&request.reply, request.end(statuses::SERVER_SHUTDOWN));
        }
    }

    /// The consumer is about to begin anew from what is stored: whoever waits asks again.
    pub fn leadership_changed(&mut self, turn: &mut Turn<'_>) {
        for request in self.waiting.drain() {
            turn.status(&request.reply, status::plain(statuses::LEADERSHIP_CHANGE));
        }
    }

    /// A new listener has seen nothing of what the old one got.
    fn redeliver_everything(&mut self, turn: &mut Turn<'_>) {
        let pending: Vec<(u64, u32)> =
            self.state.acks.pending().iter().map(|entry| (entry.seq, entry.deliveries)).collect();
        for (seq, deliveries) in pending {
            if self.has_no_deliveries_left(deliveries) {
                self.give_up(turn, seq);
            } else {
                self.state.acks.queue(seq);
            }
        }
    }
}
