//! A consumer against a naive model of what it promises, through whatever may happen to it.

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::jetstream::consumer_config::AckPolicy;
use proptest::prelude::*;

use super::*;

const SUBJECTS: [&str; 3] = ["s.a", "s.b", "s.c"];

#[derive(Debug, Clone)]
enum Happening {
    Store(usize),
    Pull {
        batch: u8,
        no_wait: bool,
        expires_ms: u16,
    },
    /// The place among the pending messages, and what is said of it.
    Ack(usize, &'static str),
    /// The last delivery of a message did not arrive.
    Fail(usize),
    Wait(u16),
    Remove(u64),
    Purge(u64),
    /// How many messages at the end are not durable yet.
    Lag(u64),
    Restart,
    Reset,
}

fn happening() -> impl Strategy<Value = Happening> {
    let bodies =
        prop::sample::select(vec!["", "", "+ACK", "-NAK", "-NAK 150ms", "-NAK 2s", "+WPI", "+TERM", "HUH"]);
    prop_oneof![
        6 => (0..SUBJECTS.len()).prop_map(Happening::Store),
        6 => (1u8..6, any::<bool>(), 0u16..3000)
            .prop_map(|(batch, no_wait, expires_ms)| Happening::Pull { batch, no_wait, expires_ms }),
        10 => (any::<usize>(), bodies).prop_map(|(place, body)| Happening::Ack(place, body)),
        2 => any::<usize>().prop_map(Happening::Fail),
        3 => (0u16..1500).prop_map(Happening::Wait),
        1 => (1u64..40).prop_map(Happening::Remove),
        1 => (1u64..20).prop_map(Happening::Purge),
        1 => (0u64..4).prop_map(Happening::Lag),
        2 => Just(Happening::Restart),
        1 => Just(Happening::Reset),
    ]
}

#[derive(Debug, Clone)]
struct Setting {
    policy: AckPolicy,
    filters: Vec<&'static str>,
    deliveries_max: u32,
    pending_max: u8,
    last_per_subject: bool,
}

fn setting() -> impl Strategy<Value = Setting> {
    let policy =
        prop::sample::select(vec![AckPolicy::Explicit, AckPolicy::Explicit, AckPolicy::All, AckPolicy::None]);
    let filters = prop::sample::select(vec![vec![], vec!["s.a"], vec!["s.a", "s.c"], vec!["s.*"]]);
    (policy, filters, 0u32..4, 0u8..6, any::<bool>()).prop_map(
        |(policy, filters, deliveries_max, pending_max, lps)| Setting {
            policy,
            last_per_subject: lps && !filters.is_empty(),
            filters,
            deliveries_max,
            pending_max,
        },
    )
}

/// What is known of the world by watching it.
struct Model {
    setting: Setting,
    delivered: BTreeMap<u64, u64>,
    pending: BTreeSet<u64>,
    done: BTreeSet<u64>,
    given_up: BTreeSet<u64>,
    consumer_seq: u64,
    /// Everything below has had its first delivery or is not wanted.
    looked_at: u64,
    /// What `last_per_subject` begins with.
    last_of_subjects: BTreeSet<u64>,
    through: u64,
}

impl Model {
    fn new(setting: Setting, scene: &Scene) -> Self {
        let through = if setting.last_per_subject { scene.log.state().last_seq } else { 0 };
        let mut model = Self {
            setting,
            delivered: BTreeMap::new(),
            pending: BTreeSet::new(),
            done: BTreeSet::new(),
            given_up: BTreeSet::new(),
            consumer_seq: 0,
            looked_at: 1,
            last_of_subjects: BTreeSet::new(),
            through,
        };
        model.find_last_of_subjects(scene);
        model
    }

    /// A reset begins anew, with what is the last of each subject by then.
    fn find_last_of_subjects(&mut self, scene: &Scene) {
        let last = |subject: &&str| {
            let is_it = |seq: &u64| self.is(scene, *seq, subject);
            (1..=self.through).rev().find(is_it).filter(|_| self.wants(subject))
        };
        self.last_of_subjects = SUBJECTS.iter().filter_map(last).collect();
    }

    fn is(&self, scene: &Scene, seq: u64, subject: &str) -> bool {
        scene.log.load(seq).unwrap().is_some_and(|message| message.subject() == subject.as_bytes())
    }

    fn wants(&self, subject: &str) -> bool {
        let filters = &self.setting.filters;
        filters.is_empty()
            || filters
                .iter()
                .any(|filter| headwater_protocol::subject::matches(filter.as_bytes(), subject.as_bytes()))
    }

    /// Live, visible, wanted and never delivered.
    fn undelivered(&self, scene: &Scene) -> Vec<u64> {
        let state = scene.log.state();
        let visible = scene.visible.unwrap_or(state.last_seq);
        (self.looked_at..=visible).filter(|seq| self.is_wanted(scene, *seq)).collect()
    }

    fn is_wanted(&self, scene: &Scene, seq: u64) -> bool {
        let Some(message) = scene.log.load(seq).unwrap() else {
            return false;
        };
        let wanted = self.wants(std::str::from_utf8(message.subject()).unwrap());
        wanted && (seq > self.through || self.last_of_subjects.contains(&seq))
    }

    fn watch(&mut self, scene: &Scene, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Deliver(delivery) => self.watch_delivery(scene, delivery),
                Effect::Advisory(Advisory::MaxDeliveries { stream_seq, deliveries }) => {
                    assert_eq!(*deliveries, u64::from(self.setting.deliveries_max));
                    assert_eq!(self.delivered[stream_seq], *deliveries);
                    assert!(self.pending.remove(stream_seq));
                    self.given_up.insert(*stream_seq);
                }
                _ => {}
            }
        }
    }

    fn watch_delivery(&mut self, scene: &Scene, delivery: &Delivery) {
        let seq = delivery.seq;
        assert!(!self.done.contains(&seq), "{seq} was acknowledged and is delivered again");
        assert!(!self.given_up.contains(&seq), "{seq} was given up and is delivered again");
        self.consumer_seq += 1;
        assert_eq!(delivery.consumer_seq, self.consumer_seq);
        if seq >= self.looked_at {
            assert_eq!(
                self.undelivered(scene).first(),
                Some(&seq),
                "first deliveries are in order and complete"
            );
            self.looked_at = seq + 1;
        } else {
            assert!(self.pending.contains(&seq), "{seq} is redelivered but was not pending");
        }
        let count = self.delivered.entry(seq).or_default();
        *count += 1;
        assert_eq!(delivery.deliveries, *count);
        assert!(self.setting.deliveries_max == 0 || *count <= u64::from(self.setting.deliveries_max));
        assert_eq!(delivery.pending, self.undelivered(scene).len() as u64);
        match self.setting.policy {
            AckPolicy::None => drop(self.done.insert(seq)),
            _ => drop(self.pending.insert(seq)),
        }
    }

    fn acknowledged(&mut self, seq: u64) {
        let through = if self.setting.policy == AckPolicy::All { 0 } else { seq };
        let settled: Vec<u64> = self.pending.range(through..=seq).copied().collect();
        for seq in settled {
            self.pending.remove(&seq);
            self.done.insert(seq);
        }
        if self.setting.policy == AckPolicy::All {
            self.given_up = self.given_up.split_off(&(seq + 1));
        }
    }

    fn check(&self, scene: &mut Scene) {
        let info = scene.info();
        assert_eq!(info.num_pending, self.undelivered(scene).len() as u64);
        assert_eq!(info.num_ack_pending, self.pending.len() as u64);
        let again = self.pending.iter().filter(|seq| self.delivered[seq] > 1).count() + self.given_up.len();
        let hidden = self.setting.deliveries_max == 1;
        assert_eq!(info.num_redelivered, if hidden { 0 } else { again as u64 });
        assert_eq!(info.delivered.consumer_seq, self.consumer_seq);
        if let Some(lowest) = self.pending.first() {
            assert!(info.ack_floor.stream_seq < *lowest);
        }
        assert!(info.ack_floor.stream_seq <= info.delivered.stream_seq);
        for seq in &self.pending {
            assert!(scene.consumer.needs(*seq, b"s.a") || !self.wants("s.a"));
        }
        for seq in &self.done {
            assert!(!scene.consumer.needs(*seq, b"s.a"));
        }
    }
}

/// The scene, its model and what has been persisted.
struct World {
    scene: Scene,
    model: Model,
    kept: Vec<Vec<u8>>,
}

impl World {
    fn new(setting: Setting, stored: &[usize]) -> Self {
        let subjects: Vec<&str> = stored.iter().map(|i| SUBJECTS[*i]).collect();
        let filters = serde_json::to_string(&setting.filters).unwrap();
        let start = if setting.last_per_subject { "last_per_subject" } else { "all" };
        let pending_max = if setting.policy == AckPolicy::None { 0 } else { setting.pending_max };
        let config = format!(
            r#"{{"durable_name":"C","ack_policy":"{}","ack_wait":1000000000,"max_deliver":{},"max_ack_pending":{pending_max},
                "filter_subjects":{filters},"deliver_policy":"{start}"}}"#,
            setting.policy, setting.deliveries_max
        );
        let scene = Scene::new(&subjects, &config);
        let model = Model::new(setting, &scene);
        Self { scene, model, kept: Vec::new() }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Store(subject) => drop(self.scene.store(SUBJECTS[subject])),
            Happening::Pull { batch, no_wait, expires_ms } => self.pull(batch, no_wait, expires_ms),
            Happening::Ack(place, body) => self.ack(place, body),
            Happening::Fail(place) => self.fail(place),
            Happening::Wait(ms) => return self.wait(i64::from(ms) * MS),
            Happening::Remove(seq) => self.remove(seq),
            Happening::Purge(seq) => self.purge(seq),
            Happening::Lag(lag) => self.scene.visible = self.lagging(lag),
            Happening::Restart => self.restart(),
            Happening::Reset => self.reset(),
        }
        self.watch();
    }

    fn watch(&mut self) {
        let effects = std::mem::take(&mut self.scene.said);
        self.model.watch(&self.scene, &effects);
        self.kept.extend(self.scene.consumer.take_delta());
        self.model.check(&mut self.scene);
    }

    /// Visibility never goes back.
    fn lagging(&self, lag: u64) -> Option<u64> {
        let last_seq = self.scene.log.state().last_seq;
        let before = self.scene.visible.unwrap_or(0).max(self.model.looked_at.saturating_sub(1));
        Some(last_seq.saturating_sub(lag).max(before))
    }

    fn pull(&mut self, batch: u8, no_wait: bool, expires_ms: u16) {
        let expires = i64::from(expires_ms) * MS;
        let body = format!(r#"{{"batch":{batch},"no_wait":{no_wait},"expires":{expires}}}"#);
        self.scene.turn(|consumer, turn| {
            consumer.pull(turn, body.as_bytes(), Bytes::from_static(b"r"), false).unwrap()
        });
        self.scene.advance();
    }

    fn ack(&mut self, place: usize, body: &'static str) {
        let Some(seq) = self.pick(place) else { return };
        let consumer_seq = self.scene.consumer.state.acks.get(seq).map_or(0, |entry| entry.consumer_seq);
        if matches!(body, "" | "+ACK" | "+TERM") {
            self.model.acknowledged(seq);
        }
        let delivery =
            ack_token::Delivery { delivered: 1, stream_seq: seq, consumer_seq, timestamp: 0, pending: 0 };
        self.scene.turn(|consumer, turn| consumer.ack(turn, delivery, body.as_bytes(), None).unwrap());
        self.scene.advance();
    }

    fn pick(&self, place: usize) -> Option<u64> {
        let count = self.model.pending.len();
        self.model.pending.iter().nth(place.checked_rem(count)?).copied()
    }

    fn fail(&mut self, place: usize) {
        let Some(seq) = self.pick(place) else { return };
        let queued = self.scene.consumer.state.acks.get(seq).is_some_and(|entry| entry.is_queued());
        if queued || self.model.delivered[&seq] == 0 {
            return;
        }
        *self.model.delivered.get_mut(&seq).unwrap() -= 1;
        self.scene.turn(|consumer, turn| consumer.delivery_failed(turn, seq, b"r"));
        self.scene.advance();
    }

    fn wait(&mut self, nanos: i64) {
        let until = self.scene.now + nanos;
        while let Some(at) = self.scene.consumer.next_deadline().filter(|at| *at <= until) {
            self.scene.now = self.scene.now.max(at);
            self.scene.tick();
            self.watch();
        }
        self.scene.now = until;
        self.watch();
    }

    fn remove(&mut self, seq: u64) {
        // A restart would find another last message of the subject.
        if seq <= self.model.through && seq >= self.model.looked_at {
            return;
        }
        self.scene.log.remove(seq).unwrap();
        self.forget(seq);
        self.scene.turn(|consumer, turn| consumer.on_removed(turn, seq));
        self.scene.tick();
    }

    fn purge(&mut self, seq: u64) {
        let last_seq = self.scene.log.state().last_seq;
        let seq = seq.min(last_seq + 1);
        self.scene.log.purge_below(seq).unwrap();
        (1..seq).for_each(|gone| self.forget(gone));
        self.model.looked_at = self.model.looked_at.max(seq);
        self.scene.consumer.on_purged(seq, self.scene.now);
        self.scene.advance();
    }

    fn forget(&mut self, seq: u64) {
        if self.model.pending.remove(&seq) {
            self.model.done.insert(seq);
        }
        self.model.given_up.remove(&seq);
    }

    fn restart(&mut self) {
        let before = self.scene.position();
        self.kept.extend(self.scene.consumer.take_delta());
        let kept = std::mem::take(&mut self.kept);
        self.scene.restart(&[], &kept);
        self.kept = kept;
        assert_eq!(self.scene.position(), before);
        let snapshot = self.scene.consumer.snapshot();
        self.scene.restart(&snapshot, &[]);
        assert_eq!(self.scene.position(), before);
        self.scene.tick();
    }

    fn reset(&mut self) {
        let Ok(seq) = self.scene.turn(|consumer, turn| consumer.reset(turn, 0)) else {
            return;
        };
        self.model.looked_at = seq;
        self.model.find_last_of_subjects(&self.scene);
        self.model.consumer_seq = 0;
        self.model.pending.clear();
        self.model.given_up.clear();
        self.model.done = self.model.done.iter().copied().filter(|done| *done < seq).collect();
        self.model.delivered = self.model.delivered.split_off(&u64::MAX);
        self.scene.advance();
    }

    /// Whoever keeps asking and acknowledging gets everything.
    fn finish(&mut self) {
        self.scene.visible = None;
        for _ in 0..200 {
            self.pull(5, false, 900);
            self.watch();
            while let Some(seq) = self.model.pending.first().copied() {
                self.ack(self.model.pending.iter().position(|other| *other == seq).unwrap_or(0), "");
                self.watch();
            }
            self.wait(SEC);
        }
        assert_eq!(self.model.undelivered(&self.scene), Vec::<u64>::new());
        assert!(self.model.pending.is_empty());
    }
}

proptest! {
    #[test]
    fn promises_hold_whatever_happens(
        setting in setting(),
        stored in prop::collection::vec(0..SUBJECTS.len(), 0..12),
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut world = World::new(setting, &stored);
        for happening in happenings {
            world.happen(happening);
        }
        world.finish();
    }

    #[test]
    fn any_bytes_are_a_state_or_an_error(snapshot: Vec<u8>, delta: Vec<u8>) {
        let read = |snapshot: &[u8], deltas: &[Vec<u8>]| {
            let mut scene = Scene::new(&["s.1"], r#"{"durable_name":"C","ack_policy":"explicit"}"#);
            let config = scene.consumer.config().clone();
            let traits = StreamTraits::of(&scene.stream, 1);
            let deltas = deltas.iter().map(Vec::as_slice);
            if let Ok(consumer) = ConsumerMachine::restore(identity(), config, traits, snapshot, deltas, &scene.log, BEGIN) {
                scene.consumer = consumer;
                scene.pull("r", "3");
                scene.ack(1, 1, "");
                scene.tick();
                scene.info();
            }
        };
        read(&snapshot, &[]);
        let versioned: Vec<u8> = [&[1], &snapshot[..]].concat();
        read(&versioned, &[]);
        read(&[], &[[&[1], &delta[..]].concat()]);
    }
}
