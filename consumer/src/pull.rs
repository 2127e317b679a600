//! Pull requests: taking them in, choosing the one that gets a message.

use bytes::Bytes;
use headwater_protocol::headers::statuses::{self, Status};
use headwater_protocol::jetstream::consumer_config::PriorityPolicy;
use headwater_protocol::jetstream::go_duration::{GoDuration, SECOND};
use headwater_protocol::jetstream::pull::{PriorityRequest, PullRequest};
use headwater_store::StoreError;

use super::deliver::{Candidate, Recipient};
use super::machine::ConsumerMachine;
use super::status;
use super::turn::Turn;
use super::waiting::WaitingRequest;

/// How often a full queue is searched for requests nobody waits for.
const PURGE_INTERVAL: i64 = SECOND;

const PRIORITY_MAX: i64 = 9;

/// What becomes of a request when its turn comes.
enum Eligibility {
    /// It may have the message.
    Eligible,
    /// It may not, now.
    Passed,
    /// It is over.
    Ended(Option<Bytes>),
}

impl ConsumerMachine {
    /// Takes a request of `CONSUMER.MSG.NEXT` or `+NXT`. `body` is its payload, `reply` where the answers go;
    /// `through_import` says that `reply` belongs to another account.
    pub fn pull(
        &mut self,
        turn: &mut Turn<'_>,
        body: &[u8],
        reply: Bytes,
        through_import: bool,
    ) -> Result<(), StoreError> {
        if reply.is_empty() {
            return Ok(());
        }
        if self.settings.is_push() {
            turn.status(&reply, status::plain(statuses::CONSUMER_IS_PUSH_BASED));
            return Ok(());
        }
        match PullRequest::parse(body) {
            Ok(request) => self.take_request(turn, request, reply, through_import),
            Err(error) => {
                turn.status(&reply, status::bad_request(error));
                Ok(())
            }
        }
    }

    fn take_request(
        &mut self,
        turn: &mut Turn<'_>,
        request: PullRequest,
        reply: Bytes,
        through_import: bool,
    ) -> Result<(), StoreError> {
        let refusal =
            self.exceeded_limit(&request).or_else(|| self.priority_refusal(turn, request.priority.as_ref()));
        if let Some(headers) = refusal {
            turn.status(&reply, headers);
            return Ok(());
        }
        if self.waiting.is_full() {
            self.make_room(turn);
        }
        if request.no_wait {
            if let Some(refused) = self.no_wait_refusal(turn, &request)? {
                self.activity.last = turn.now;
                turn.status(&reply, status::plain(refused));
                return Ok(());
            }
        }
        if self.waiting.is_full() {
            // With a heartbeat the client notices by its absence; an answer would make it ask again at once.
            if request.idle_heartbeat <= 0 {
                turn.status(&reply, status::plain(statuses::EXCEEDED_MAX_WAITING));
            }
            return Ok(());
        }
        self.activity.last = turn.now;
        self.waiting.add(Box::new(WaitingRequest::new(request, reply, through_import, turn.now)));
        Ok(())
    }

    fn exceeded_limit(&self, request: &PullRequest) -> Option<Bytes> {
        let settings = &self.settings;
        let above = |value: i64, max: i64| max > 0 && value > max;
        if above(i64::try_from(request.batch).unwrap_or(i64::MAX), settings.request_batch_max) {
            return Some(status::exceeded("MaxRequestBatch", settings.request_batch_max));
        }
        if above(request.expires, settings.request_expires_max) {
            return Some(status::exceeded("MaxRequestExpires", GoDuration(settings.request_expires_max)));
        }
        let too_many_bytes = above(request.max_bytes, settings.request_bytes_max);
        too_many_bytes.then(|| status::exceeded("MaxRequestMaxBytes", settings.request_bytes_max))
    }

    fn priority_refusal(&mut self, turn: &Turn<'_>, priority: Option<&PriorityRequest>) -> Option<Bytes> {
        let priority = priority?;
        let policy = self.settings.priority;
        let gated = priority.min_pending != 0 || priority.min_ack_pending != 0;
        if gated && policy != PriorityPolicy::Overflow {
            return Some(status::bad_request("Not a Overflow Priority consumer"));
        }
        if !priority.id.is_empty() && policy != PriorityPolicy::PinnedClient {
            return Some(status::bad_request("Not a Pinned Client Priority consumer"));
        }
        if !(0..=PRIORITY_MAX).contains(&priority.priority) {
            return Some(status::bad_request("Priority must be between 0 and 9"));
        }
        if policy == PriorityPolicy::None {
            return None;
        }
        if priority.group.is_empty() {
            return Some(status::bad_request("Priority Group missing"));
        }
        if !self.settings.groups.contains(&priority.group) {
            return Some(status::bad_request("Invalid Priority Group"));
        }
        self.check_pin(turn, priority)
    }

    /// A request of the pinned client keeps its pin alive.
    fn check_pin(&mut self, turn: &Turn<'_>, priority: &PriorityRequest) -> Option<Bytes> {
        let current = self.pin.id()?;
        if current == priority.id.as_bytes() {
            self.pin.renew(turn.now, self.settings.pinned_ttl);
            return None;
        }
        (!priority.id.is_empty()).then(|| status::plain(statuses::PIN_ID_MISMATCH))
    }

    fn make_room(&mut self, turn: &mut Turn<'_>) {
        let recently = self.waiting.purged_at.is_some_and(|at| turn.now.saturating_sub(at) <= PURGE_INTERVAL);
        if !recently {
            self.sweep_waiting(turn, false);
            self.waiting.purged_at = Some(turn.now);
        }
    }

    /// Why a request that does not want to wait would have to.
    fn no_wait_refusal(
        &mut self,
        turn: &mut Turn<'_>,
        request: &PullRequest,
    ) -> Result<Option<Status>, StoreError> {
        let queued = u64::try_from(self.state.acks.queued()).unwrap_or(u64::MAX);
        let available = self.count_pending(turn.log, turn.visible_last_seq)?.saturating_add(queued);
        if available == 0 {
            return Ok((request.expires == 0).then_some(statuses::NO_MESSAGES));
        }
        self.sweep_waiting(turn, false);
        Ok((available < self.waiting.wanted()).then_some(statuses::REQUESTS_PENDING))
    }

    /// Ends requests that have expired or lost interest.
    pub(super) fn sweep_waiting(&mut self, turn: &mut Turn<'_>, at_end: bool) {
        let last = self.last_position();
        self.waiting.sweep(turn, at_end, last, self.interest_grace);
    }

    /// The first request that may have the message, made smaller by it.
    pub(super) fn choose_request(
        &mut self,
        turn: &mut Turn<'_>,
        candidate: Candidate,
    ) -> Result<Option<Recipient>, StoreError> {
        let mut size = None;
        let mut place = 0;
        while let Some(request) = self.waiting.get(place) {
            if request.bytes_left > 0 && size.is_none() {
                size = Some(self.measure(turn.log, candidate)?);
            }
            let wire_bytes = size.map_or(0, |size| i64::try_from(size.wire_bytes).unwrap_or(i64::MAX));
            match self.eligibility(turn, place, candidate, wire_bytes) {
                Eligibility::Eligible => return Ok(self.serve(turn, place, wire_bytes)),
                Eligibility::Passed => place += 1,
                Eligibility::Ended(headers) => {
                    let ended = self.waiting.remove(place);
                    if let (Some(request), Some(headers)) = (ended, headers) {
                        turn.status(&request.reply, headers);
                    }
                }
            }
        }
        Ok(None)
    }

    fn eligibility(
        &self,
        turn: &Turn<'_>,
        place: usize,
        candidate: Candidate,
        wire_bytes: i64,
    ) -> Eligibility {
        let Some(request) = self.waiting.get(place) else {
            return Eligibility::Passed;
        };
        if request.is_expired(turn.now) {
            return Eligibility::Ended(Some(request.end(statuses::REQUEST_TIMEOUT)));
        }
        match self.place_among_others(request, candidate) {
            Eligibility::Eligible => {}
            other => return other,
        }
        if request.bytes_left > 0 && wire_bytes > request.bytes_left {
            return Eligibility::Ended(Some(request.end(statuses::MESSAGE_SIZE_EXCEEDS_MAX_BYTES)));
        }
        if !request.has_interest(turn, self.interest_grace) {
            let headers = request.through_import.then(|| request.end(statuses::INTEREST_EXPIRED));
            return Eligibility::Ended(headers);
        }
        Eligibility::Eligible
    }

    /// What the priority policy says.
    fn place_among_others(&self, request: &WaitingRequest, candidate: Candidate) -> Eligibility {
        match self.settings.priority {
            PriorityPolicy::PinnedClient => self.pinned_or_not(request),
            PriorityPolicy::Overflow if !self.overflows(request, candidate) => Eligibility::Passed,
            _ => Eligibility::Eligible,
        }
    }

    fn pinned_or_not(&self, request: &WaitingRequest) -> Eligibility {
        match (self.pin.id(), request.pin_id()) {
            (None, "") => Eligibility::Eligible,
            (Some(current), id) if current == id.as_bytes() => Eligibility::Eligible,
            (Some(_), "") => Eligibility::Passed,
            _ => Eligibility::Ended(Some(request.end(statuses::WRONG_PIN_ID))),
        }
    }

    /// Whether enough is pending for a request that only wants what others cannot handle.
    fn overflows(&self, request: &WaitingRequest, candidate: Candidate) -> bool {
        let Some(priority) = &request.priority else {
            return true;
        };
        if priority.min_pending <= 0 && priority.min_ack_pending <= 0 {
            return true;
        }
        let waiting = self.pending_now() + u64::from(!candidate.is_new);
        let reached = |min: i64, count: u64| min > 0 && u64::try_from(min).is_ok_and(|min| min <= count);
        let unacked = u64::try_from(self.state.acks.len()).unwrap_or(u64::MAX);
        reached(priority.min_pending, waiting) || reached(priority.min_ack_pending, unacked)
    }

    /// Counts the message against the request and puts it back behind the others if it wants more.
    fn serve(&mut self, turn: &mut Turn<'_>, place: usize, wire_bytes: i64) -> Option<Recipient> {
        let mut request = self.waiting.remove(place)?;
        let pin_id = self.pin_for(turn, &mut request);
        let limited = request.bytes_left > 0;
        if limited {
            request.bytes_left -= wire_bytes;
        }
        request.delivered += 1;
        request.batch_left -= 1;
        let to = request.reply.clone();
        if request.batch_left <= 0 || (limited && request.bytes_left == 0) {
            return Some(Recipient { to, pin_id, completed_with_bytes: request.bytes_left });
        }
        if request.heartbeat > 0 {
            request.heartbeat_at = Some(turn.now.saturating_add(request.heartbeat));
        }
        self.waiting.add(request);
        Some(Recipient { to, pin_id, completed_with_bytes: 0 })
    }
}
