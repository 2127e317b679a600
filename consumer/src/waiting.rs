//! The pull requests that wait for messages.

use std::collections::VecDeque;

use bytes::Bytes;
use headwater_protocol::headers::statuses;
use headwater_protocol::jetstream::pull::{PriorityRequest, PullRequest};
use headwater_store::UnixNanos;

use super::state::SequencePair;
use super::status;
use super::turn::Turn;

/// Heartbeats do not come faster, in nanoseconds.
const HEARTBEAT_MIN: i64 = 1_000_000;
/// The rank of a request that has none.
const RANK_LAST: i64 = i64::MAX;

/// One request.
#[derive(Debug)]
pub struct WaitingRequest {
    /// Where messages and statuses go.
    pub reply: Bytes,
    /// Messages still to be delivered, at least 1.
    pub batch_left: i64,
    /// Messages delivered.
    pub delivered: u64,
    /// Bytes still to be delivered; 0 without limit.
    pub bytes_left: i64,
    /// When it ends.
    pub expires_at: Option<UnixNanos>,
    /// When it came.
    pub received_at: UnixNanos,
    /// The longest silence, in nanoseconds; 0 any.
    pub heartbeat: i64,
    /// When a heartbeat is due.
    pub heartbeat_at: Option<UnixNanos>,
    /// It ends when there is nothing.
    pub no_wait: bool,
    /// Its reply subject belongs to another account that reaches this one through a service import.
    pub through_import: bool,
    /// What it says about its place among others.
    pub priority: Option<Box<PriorityRequest>>,
}

impl WaitingRequest {
    /// A request as it came in.
    pub fn new(request: PullRequest, reply: Bytes, through_import: bool, now: UnixNanos) -> Self {
        let at = |span: i64| (span != 0).then(|| now.saturating_add(span));
        let heartbeat = match request.idle_heartbeat {
            asked if asked > 0 => asked.max(HEARTBEAT_MIN),
            _ => 0,
        };
        Self {
            reply,
            batch_left: i64::try_from(request.batch).unwrap_or(i64::MAX).max(1),
            delivered: 0,
            bytes_left: request.max_bytes.max(0),
            expires_at: at(request.expires),
            received_at: now,
            heartbeat,
            heartbeat_at: at(heartbeat),
            no_wait: request.no_wait,
            through_import,
            priority: request.priority.map(Box::new),
        }
    }

    /// The pin it claims to hold, empty if none.
    pub fn pin_id(&self) -> &str {
        self.priority.as_ref().map_or("", |priority| &priority.id)
    }

    /// The group it belongs to, empty if none.
    pub fn group(&self) -> &str {
        self.priority.as_ref().map_or("", |priority| &priority.group)
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: UnixNanos) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// A status that ends it.
    pub fn end(&self, status: statuses::Status) -> Bytes {
        status::with_left_over(status, self.batch_left, self.bytes_left)
    }

    /// Whether somebody waits for it. A young request may come from so far away that its subscription is still under way.
    pub fn has_interest(&self, turn: &Turn<'_>, grace: i64) -> bool {
        turn.now.saturating_sub(self.received_at) < grace || (turn.interest)(&self.reply)
    }

    fn rank(&self) -> i64 {
        self.priority.as_ref().map_or(RANK_LAST, |priority| priority.priority)
    }

    fn next_event(&self) -> Option<UnixNanos> {
        match (self.expires_at, self.heartbeat_at) {
            (Some(expires), Some(heartbeat)) => Some(expires.min(heartbeat)),
            (expires, heartbeat) => expires.or(heartbeat),
        }
    }
}

/// The queue, at most `max_waiting` long.
#[derive(Debug)]
pub struct WaitingQueue {
    /// Each message moves one to the end, so that boxes are cheaper.
    requests: VecDeque<Box<WaitingRequest>>,
    max: usize,
    /// Requests are served by rank.
    ranked: bool,
    /// No request expires or wants a heartbeat before.
    quiet_until: Option<UnixNanos>,
    no_wait: usize,
    /// When requests without interest were last looked for because the queue was full.
    pub(super) purged_at: Option<UnixNanos>,
}

impl WaitingQueue {
    /// An empty queue.
    pub fn new(max: usize, ranked: bool) -> Self {
        Self { requests: VecDeque::new(), max, ranked, quiet_until: None, no_wait: 0, purged_at: None }
    }

    /// Requests are served by rank from now on, or in the order they came in.
    pub fn set_ranked(&mut self, ranked: bool) {
        self.ranked = ranked;
        if ranked {
            self.requests.make_contiguous().sort_by_key(|request| request.rank());
        }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether no more can wait.
    pub fn is_full(&self) -> bool {
        self.requests.len() >= self.max
    }

    /// Whether a request waits that should end when there is nothing.
    pub fn has_no_wait(&self) -> bool {
        self.no_wait > 0
    }

    /// A request by its place.
    pub fn get(&self, place: usize) -> Option<&WaitingRequest> {
        self.requests.get(place).map(|request| &**request)
    }

    /// How many messages the requests want in all.
    pub fn wanted(&self) -> u64 {
        self.requests.iter().fold(0, |sum, request| sum.saturating_add(request.batch_left.unsigned_abs()))
    }

    /// Adds a request behind those of its rank. The queue must not be full.
    pub fn add(&mut self, request: Box<WaitingRequest>) {
        self.note_event(request.next_event());
        self.no_wait += usize::from(request.no_wait);
        let rank = request.rank();
        let place = match self.ranked {
            true => self.requests.iter().position(|other| other.rank() > rank),
            false => None,
        };
        match place {
            Some(place) => self.requests.insert(place, request),
            None => self.requests.push_back(request),
        }
    }

    /// Takes a request out.
    pub fn remove(&mut self, place: usize) -> Option<Box<WaitingRequest>> {
        let request = self.requests.remove(place)?;
        self.no_wait -= usize::from(request.no_wait);
        Some(request)
    }

    /// Takes all requests out.
    pub fn drain(&mut self) -> impl Iterator<Item = Box<WaitingRequest>> + '_ {
        self.no_wait = 0;
        self.quiet_until = None;
        self.requests.drain(..)
    }

    /// When a request may expire or want a heartbeat next. It can be early, never late.
    pub fn next_event(&self) -> Option<UnixNanos> {
        self.quiet_until
    }

    /// Gives a message back that did not reach the request.
    pub fn credit(&mut self, reply: &[u8]) {
        if let Some(request) = self.requests.iter_mut().find(|request| request.reply == reply) {
            request.batch_left = request.batch_left.saturating_add(1);
            request.delivered = request.delivered.saturating_sub(1);
        }
    }

    /// Ends what has expired or lost interest, sends heartbeats that are due. `at_end` says that there is nothing to
    /// deliver, which ends requests that do not want to wait.
    pub fn sweep(&mut self, turn: &mut Turn<'_>, at_end: bool, last: SequencePair, grace: i64) {
        let mut next = None;
        self.requests.retain_mut(|request| {
            let stays = keep(request, turn, at_end, last, grace);
            if stays {
                next = next.into_iter().chain(request.next_event()).min();
            } else {
                self.no_wait -= usize::from(request.no_wait);
            }
            stays
        });
        self.quiet_until = next;
    }

    /// Hears of the next event of a request whose times have changed.
    fn note_event(&mut self, at: Option<UnixNanos>) {
        if let Some(at) = at {
            self.quiet_until = Some(self.quiet_until.map_or(at, |known| known.min(at)));
        }
    }
}

fn keep(
    request: &mut WaitingRequest,
    turn: &mut Turn<'_>,
    at_end: bool,
    last: SequencePair,
    grace: i64,
) -> bool {
    if request.is_expired(turn.now) {
        turn.status(&request.reply, request.end(statuses::REQUEST_TIMEOUT));
        return false;
    }
    if at_end && request.no_wait && (request.expires_at.is_none() || request.delivered > 0) {
        turn.status(&request.reply, status::plain(statuses::NO_MESSAGES));
        return false;
    }
    if !request.has_interest(turn, grace) {
        return false;
    }
    if request.heartbeat_at.is_some_and(|at| at <= turn.now) {
        turn.status(&request.reply, status::heartbeat(last.consumer, last.stream, None));
        request.heartbeat_at = Some(turn.now.saturating_add(request.heartbeat));
    }
    true
}
