//! What clients publish.

use headwater_protocol::headers::{HeaderBuilder, names};

use crate::model::message::{Attempt, attempt_of};
use crate::model::{Request, SIM_ID, Sent};
use crate::run::Run;

/// Subjects of a stream.
const SUBJECTS: [&str; 4] = ["a", "b", "c", "d.e"];

/// Message ids, few enough to come again.
const IDS: u64 = 12;

/// A message to be sent.
struct Outgoing {
    attempt: u64,
    subject: String,
    headers: Vec<u8>,
    payload: Vec<u8>,
    increment: Option<i64>,
}

impl Run {
    /// Publishes a message, perhaps with an id, an expectation, a rollup or a life of its own.
    pub(super) fn publish_one(&mut self) {
        let name = format!("S{}", self.rng.below(self.plan.streams_max));
        let Some(stream) = self.model.named(&name) else { return };
        let attempt = self.model.number();
        let message = self.draw_message(stream, attempt);
        self.submit(stream, vec![attempt], message, None);
    }

    /// Publishes a batch of which all must count or nothing.
    pub fn publish_batch(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        let count = self.rng.between(2, 6);
        let batch = self.model.number();
        let attempts: Vec<u64> = (0..count).map(|_| self.model.number()).collect();
        for (index, attempt) in attempts.iter().enumerate() {
            let last = index + 1 == attempts.len();
            if last && self.rng.percent(10) {
                // Its client has gone away.
                return;
            }
            let message = self.draw_of_batch(stream, *attempt, batch, index as u64 + 1, last);
            let all = if last { attempts.clone() } else { Vec::new() };
            self.submit(stream, all, message, Some(batch));
        }
    }

    fn submit(&mut self, stream: u32, attempts: Vec<u64>, message: Outgoing, batch: Option<u64>) {
        let Outgoing { attempt, subject, headers, payload, increment } = message;
        let exact = increment.is_none();
        let sent = Attempt {
            subject: subject.clone(),
            headers: headers.clone(),
            payload: payload.clone(),
            exact,
            batch,
            increment,
        };
        self.model.attempts.insert(attempt, sent);
        let name = self.model.streams[&stream].name.clone();
        // The stream may have made up markers since the last step, when it was sent the beginning of a batch.
        let before = self.world.host(&name).map_or(0, |host| host.lock().log.state().last_seq);
        let reply = self.model.expect(Request::Publish { stream, attempts: attempts.clone(), given: None });
        let block = String::from_utf8_lossy(&headers).replace("\r\n", "|");
        self.note(|| format!("publish {subject} {block} {} bytes → {reply}", payload.len()));
        self.world.publish(&subject, &reply, &headers, &payload);
        let given = self.given(&name, before, &attempts);
        if let Some(mut last) = self.model.requests.last_entry() {
            last.insert(Request::Publish { stream, attempts: attempts.clone(), given });
        }
        if let Some(first_seq) = given {
            self.model.sent = Sent { stream, first_seq, attempts };
        }
    }

    /// What the first of these attempts got in memory, if they were stored.
    fn given(&self, name: &str, before: u64, attempts: &[u64]) -> Option<u64> {
        let first = attempts.first()?;
        let host = self.world.host(name)?;
        let state = host.lock();
        let (seq, last_seq) = (before + 1, state.log.state().last_seq);
        let found = self.world.disk.undisturbed(|| state.log.load(seq)).ok().flatten();
        let own = found.is_none_or(|found| attempt_of(found.headers()) == Some(*first));
        (last_seq > before && own).then_some(seq)
    }

    fn draw_message(&mut self, stream: u32, attempt: u64) -> Outgoing {
        let config = self.model.streams[&stream].config.clone();
        let subject = self.draw_subject(stream);
        let block = HeaderBuilder::new().add_u64(SIM_ID, attempt);
        if config.allow_msg_counter {
            let by = self.rng.between(1, 1000) as i64;
            let block = block.add(names::INCR, by.to_string().as_bytes());
            return Outgoing {
                attempt,
                subject,
                headers: block.finish(),
                payload: Vec::new(),
                increment: Some(by),
            };
        }
        let mut block = block;
        if self.rng.percent(35) {
            block = block.add(names::MSG_ID, format!("id{}", self.rng.below(IDS)).as_bytes());
        }
        block = self.add_expectation(block, stream, &subject);
        if config.allow_rollup_hdrs && self.rng.percent(10) {
            block = block.add(names::ROLLUP, self.rng.pick(&["sub", "sub", "all"]).as_bytes());
        }
        if config.allow_msg_ttl && self.rng.percent(30) {
            block = block.add(names::TTL, format!("{}s", self.rng.between(1, 20)).as_bytes());
        }
        let payload = self.draw_payload(attempt);
        Outgoing { attempt, subject, headers: block.finish(), payload, increment: None }
    }

    fn add_expectation(&mut self, block: HeaderBuilder, stream: u32, subject: &str) -> HeaderBuilder {
        let model = &self.model.streams[&stream];
        let off = self.rng.below(2) * self.rng.below(2);
        match self.rng.below(10) {
            0 => block.add_u64(names::EXPECTED_LAST_SEQUENCE, model.last_seq + off),
            1 => {
                let last = model.live().rev().find(|(_, stored)| stored.subject() == subject);
                let last = last.map_or(0, |(seq, _)| seq);
                block.add_u64(names::EXPECTED_LAST_SUBJECT_SEQUENCE, last + off)
            }
            _ => block,
        }
    }

    fn draw_of_batch(&mut self, stream: u32, attempt: u64, batch: u64, index: u64, last: bool) -> Outgoing {
        let subject = self.draw_subject(stream);
        let mut block = HeaderBuilder::new()
            .add_u64(SIM_ID, attempt)
            .add_u64(names::BATCH_ID, batch)
            .add_u64(names::BATCH_SEQUENCE, index);
        if last {
            block = block.add(names::BATCH_COMMIT, b"1");
        }
        let counter = self.model.streams[&stream].config.allow_msg_counter;
        let increment = counter.then(|| self.rng.between(1, 1000) as i64);
        if let Some(by) = increment {
            block = block.add(names::INCR, by.to_string().as_bytes());
        }
        let payload = if counter { Vec::new() } else { self.draw_payload(attempt) };
        Outgoing { attempt, subject, headers: block.finish(), payload, increment }
    }

    fn draw_subject(&mut self, stream: u32) -> String {
        let name = self.model.streams[&stream].name.to_lowercase();
        format!("{name}.{}", self.rng.pick(&SUBJECTS))
    }

    /// Bytes that are like no other message's.
    fn draw_payload(&mut self, attempt: u64) -> Vec<u8> {
        let len = self.rng.below(self.plan.payload_bytes_max + 1) as usize;
        let unique = attempt.to_le_bytes();
        unique.iter().copied().cycle().take(len).collect()
    }
}
