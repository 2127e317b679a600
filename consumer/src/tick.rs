//! What happens because time passes.

use headwater_store::UnixNanos;

use super::effect::{Advisory, Effect};
use super::machine::ConsumerMachine;
use super::turn::Turn;

/// When a consumer that should have been deleted asks for it again, in nanoseconds.
const GONE_RETRY: i64 = 1_000_000_000;

impl ConsumerMachine {
    /// Does what has become due. Call it at [`Self::next_deadline`] or later, then [`Self::advance`].
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        self.announce_pause(turn);
        self.drop_removed(turn);
        self.queue_overdue(turn);
        self.check_pin_timeout(turn);
        if self.waiting.next_event().is_some_and(|at| at <= turn.now) {
            // As with nats-server, a request that does not want to wait is left alone until then.
            let nothing = self.is_stalled() && self.state.acks.queued() == 0;
            self.sweep_waiting(turn, nothing);
        }
        self.check_heartbeat(turn);
        if self.held_until.is_some_and(|at| at <= turn.now) {
            self.held_until = None;
        }
        self.check_inactivity(turn);
    }

    /// When [`Self::tick`] has something to do next, if nothing else happens. It can be early, never late.
    pub fn next_deadline(&mut self) -> Option<UnixNanos> {
        let pause_ends = self.settings.pause_until.filter(|_| self.pause_announced);
        let heartbeat = self.push.heartbeat_at.filter(|_| self.settings.is_push());
        let deadlines = [
            self.state.acks.next_deadline(),
            self.waiting.next_event(),
            self.pin.until(),
            pause_ends,
            heartbeat,
            self.held_until,
            self.inactive_at(),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn queue_overdue(&mut self, turn: &mut Turn<'_>) {
        for seq in self.state.acks.take_overdue(turn.now) {
            let deliveries = self.state.acks.get(seq).map_or(0, |entry| entry.deliveries);
            // A message that may be delivered more than once is given up when its next delivery would be due: only
            // then nats-server, and with it every client that counts advisories, notices.
            let max = self.settings.deliveries_max;
            let exceeded = max > 0 && deliveries > max;
            if exceeded || (max == 1 && deliveries == 1) {
                self.give_up(turn, seq);
            } else {
                self.state.acks.queue(seq);
            }
        }
    }

    /// Tells when a pause has begun and when it is over.
    pub(super) fn announce_pause(&mut self, turn: &mut Turn<'_>) {
        let paused = self.settings.is_paused(turn.now);
        if paused == self.pause_announced {
            return;
        }
        self.pause_announced = paused;
        turn.push(Effect::Advisory(Advisory::Pause { paused, until: self.settings.pause_until }));
    }

    /// When the consumer may have been inactive for too long.
    fn inactive_at(&self) -> Option<UnixNanos> {
        let threshold = self.settings.inactive_threshold;
        if threshold <= 0 || (self.settings.is_push() && self.push.active) {
            return None;
        }
        let at = self.activity.last.saturating_add(threshold).saturating_add(self.activity.jitter);
        Some(self.activity.check_at.map_or(at, |check_at| at.max(check_at)))
    }

    fn check_inactivity(&mut self, turn: &mut Turn<'_>) {
        if self.inactive_at().is_none_or(|at| at > turn.now) {
            return;
        }
        let still_used_until = if self.settings.is_push() { None } else { self.still_used_until(turn) };
        match still_used_until {
            Some(until) => self.activity.check_at = Some(until),
            None => {
                self.activity.check_at = Some(turn.now.saturating_add(GONE_RETRY));
                turn.push(Effect::Gone);
            }
        }
    }

    /// A pull consumer is in use while a request waits, and while somebody may be working on what it got last.
    fn still_used_until(&mut self, turn: &mut Turn<'_>) -> Option<UnixNanos> {
        let threshold = self.settings.inactive_threshold;
        self.sweep_waiting(turn, true);
        if !self.waiting.is_empty() {
            return Some(turn.now.saturating_add(threshold).saturating_add(self.activity.jitter));
        }
        let worked_on_until = self.state.acks.last_deadline()?.saturating_add(threshold);
        (worked_on_until > turn.now).then_some(worked_on_until)
    }
}
