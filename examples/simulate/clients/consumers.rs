//! What clients do with consumers.

use headwater_protocol::jetstream::ack_token::AckToken;
use headwater_protocol::jetstream::consumer_config::{AckPolicy, ConsumerConfig, DeliverPolicy};
use headwater_protocol::jetstream::request::CreateConsumerRequest;
use headwater_protocol::jetstream::stream_config::Retention;
use serde_json::json;

use super::json;
use crate::model::{Deletion, Delivered, Request};
use crate::run::Run;

const SECOND: i64 = 1_000_000_000;

impl Run {
    /// Makes a consumer, or changes one.
    pub(super) fn create_consumer(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        let name = format!("C{}", self.rng.below(self.plan.consumers_max));
        let config = self.draw_consumer(stream, &name);
        let stream_name = self.model.streams[&stream].name.clone();
        let subject = format!("CONSUMER.CREATE.{stream_name}.{name}");
        let request = CreateConsumerRequest { stream_name, config, ..CreateConsumerRequest::default() };
        let request_of = Request::CreateConsumer { stream, name, created: 0, revision: 0 };
        self.call(&subject, &json(&request), request_of);
        self.adopt_consumer_request();
    }

    /// The request that was sent last is about the consumer that has this name by now.
    fn adopt_consumer_request(&mut self) {
        let Some(mut last) = self.model.requests.last_entry() else { return };
        let Request::CreateConsumer { stream, name, created, revision } = last.get_mut() else { return };
        let Some(model) = self.model.streams.get(stream) else { return };
        let Some(host) = self.world.host(&model.name) else { return };
        let state = host.lock();
        let Some(found) = state.consumers.find(name) else { return };
        *created = found.machine.created();
        let known = model.consumers.get(name).filter(|known| known.created == *created);
        *revision =
            known.map_or(0, |known| known.revision + u64::from(known.config != *found.machine.config()));
    }

    /// Deletes a consumer.
    pub(super) fn delete_consumer(&mut self) {
        let Some((stream, name)) = self.any_consumer() else { return };
        let stream_name = self.model.streams[&stream].name.clone();
        let Some(consumer) = self.model.consumer(stream, &name) else { return };
        consumer.deletion = Deletion::Asked;
        let created = consumer.created;
        let subject = format!("CONSUMER.DELETE.{stream_name}.{name}");
        self.call(&subject, b"", Request::DeleteConsumer { stream, name, created });
    }

    /// Asks a consumer for messages.
    pub(super) fn pull(&mut self) {
        let Some((stream, name)) = self.any_consumer() else { return };
        let batch = self.rng.between(1, 12);
        let body = match self.rng.below(3) {
            0 => json!({ "batch": batch, "no_wait": true }),
            _ => json!({ "batch": batch, "expires": self.rng.between(1, 20) as i64 * SECOND }),
        };
        self.pull_with(stream, &name, &body);
    }

    pub(crate) fn pull_with(&mut self, stream: u32, name: &str, body: &serde_json::Value) {
        let subject = format!("CONSUMER.MSG.NEXT.{}.{name}", self.model.streams[&stream].name);
        self.note(|| format!("{subject} {body}"));
        self.world.publish(&format!("$JS.API.{subject}"), "_INBOX.pull", b"", &json(body));
    }

    /// Does something about a delivered message.
    pub(super) fn acknowledge(&mut self) {
        if self.model.in_hand.is_empty() {
            return;
        }
        let at = self.rng.index(self.model.in_hand.len());
        let delivered = match self.rng.percent(85) {
            true => self.model.in_hand.swap_remove(at),
            false => self.model.in_hand[at].clone(),
        };
        let confirm = self.rng.percent(50);
        match self.rng.below(10) {
            0 => self
                .tell(&delivered, &format!("-NAK {{\"delay\": {}}}", self.rng.clone().below(3_000_000_000))),
            1 => self.tell(&delivered, "-NAK"),
            2 => self.tell(&delivered, "+WPI"),
            3 => self.settle(&delivered, "+TERM", confirm),
            _ => self.settle(&delivered, "+ACK", confirm),
        }
    }

    /// Sends what does not settle a message.
    fn tell(&mut self, delivered: &Delivered, word: &str) {
        self.note(|| format!("{word} {}", delivered.ack_to));
        self.world.publish(&delivered.ack_to, "", b"", word.as_bytes());
    }

    /// Acknowledges a message for good.
    pub(crate) fn settle(&mut self, delivered: &Delivered, word: &str, confirm: bool) {
        let Some(stream) = self.model.named(&delivered.stream) else { return };
        let Some(consumer) = self.model.consumer(stream, &delivered.consumer) else { return };
        // Another consumer that has the name by now may take it; to that one a confirmation says nothing.
        consumer.note_ack(delivered.seq);
        let created = delivered.created;
        let (consumer, seq) = (delivered.consumer.clone(), delivered.seq);
        let reply = match confirm {
            true => self.model.expect(Request::Acknowledge { stream, consumer, created, seq }),
            false => String::new(),
        };
        self.note(|| format!("{word} {} → {reply}", delivered.ack_to));
        debug_assert!(AckToken::parse(delivered.ack_to.as_bytes()).is_some());
        self.world.publish(&delivered.ack_to, &reply, b"", word.as_bytes());
    }

    fn any_consumer(&mut self) -> Option<(u32, String)> {
        let streams = &self.model.streams;
        let in_service = streams.values().filter(|stream| stream.in_service);
        let all: Vec<(u32, String)> = in_service
            .flat_map(|stream| stream.consumers.keys().map(|name| (stream.id, name.clone())))
            .collect();
        (!all.is_empty()).then(|| self.rng.pick(&all).clone())
    }

    fn draw_consumer(&mut self, stream: u32, name: &str) -> ConsumerConfig {
        let model = &self.model.streams[&stream];
        let (retention, last_seq) = (model.config.retention, model.last_seq);
        let prefix = model.name.to_lowercase();
        let rng = &mut self.rng;
        let work_queue = retention == Retention::WorkQueue;
        let policies = [
            DeliverPolicy::All,
            DeliverPolicy::All,
            DeliverPolicy::New,
            DeliverPolicy::Last,
            DeliverPolicy::LastPerSubject,
            DeliverPolicy::ByStartSequence,
        ];
        let deliver_policy = if work_queue { DeliverPolicy::All } else { *rng.pick(&policies) };
        let ack_policy = match rng.below(10) {
            0 if !work_queue => AckPolicy::None,
            1 | 2 if !work_queue => AckPolicy::All,
            _ => AckPolicy::Explicit,
        };
        let filter = *rng.pick(&["", "", "a", "b", "*", ">"]);
        let push = rng.percent(20);
        let by_start = deliver_policy == DeliverPolicy::ByStartSequence;
        let last_per_subject = deliver_policy == DeliverPolicy::LastPerSubject;
        let filter = if filter.is_empty() && last_per_subject { ">" } else { filter };
        ConsumerConfig {
            durable_name: name.to_owned(),
            name: name.to_owned(),
            deliver_policy,
            opt_start_seq: if by_start { rng.between(1, last_seq + 2) } else { 0 },
            ack_policy,
            ack_wait: *rng.pick(&[SECOND / 10, SECOND, 30 * SECOND]),
            max_deliver: if rng.percent(20) { rng.between(1, 4) as i64 } else { -1 },
            filter_subject: if filter.is_empty() { String::new() } else { format!("{prefix}.{filter}") },
            max_ack_pending: if rng.percent(30) { rng.between(1, 10) as i64 } else { 0 },
            deliver_subject: if push { format!("push.{prefix}.{name}") } else { String::new() },
            inactive_threshold: if rng.percent(10) { rng.between(1, 30) as i64 * SECOND } else { 0 },
            ..ConsumerConfig::default()
        }
    }
}
