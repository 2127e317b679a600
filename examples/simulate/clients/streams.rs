//! What clients do to streams and single messages.

use headwater_protocol::jetstream::stream_config::{Discard, Retention, Storage, StreamConfig};
use headwater_protocol::subject;
use serde_json::json;

use super::json;
use crate::model::{Deletion, Request};
use crate::run::Run;

const SECOND: i64 = 1_000_000_000;

impl Run {
    /// Makes a stream, or asks for one that is there.
    pub(super) fn create_stream(&mut self) {
        let name = format!("S{}", self.rng.below(self.plan.streams_max));
        let config = self.draw_config(&name);
        self.model.wanted.insert(name.clone());
        // The stream's number is known once it is there.
        let before = self.model.named(&name);
        let stream = before.unwrap_or(u32::MAX);
        self.call(
            &format!("STREAM.CREATE.{name}"),
            &json(&config),
            Request::CreateStream { stream, revision: 0 },
        );
        self.adopt_request(&name);
    }

    /// Changes the limits of a stream.
    pub(super) fn update_stream(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        let old = self.model.streams[&stream].config.clone();
        let drawn = self.draw_config(&old.name);
        let config = StreamConfig {
            max_msgs: drawn.max_msgs,
            max_bytes: drawn.max_bytes,
            max_msgs_per_subject: drawn.max_msgs_per_subject,
            duplicate_window: if old.max_age > 0 { old.duplicate_window } else { drawn.duplicate_window },
            metadata: Default::default(),
            ..old
        };
        let subject = format!("STREAM.UPDATE.{}", config.name);
        self.call(&subject, &json(&config), Request::UpdateStream { stream, revision: 0 });
        self.adopt_request(&config.name);
    }

    /// Deletes a stream with all it has.
    pub(super) fn delete_stream(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        let Some(model) = self.model.streams.get_mut(&stream) else { return };
        model.deletion = Deletion::Asked;
        let name = model.name.clone();
        self.call(&format!("STREAM.DELETE.{name}"), b"", Request::DeleteStream { stream });
    }

    /// Deletes one message.
    pub(super) fn delete_message(&mut self) {
        let Some((stream, seq)) = self.any_message() else { return };
        let Some(model) = self.model.streams.get_mut(&stream) else { return };
        model.unwanted.insert(seq);
        let subject = format!("STREAM.MSG.DELETE.{}", model.name);
        self.call(&subject, &json(&json!({ "seq": seq })), Request::DeleteMessage { stream, seq });
    }

    /// Purges a stream: all of it, a subject, up to a sequence, or all but the newest few.
    pub(super) fn purge(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        let below = if self.rng.percent(30) { self.any_message().map(|(_, seq)| seq) } else { None };
        let keep = if below.is_none() && self.rng.percent(30) { Some(self.rng.between(1, 5)) } else { None };
        let Some(model) = self.model.streams.get_mut(&stream) else { return };
        let filter = self.rng.percent(40).then(|| {
            let last = *self.rng.pick(&["a", "b", "*", ">"]);
            format!("{}.{last}", model.name.to_lowercase())
        });
        let below = below.filter(|below| *below <= model.last_seq);
        let wanted = |held: &str| {
            filter.as_ref().is_none_or(|filter| subject::matches(filter.as_bytes(), held.as_bytes()))
        };
        let mut seqs: Vec<u64> =
            model.live().filter(|(_, stored)| wanted(stored.subject())).map(|(seq, _)| seq).collect();
        seqs.retain(|seq| below.is_none_or(|below| *seq < below));
        seqs.truncate(seqs.len().saturating_sub(keep.unwrap_or(0) as usize));
        model.unwanted.extend(&seqs);
        let mut body = serde_json::Map::new();
        filter.into_iter().for_each(|filter| drop(body.insert("filter".into(), filter.into())));
        below.into_iter().for_each(|below| drop(body.insert("seq".into(), below.into())));
        keep.into_iter().for_each(|keep| drop(body.insert("keep".into(), keep.into())));
        let subject = format!("STREAM.PURGE.{}", model.name);
        self.call(&subject, &json(&body), Request::Purge { stream, seqs });
    }

    /// Reads a message, which must be on disk then.
    pub(super) fn get_message(&mut self) {
        let Some((stream, seq)) = self.any_message() else { return };
        let subject = format!("STREAM.MSG.GET.{}", self.model.streams[&stream].name);
        self.call(&subject, &json(&json!({ "seq": seq })), Request::GetMessage { stream });
    }

    /// The request that was sent last is about the stream that has this name by now, as it is configured by now.
    fn adopt_request(&mut self, name: &str) {
        let Some(host) = self.world.host(name) else { return };
        let known = self.model.streams.get(&host.id.0);
        let changed = |config: &StreamConfig| host.lock().machine.config() != config;
        let now = known.map_or(0, |known| known.revision + u64::from(changed(&known.config)));
        let Some(mut last) = self.model.requests.last_entry() else { return };
        if let Request::CreateStream { stream, revision } | Request::UpdateStream { stream, revision } =
            last.get_mut()
        {
            (*stream, *revision) = (host.id.0, now);
        }
    }

    fn draw_config(&mut self, name: &str) -> StreamConfig {
        let rng = &mut self.rng;
        let max_age = if rng.percent(15) { rng.between(1, 40) as i64 * SECOND } else { 0 };
        let counter = rng.percent(8);
        let retention =
            *rng.pick(&[Retention::Limits, Retention::Limits, Retention::Interest, Retention::WorkQueue]);
        let retention = if counter { Retention::Limits } else { retention };
        let discard = if rng.percent(20) && !counter { Discard::New } else { Discard::Old };
        let per_subject = rng.percent(30);
        let window = *rng.pick(&[SECOND, 20 * SECOND, 120 * SECOND]);
        let ttls = rng.percent(25);
        StreamConfig {
            name: name.to_owned(),
            subjects: vec![format!("{}.>", name.to_lowercase())],
            retention,
            max_consumers: -1,
            max_msgs: limit(rng, 25, 30),
            max_bytes: limit(rng, 15, 5000),
            max_age,
            max_msgs_per_subject: if per_subject { rng.between(1, 4) as i64 } else { -1 },
            discard,
            discard_new_per_subject: discard == Discard::New && per_subject && rng.percent(30),
            storage: if rng.percent(6) { Storage::Memory } else { Storage::File },
            num_replicas: 1,
            duplicate_window: if max_age > 0 { window.min(max_age) } else { window },
            allow_rollup_hdrs: rng.percent(40),
            allow_msg_ttl: ttls,
            subject_delete_marker_ttl: if ttls && rng.percent(30) { 5 * SECOND } else { 0 },
            allow_msg_counter: counter,
            allow_atomic: rng.percent(60),
            ..StreamConfig::default()
        }
    }
}

fn limit(rng: &mut crate::rng::Rng, percent: u64, most: u64) -> i64 {
    if rng.percent(percent) { rng.between(1, most) as i64 } else { -1 }
}
