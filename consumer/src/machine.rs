//! The consumer: what it holds, how it begins, how it is kept.

use bytes::Bytes;
use headwater_protocol::jetstream::consumer_config::{ConsumerConfig, PriorityPolicy};
use headwater_protocol::jetstream::stream_config::Retention;
use headwater_store::{MessageLog, StoreError, UnixNanos};

use super::backlog::Backlog;
use super::flow_control::FlowControl;
use super::pacing::{RateLimit, Replay};
use super::pin::Pin;
use super::rng::Rng;
use super::settings::{Settings, StreamTraits};
use super::skip_list::SkipList;
use super::start::{Start, start};
use super::state::{ConsumerState, Op};
use super::varint::StateError;
use super::waiting::WaitingQueue;
use super::{delta, snapshot};

/// Who a consumer is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name, given or generated.
    pub name: String,
    /// When it was made.
    pub created: UnixNanos,
    /// What its own random choices are made from; any number, another one for every consumer.
    pub seed: u64,
}

/// One consumer of a stream as a function of what happens to it.
///
/// Nothing happens by itself: after every input call [`Self::advance`], at [`Self::next_deadline`] call [`Self::tick`],
/// then do what the effects say, in their order.
#[derive(Debug)]
pub struct ConsumerMachine {
    pub(super) identity: Identity,
    pub(super) stream: StreamTraits,
    pub(super) config: ConsumerConfig,
    pub(super) settings: Settings,
    pub(super) state: ConsumerState,
    /// What has not been persisted; `None` if the consumer is not persisted at all.
    pub(super) recorder: Option<delta::Recorder>,
    /// The rest of what `last_per_subject` begins with; built when it is first needed.
    pub(super) skip_list: Option<SkipList>,
    pub(super) backlog: Backlog,
    /// Nothing up to here is pending, as what was given up is not: a reset does not go back behind it. Not kept.
    pub(super) given_up_floor: u64,
    pub(super) waiting: WaitingQueue,
    pub(super) push: Push,
    pub(super) flow_control: Option<FlowControl>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) replay: Option<Replay>,
    /// Nothing may be delivered before, because of rate limit or replay.
    pub(super) held_until: Option<UnixNanos>,
    pub(super) pin: Pin,
    pub(super) activity: Activity,
    /// A pause has begun or lasts, and its end is to be told.
    pub(super) pause_announced: bool,
    pub(super) rng: Rng,
    /// How long a request counts as wanted although nobody listens yet, in nanoseconds.
    pub(super) interest_grace: i64,
}

/// What only a push consumer has.
#[derive(Debug, Default)]
pub(super) struct Push {
    /// Somebody listens on the deliver subject.
    pub(super) active: bool,
    /// When the next heartbeat is due.
    pub(super) heartbeat_at: Option<UnixNanos>,
}

/// When the consumer was last used.
#[derive(Debug)]
pub(super) struct Activity {
    pub(super) last: UnixNanos,
    /// Added to the threshold, so that consumers made together are not all deleted together.
    pub(super) jitter: i64,
    /// Not to be looked at again before.
    pub(super) check_at: Option<UnixNanos>,
}

impl ConsumerMachine {
    /// A new consumer, placed by its deliver policy. The configuration comes from [`super::config::decide`].
    pub fn new(
        identity: Identity,
        config: ConsumerConfig,
        stream: StreamTraits,
        log: &dyn MessageLog,
        now: UnixNanos,
    ) -> Result<Self, StoreError> {
        let settings = Settings::of(&config);
        let Start { next_seq, last_per_subject_through, skip_list } =
            start(&config, &settings, &stream, log)?;
        let mut state =
            ConsumerState::starting_at(next_seq, settings.awaits_acks(), settings.ack_wait.clone());
        state.last_per_subject_through = last_per_subject_through;
        let mut machine = Self::assemble(identity, config, settings, stream, state, now);
        machine.skip_list = skip_list;
        machine.begin_replay(log);
        if let Some(recorder) = &mut machine.recorder {
            recorder.record_all();
        }
        Ok(machine)
    }

    /// A consumer read back: a snapshot and the deltas taken after it, in order. Without a snapshot, which is then empty,
    /// the first delta must be the consumer's first.
    pub fn restore<'a>(
        identity: Identity,
        config: ConsumerConfig,
        stream: StreamTraits,
        snapshot: &[u8],
        deltas: impl IntoIterator<Item = &'a [u8]>,
        log: &dyn MessageLog,
        now: UnixNanos,
    ) -> Result<Self, StateError> {
        let settings = Settings::of(&config);
        let (awaits_acks, wait) = (settings.awaits_acks(), settings.ack_wait.clone());
        let mut state = match snapshot {
            [] => ConsumerState::starting_at(1, awaits_acks, wait),
            snapshot => snapshot::decode(snapshot, awaits_acks, wait)?,
        };
        for list in deltas {
            delta::apply(&mut state, list, settings.awaits_acks(), &settings.ack_wait)?;
        }
        // When it was last used is not kept over a restart, as with nats-server.
        state.delivered_at = None;
        state.acked_at = None;
        let mut machine = Self::assemble(identity, config, settings, stream, state, now);
        machine.begin_replay(log);
        Ok(machine)
    }

    fn assemble(
        identity: Identity,
        config: ConsumerConfig,
        settings: Settings,
        stream: StreamTraits,
        state: ConsumerState,
        now: UnixNanos,
    ) -> Self {
        let mut rng = Rng::new(identity.seed);
        let ranked = settings.priority == PriorityPolicy::Prioritized;
        let jitter = inactivity_jitter(&settings, &mut rng);
        let heartbeat_at = (settings.heartbeat > 0).then(|| now.saturating_add(settings.heartbeat));
        Self {
            recorder: (!config.direct).then(delta::Recorder::default),
            skip_list: None,
            backlog: Backlog::default(),
            given_up_floor: 0,
            waiting: WaitingQueue::new(settings.waiting_max, ranked),
            push: Push { active: false, heartbeat_at },
            flow_control: settings.flow_control.then(FlowControl::default),
            rate_limit: rate_limit(&settings, &stream, now),
            replay: None,
            held_until: None,
            pin: Pin::default(),
            activity: Activity { last: now, jitter, check_at: None },
            pause_announced: false,
            rng,
            interest_grace: 0,
            identity,
            stream,
            config,
            settings,
            state,
        }
    }

    fn begin_replay(&mut self, log: &dyn MessageLog) {
        let last_seq = log.state().last_seq;
        let behind = self.settings.replay_original && self.state.next_seq <= last_seq;
        self.replay = behind.then(|| Replay::through(last_seq));
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// When it was made.
    pub fn created(&self) -> UnixNanos {
        self.identity.created
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its configuration.
    pub fn config(&self) -> &ConsumerConfig {
        &self.config
    }

    /// Its configuration, resolved.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The subjects it wants; empty means all.
    pub fn filters(&self) -> &[Bytes] {
        &self.settings.filters
    }

    /// Everything up to this stream sequence has been acknowledged.
    pub fn ack_floor(&self) -> u64 {
        self.state.ack_floor.stream
    }

    /// The lowest sequence that is delivered and not acknowledged.
    pub fn oldest_unacked(&self) -> Option<u64> {
        self.state.acks.pending().first().map(|pending| pending.seq)
    }

    /// Whether it can do anything with a new message now: the cheap answer to whether [`Self::advance`] is worth calling.
    pub fn wants_messages(&self) -> bool {
        if self.settings.is_push() { self.push.active } else { !self.waiting.is_empty() }
    }

    /// The first message that awaits acknowledgement, if no more can be delivered before one of them is.
    pub fn stalled_at(&self) -> Option<u64> {
        let (max, acks) = (self.settings.pending_acks_max, &self.state.acks);
        let stalled = max > 0 && acks.len() >= max;
        acks.pending().first().filter(|_| stalled).map(|entry| entry.seq)
    }

    /// Whether a message is still wanted. On interest and work queue streams it must stay as long as any consumer needs
    /// it. `subject` is the message's.
    pub fn needs(&self, seq: u64, subject: &[u8]) -> bool {
        self.matches(subject) && self.is_open(seq)
    }

    /// Whether a message would still be wanted if its subject passed the filters.
    pub fn is_open(&self, seq: u64) -> bool {
        self.state.needs(seq)
    }

    /// Whether a subject passes the filters.
    pub fn matches(&self, subject: &[u8]) -> bool {
        let filters = &self.settings.filters;
        filters.is_empty()
            || filters.iter().any(|filter| headwater_protocol::subject::matches(filter, subject))
    }

    /// Requests that nobody listens for are kept for so long, in nanoseconds: their subscription may still be on its way
    /// through a leaf node.
    pub fn set_interest_grace(&mut self, nanos: i64) {
        self.interest_grace = nanos;
    }

    /// Stops recording changes, for a consumer whose state dies with the process.
    pub fn set_volatile(&mut self) {
        self.recorder = None;
    }

    /// The whole durable state.
    pub fn snapshot(&self) -> Vec<u8> {
        snapshot::encode(&self.state)
    }

    /// What has changed in the durable state since the last time, `None` if nothing. The first one of a new consumer holds
    /// the whole state.
    pub fn take_delta(&mut self) -> Option<Vec<u8>> {
        self.recorder.as_mut()?.take(&self.state)
    }

    /// A delta that was taken could not be written: the next one holds the whole state.
    pub fn delta_was_lost(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record_all();
        }
    }

    /// Whether there is a delta to take.
    pub fn has_delta(&self) -> bool {
        self.recorder.as_ref().is_some_and(|recorder| !recorder.is_empty())
    }

    /// Makes a change and remembers to persist it.
    pub(super) fn apply(&mut self, op: Op) {
        self.state.apply(op);
        if let Some(recorder) = &mut self.recorder {
            recorder.record(op);
        }
    }

    /// Whether the stream removes what is acknowledged and so must hear of it.
    pub(super) fn tells_acks(&self) -> bool {
        self.stream.retention != Retention::Limits
    }

    /// The consumer sequence of the next delivery.
    pub(super) fn next_consumer_seq(&self) -> u64 {
        self.state.delivered.consumer.saturating_add(1)
    }

    /// How many matching messages have never been delivered.
    pub(super) fn count_pending(
        &mut self,
        log: &dyn MessageLog,
        visible_last_seq: u64,
    ) -> Result<u64, StoreError> {
        self.load_skip_list(log)?;
        let skipped = self.skip_list.as_mut().map_or(0, |list| list.remaining(log, visible_last_seq));
        let from = self.contiguous_from();
        let through = visible_last_seq.max(from.saturating_sub(1));
        self.backlog.sync(log, &self.settings.filters, from, through)?;
        Ok(skipped + self.backlog.count())
    }

    /// From where on every matching message is delivered.
    pub(super) fn contiguous_from(&self) -> u64 {
        let after_list = self.state.last_per_subject_through.map_or(0, |through| through.saturating_add(1));
        self.state.next_seq.max(after_list)
    }

    /// Builds the list of last messages if it is needed and not there.
    pub(super) fn load_skip_list(&mut self, log: &dyn MessageLog) -> Result<(), StoreError> {
        let list_through =
            self.state.last_per_subject_through.filter(|through| self.state.next_seq <= *through);
        let Some(through) = list_through else {
            return Ok(());
        };
        if self.skip_list.is_none() {
            self.skip_list =
                Some(SkipList::build(log, &self.settings.filters, self.state.next_seq, through)?);
        }
        Ok(())
    }
}

pub(super) fn rate_limit(settings: &Settings, stream: &StreamTraits, now: UnixNanos) -> Option<RateLimit> {
    let limited = settings.bytes_per_second > 0;
    limited.then(|| RateLimit::new(settings.bytes_per_second, stream.message_bytes_max, now))
}

/// Between 0.1 and 1 second for pull consumers, as nats-server does it.
pub(super) fn inactivity_jitter(settings: &Settings, rng: &mut Rng) -> i64 {
    const MILLISECOND: i64 = 1_000_000;
    if settings.is_push() {
        return 0;
    }
    let random = i64::try_from(rng.below(900)).unwrap_or(0);
    (100 + random) * MILLISECOND
}
