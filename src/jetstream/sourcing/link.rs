//! The state machine of one link: asks for a consumer, follows its deliveries, notices when they stop.
//!
//! ```text
//! Idle -> Waiting -> Asking -> Flowing
//!            ^----------+---------'   refused, no answer, a gap, silence
//! ```
//!
//! A position moves when a message is taken over, and back if the destination did not store it after all. Whether that is
//! durable is the rim's business: it confirms nothing to the origin before.

use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::ack_token::AckToken;
use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::go_duration::{MILLISECOND, MINUTE, SECOND};
use headwater_protocol::jetstream::stream_info::StreamSourceInfo;

use super::answer::{self, Granted, Refused};
use super::origin::{Kind, Origin};
use super::request::{Dialect, Request, Wish, request};
use crate::clock::UnixNanos;
use crate::router::Message;
use crate::store::LogState;

/// How often the origin is to be heard of, in nanoseconds.
pub const HEARTBEAT: UnixNanos = SECOND;
/// A silence after which the consumer is taken to be gone, in nanoseconds.
pub const SILENCE_MAX: UnixNanos = 10 * SECOND;

/// No stream comes to a sequence beyond this; a server that tells of one is not to be believed.
pub const SEQ_MAX: u64 = i64::MAX.unsigned_abs();
/// With fewer messages missing, a link has caught up.
const CAUGHT_UP_LAG: u64 = 10;
/// How long a consumer may take to be made.
const CREATE_WAIT: UnixNanos = 30 * SECOND;
/// How long one made beforehand may take to begin anew.
const RESET_WAIT: UnixNanos = 5 * SECOND;
/// Requests are not closer together.
const SPACING: UnixNanos = 2 * SECOND;
/// Added to every wait, so that what is set up in a row is asked for after that.
const FIRST_WAIT: UnixNanos = 100 * MILLISECOND;
/// Another wait for each failure in a row, up to a limit: asking elsewhere costs more than asking here.
const BACKOFF_ELSEWHERE: (UnixNanos, UnixNanos) = (10 * SECOND, 2 * MINUTE);
const BACKOFF_HERE: (UnixNanos, UnixNanos) = (SECOND, 10 * SECOND);

/// What a deadline or an answer finds.
pub struct Around<'a> {
    /// The current moment.
    pub now: UnixNanos,
    /// What the destination holds.
    pub log: LogState,
    /// Makes ids that are new.
    pub new_id: &'a dyn Fn() -> String,
}

/// What a link wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Send the request and bring the answer, with this number, to [`Link::answer`].
    Ask(u64, Request),
    /// Bring what comes on this subject to [`Link::receive`], and nothing else.
    Listen(String),
    /// Listen to nothing.
    StopListening,
    /// It is over. If there is an API subject, tell the origin's server there that the consumer is not needed any more, and
    /// do not wait for an answer.
    Leave(Option<String>),
}

/// What is to become of a message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Nothing.
    Ignore,
    /// Once everything taken over so far is durable, send this header block there.
    Confirm {
        /// The subject.
        to: Vec<u8>,
        /// The header block.
        headers: Vec<u8>,
    },
    /// It is the next to be taken over.
    Take(Offer),
}

/// A message to take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Its sequence at the origin.
    pub seq: u64,
    /// When the origin stored it.
    pub ts: UnixNanos,
    before: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Position {
    /// The last of the origin's sequences that was taken over.
    seq: u64,
    /// The last delivery.
    delivery: u64,
    /// Messages the origin still has for us.
    lag: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// It has not been started.
    Idle,
    /// The next request is due then; if `probing`, at the first sign of life.
    Waiting { until: UnixNanos, probing: bool },
    /// A request is on its way.
    Asking { number: u64, until: UnixNanos },
    /// The consumer of that name delivers.
    Flowing { consumer: String },
}

impl State {
    fn waiting(until: UnixNanos) -> Self {
        Self::Waiting { until, probing: false }
    }
}

/// The link to one origin.
#[derive(Debug)]
pub struct Link {
    origin: Origin,
    state: State,
    at: Position,
    identity: String,
    recreated: bool,
    past_is_unknown: bool,
    dialect: Dialect,
    requests: u64,
    asked_at: Option<UnixNanos>,
    failures: i64,
    heard_at: Option<UnixNanos>,
    error: Option<ApiError>,
    caught_up: bool,
}

impl Link {
    /// A link that has taken over everything up to `seq` of the origin, which was `identity` then. It does nothing before
    /// it is [started](Self::start).
    pub fn new(origin: Origin, seq: u64, identity: String) -> Self {
        Self {
            origin,
            state: State::Idle,
            at: Position { seq, ..Position::default() },
            identity,
            recreated: false,
            past_is_unknown: false,
            dialect: Dialect::default(),
            requests: 0,
            asked_at: None,
            failures: 0,
            heard_at: None,
            error: None,
            caught_up: false,
        }
    }

    /// The stream comes from where the positions of its sources were not kept.
    pub fn with_unknown_past(self) -> Self {
        Self { past_is_unknown: true, ..self }
    }

    /// The origin.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The last of the origin's sequences that was taken over.
    pub fn seq(&self) -> u64 {
        self.at.seq
    }

    /// The origin's identity, empty if unknown.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether, since the broker has been started, there was a moment when few messages were missing.
    pub fn has_caught_up(&self) -> bool {
        self.caught_up
    }

    /// From now on it follows the origin.
    pub fn start(&mut self, now: UnixNanos) {
        if self.state == State::Idle {
            self.state = State::waiting(now.saturating_add(FIRST_WAIT));
        }
    }

    /// Goes on with a configuration that means the same messages of the same origin.
    pub fn renew(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// The link is given up; the consumer made for it is not, if another link will ask for it.
    pub fn end(&mut self, consumer_stays: bool, commands: &mut Vec<Command>) {
        self.state = State::Idle;
        let is_ours = self.origin.config().consumer.is_none() && !consumer_stays;
        let (stream, consumer) = (&self.origin.config().name, self.origin.consumer_name());
        let call = format!("CONSUMER.DELETE.{stream}.{consumer}");
        commands.push(Command::Leave(is_ours.then(|| self.origin.api_subject(&call))));
    }

    /// When [`Self::tick`] has something to do.
    pub fn deadline(&self) -> Option<UnixNanos> {
        match &self.state {
            State::Idle => None,
            State::Waiting { until, .. } | State::Asking { until, .. } => Some(*until),
            State::Flowing { .. } => Some(self.heard_at.unwrap_or(0).saturating_add(SILENCE_MAX)),
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, around: &Around<'_>, commands: &mut Vec<Command>) {
        if self.deadline().is_none_or(|deadline| deadline > around.now) {
            return;
        }
        match &self.state {
            State::Idle => {}
            State::Waiting { .. } => self.ask(around, commands),
            State::Asking { .. } => self.give_up_waiting(around.now, commands),
            State::Flowing { .. } => self.begin_again(around.now, commands),
        }
    }

    /// There is reason to believe that the origin can be reached again.
    pub fn retry_now(&mut self, now: UnixNanos) {
        if let State::Waiting { until, .. } = &mut self.state {
            let earliest = self.asked_at.map_or(now, |at| at.saturating_add(SPACING)).max(now);
            *until = earliest.min(*until);
            self.failures = 0;
        }
    }

    /// Nobody is there to hear request `number`.
    pub fn unheard(&mut self, number: u64, now: UnixNanos, commands: &mut Vec<Command>) {
        if matches!(&self.state, State::Asking { number: asked, .. } if *asked == number) {
            self.fail(now, commands);
        }
    }

    /// Takes the answer to request `number`. Returns up to where a mirror has to pass over what the origin no longer has.
    pub fn answer(
        &mut self,
        number: u64,
        message: &Message<'_>,
        around: &Around<'_>,
        commands: &mut Vec<Command>,
    ) -> Option<u64> {
        if !matches!(&self.state, State::Asking { number: asked, .. } if *asked == number) {
            return None;
        }
        match answer::read(&self.origin, message.headers, message.payload) {
            Ok(granted) => self.flow(granted, around, commands),
            Err(Refused::Recreated) => {
                self.forget_position();
                self.state = State::waiting(self.earliest_request(around.now));
                None
            }
            Err(Refused::NotUnderstood(error)) => {
                match self.dialect.simpler(self.origin.kind()) {
                    Some(simpler) => {
                        self.dialect = simpler;
                        self.ask(around, commands);
                    }
                    None => self.refuse(error, around.now, commands),
                }
                None
            }
            Err(Refused::Other(error)) => {
                self.refuse(error, around.now, commands);
                None
            }
        }
    }

    /// Takes what came from the consumer.
    pub fn receive(&mut self, message: &Message<'_>, now: UnixNanos, commands: &mut Vec<Command>) -> Receipt {
        if matches!(self.state, State::Waiting { probing: true, .. }) {
            self.retry_now(now);
        }
        let State::Flowing { consumer } = &self.state else { return Receipt::Ignore };
        self.heard_at = Some(now);
        if message.payload.is_empty() && message.headers.starts_with(b"NATS/1.0 100 ") {
            return self.receive_control(message, now, commands);
        }
        match AckToken::parse(message.reply) {
            Some(token) if token.consumer == consumer.as_bytes() && token.delivery.delivered == 1 => {
                self.receive_delivery(&token, now, commands)
            }
            _ => Receipt::Ignore,
        }
    }

    /// The destination did not store what was offered; it is asked for again.
    pub fn take_back(&mut self, offer: &Offer, now: UnixNanos, commands: &mut Vec<Command>) {
        self.at = offer.before;
        self.begin_again(now, commands);
    }

    /// The destination turned out to be past this sequence.
    pub fn move_up(&mut self, seq: u64) {
        self.at.seq = self.at.seq.max(seq);
    }

    /// How the origin is doing.
    pub fn info(&self, now: UnixNanos) -> StreamSourceInfo {
        let config = self.origin.config();
        let is_source = self.origin.kind() == Kind::Source;
        StreamSourceInfo {
            name: config.name.clone(),
            external: config.external.clone(),
            lag: self.at.lag,
            seq: if is_source { self.at.seq } else { 0 },
            active: self.heard_at.map_or(-1, |at| now.saturating_sub(at).max(0)),
            error: self.error.clone(),
            filter_subject: config.filter_subject.clone(),
            subject_transforms: config.subject_transforms.clone(),
        }
    }

    fn ask(&mut self, around: &Around<'_>, commands: &mut Vec<Command>) {
        let id = (around.new_id)();
        let wish = Wish {
            seq: self.at.seq,
            identity: &self.identity,
            past_is_unknown: self.past_is_unknown && !self.recreated,
            log: around.log,
            dialect: self.dialect,
            id: &id,
        };
        let request = request(&self.origin, &wish);
        let wait = if self.origin.config().consumer.is_some() { RESET_WAIT } else { CREATE_WAIT };
        self.requests += 1;
        self.error = None;
        self.asked_at = Some(around.now);
        self.state = State::Asking { number: self.requests, until: around.now.saturating_add(wait) };
        commands.push(Command::StopListening);
        commands.push(Command::Ask(self.requests, request));
    }

    fn flow(&mut self, granted: Granted, around: &Around<'_>, commands: &mut Vec<Command>) -> Option<u64> {
        let behind = match self.origin.kind() {
            Kind::Mirror => {
                self.at.seq = around.log.last_seq;
                (granted.delivered_seq > around.log.last_seq).then_some(granted.delivered_seq)
            }
            Kind::Source => {
                self.note_identity(granted.identity);
                None
            }
        };
        self.at.seq = self.at.seq.max(granted.delivered_seq);
        self.at.delivery = 0;
        self.failures = 0;
        self.heard_at = Some(around.now);
        self.state = State::Flowing { consumer: granted.consumer };
        commands.push(Command::Listen(granted.deliver_subject));
        behind
    }

    /// What was taken over from an earlier stream of that name says nothing of this one.
    fn note_identity(&mut self, identity: String) {
        let other = !identity.is_empty() && !self.identity.is_empty() && self.identity != identity;
        if self.recreated || other {
            self.at.seq = 0;
        }
        self.identity = identity;
        self.recreated = false;
    }

    fn forget_position(&mut self) {
        self.at = Position::default();
        self.identity.clear();
        self.recreated = true;
    }

    fn receive_control(
        &mut self,
        message: &Message<'_>,
        now: UnixNanos,
        commands: &mut Vec<Command>,
    ) -> Receipt {
        if !message.reply.is_empty() {
            return self.confirm(message.reply);
        }
        let last_delivery = number(message.headers, names::LAST_CONSUMER);
        if last_delivery > 0 && last_delivery != self.at.delivery {
            self.begin_again(now, commands);
            return Receipt::Ignore;
        }
        match headers::get(message.headers, names::CONSUMER_STALLED) {
            Some(reply) if !reply.is_empty() => self.confirm(reply),
            _ => Receipt::Ignore,
        }
    }

    fn confirm(&self, to: &[u8]) -> Receipt {
        let headers = headers::HeaderBuilder::new()
            .add_u64(names::LAST_CONSUMER, self.at.delivery)
            .add_u64(names::LAST_STREAM, self.at.seq)
            .finish();
        Receipt::Confirm { to: to.to_vec(), headers }
    }

    fn receive_delivery(
        &mut self,
        token: &AckToken<'_>,
        now: UnixNanos,
        commands: &mut Vec<Command>,
    ) -> Receipt {
        let delivery = &token.delivery;
        if delivery.stream_seq > SEQ_MAX {
            return Receipt::Ignore;
        }
        let expected = delivery.consumer_seq == self.at.delivery.saturating_add(1);
        if delivery.stream_seq <= self.at.seq {
            if expected {
                self.at.delivery = delivery.consumer_seq;
            }
            return Receipt::Ignore;
        }
        // A copy without a gap is complete, whatever else was delivered.
        let follows =
            self.origin.kind() == Kind::Mirror && delivery.stream_seq == self.at.seq.saturating_add(1);
        if !expected && !follows {
            self.begin_again(now, commands);
            return Receipt::Ignore;
        }
        self.caught_up |= delivery.pending < CAUGHT_UP_LAG;
        let before = self.at;
        self.at = Position {
            seq: delivery.stream_seq,
            delivery: delivery.consumer_seq,
            lag: delivery.pending.saturating_sub(1),
        };
        Receipt::Take(Offer { seq: delivery.stream_seq, ts: delivery.timestamp, before })
    }

    /// Something is missing: another consumer is asked for, from the first that is.
    fn begin_again(&mut self, now: UnixNanos, commands: &mut Vec<Command>) {
        self.state = State::waiting(self.earliest_request(now));
        commands.push(Command::StopListening);
    }

    fn refuse(&mut self, error: ApiError, now: UnixNanos, commands: &mut Vec<Command>) {
        self.error = Some(error);
        self.fail(now, commands);
    }

    /// A consumer made beforehand may be alive although it does not answer yet.
    fn give_up_waiting(&mut self, now: UnixNanos, commands: &mut Vec<Command>) {
        self.fail(now, commands);
        if let Some(consumer) = &self.origin.config().consumer {
            commands.push(Command::Listen(consumer.deliver_subject.clone()));
            if let State::Waiting { probing, .. } = &mut self.state {
                *probing = true;
            }
        }
    }

    fn fail(&mut self, now: UnixNanos, commands: &mut Vec<Command>) {
        self.failures = self.failures.saturating_add(1);
        // What the other side understands may have changed with its version.
        self.dialect = Dialect::default();
        self.state = State::waiting(self.earliest_request(now).saturating_add(self.backoff()));
        commands.push(Command::StopListening);
    }

    fn earliest_request(&self, now: UnixNanos) -> UnixNanos {
        let spaced = self.asked_at.map_or(now, |at| at.saturating_add(SPACING));
        spaced.max(now).saturating_add(FIRST_WAIT)
    }

    fn backoff(&self) -> UnixNanos {
        let (step, max) = if self.origin.is_elsewhere() { BACKOFF_ELSEWHERE } else { BACKOFF_HERE };
        step.saturating_mul(self.failures).min(max)
    }
}

/// The number in a header, 0 if there is none.
fn number(block: &[u8], name: &[u8]) -> u64 {
    let value = headers::get(block, name).and_then(|value| std::str::from_utf8(value).ok());
    value.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
