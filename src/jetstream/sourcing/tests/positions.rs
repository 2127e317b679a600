//! Where sources go on: from what is stored, and from what was written down when that went.

use std::sync::Arc;

use headwater_protocol::headers::{HeaderBuilder, names};
use headwater_protocol::jetstream::stream_source::{
    ConsumerSource, External, StreamSource, SubjectTransform,
};
use parking_lot::Mutex;

use super::{HERE, START, origin_named};
use crate::jetstream::identity::short_hash;
use crate::jetstream::sourcing::kept_log::KeptLog;
use crate::jetstream::sourcing::ledger::{Ledger, Place, Record};
use crate::jetstream::sourcing::source_header::{CameFrom, compose};
use crate::jetstream::sourcing::{Origin, positions};
use crate::store::{Lsn, MemoryLog, MessageLog, NewMessage};

/// A stream with two sources and what was written down of them.
struct Rig {
    log: Box<dyn MessageLog>,
    ledger: Arc<Ledger>,
    written: Arc<Mutex<Vec<Record>>>,
    origins: [Origin; 2],
}

fn origin(source: StreamSource) -> Origin {
    let all = [source.clone()];
    Origin::of_source(source, HERE, &all)
}

impl Rig {
    fn new() -> Self {
        let written = Arc::new(Mutex::new(Vec::new()));
        let records = written.clone();
        let save = move |bytes: &[u8]| {
            records.lock().push(Record::read(bytes).unwrap());
            Ok(Lsn::ZERO)
        };
        let ledger = Arc::new(Ledger::new(Box::new(save), 0));
        let log = Box::new(KeptLog::new(Box::new(MemoryLog::new()), ledger.clone()));
        let origins = [origin(origin_named("A")), origin(origin_named("B"))];
        for origin in &origins {
            let source = origin.index_name().to_string();
            ledger.open(Place { source, seq: 0, identity: String::new() });
        }
        Self { log, ledger, written, origins }
    }

    /// Takes over message `seq` of a source.
    fn take(&mut self, source: usize, seq: u64) {
        let origin = &self.origins[source];
        let value = compose(origin, seq, b"o", "one");
        let told_by = self.log.state().last_seq + 1;
        append(self.log.as_mut(), told_by, &value);
        self.ledger.moved(origin.index_name(), seq, "one", told_by);
    }

    /// Where the sources go on when the broker starts again now.
    fn found(&self) -> [u64; 2] {
        let record = self.written.lock().last().cloned().unwrap_or_default();
        let places = positions::find(self.log.as_ref(), &record, &self.origins).unwrap();
        let seq = |origin: &Origin| {
            places.iter().find(|place| place.source == **origin.index_name()).map_or(0, |place| place.seq)
        };
        [seq(&self.origins[0]), seq(&self.origins[1])]
    }

    fn records(&self) -> usize {
        self.written.lock().len()
    }
}

fn append(log: &mut dyn MessageLog, seq: u64, source: &[u8]) {
    let headers = HeaderBuilder::new().add(names::STREAM_SOURCE, source).finish();
    let message = NewMessage { seq, ts: START, subject: b"o", headers: &headers, payload: b"" };
    log.append(&message).unwrap();
}

#[test]
fn sources_go_on_behind_the_last_messages_that_came_from_them() {
    let mut rig = Rig::new();
    assert_eq!(rig.found(), [0, 0]);
    rig.take(0, 4);
    rig.take(1, 9);
    rig.take(0, 5);
    assert_eq!(rig.found(), [5, 9]);
    assert_eq!(rig.records(), 0);
}

#[test]
fn a_position_is_written_down_before_the_message_goes_that_tells_it() {
    let mut rig = Rig::new();
    rig.take(0, 4);
    rig.take(1, 9);
    rig.take(0, 5);
    rig.log.remove(1).unwrap();
    assert_eq!(rig.records(), 0);
    rig.log.remove(3).unwrap();
    assert_eq!((rig.records(), rig.found()), (1, [5, 9]));
    rig.log.purge_below(4).unwrap();
    assert_eq!((rig.records(), rig.found()), (1, [5, 9]));
}

#[test]
fn what_was_stored_after_it_was_written_down_knows_better() {
    let mut rig = Rig::new();
    rig.take(0, 4);
    rig.take(1, 9);
    rig.log.purge_below(3).unwrap();
    rig.take(0, 7);
    assert_eq!((rig.records(), rig.found()), (1, [7, 9]));
    rig.log.purge_below(4).unwrap();
    assert_eq!((rig.records(), rig.found()), (2, [7, 9]));
}

#[test]
fn an_older_message_that_is_still_there_tells_nothing_once_a_newer_one_was_written_down() {
    let mut rig = Rig::new();
    rig.take(0, 4);
    rig.take(0, 5);
    rig.log.remove(2).unwrap();
    assert_eq!(rig.found(), [5, 0]);
}

#[test]
fn a_source_of_which_nothing_was_written_down_is_looked_for_in_what_is_stored() {
    let mut rig = Rig::new();
    rig.take(1, 9);
    rig.ledger.close(rig.origins[1].index_name());
    rig.take(0, 4);
    rig.log.remove(2).unwrap();
    assert_eq!((rig.records(), rig.found()), (1, [4, 9]));
}

#[test]
fn a_damaged_record_is_none() {
    assert_eq!(Record::read(b"{\"through\":"), None);
}

#[test]
fn a_header_of_any_version_is_understood() {
    let transforms = vec![
        SubjectTransform { src: "a".into(), dest: "b".into() },
        SubjectTransform { src: "c".into(), dest: String::new() },
    ];
    let source = origin(StreamSource { subject_transforms: transforms, ..origin_named("O") });
    let composed = compose(&source, 7, b"a.x", "Xn7hj66O");
    assert_eq!(composed, b"O 7 a\x0cc b\x0c> a.x Xn7hj66O");
    let read = CameFrom::parse(&composed).unwrap();
    assert_eq!((read.seq, read.identity, read.is_of(&source)), (7, "Xn7hj66O", true));
    assert!(!read.is_of(&origin(origin_named("O"))));
    let plain = origin(origin_named("O"));
    for (header, seq) in [("O 7 > > a.x", 7), ("O 8 > >", 8), ("O 9", 9), ("$JS.ACK.O.C.1.10.3.77.4", 10)] {
        let read = CameFrom::parse(header.as_bytes()).unwrap();
        assert_eq!((read.seq, read.identity, read.is_of(&plain)), (seq, "", true), "{header}");
    }
    for header in ["", "O", "O x > >", "O 7 >", "\u{fffd}"] {
        assert_eq!(CameFrom::parse(header.as_bytes()), None, "{header}");
    }
}

#[test]
fn origins_elsewhere_and_consumers_made_beforehand_are_told_apart_by_their_hashes() {
    let external = External { api: "$JS.hub.API".into(), deliver: String::new() };
    let consumer = ConsumerSource { name: "SC".into(), deliver_subject: "d".into() };
    let source = StreamSource { external: Some(external), consumer: Some(consumer), ..origin_named("O") };
    let expected = format!("O:{}:C={}", short_hash("$JS.hub.API"), short_hash("SC"));
    assert_eq!(&**origin(source).label(), expected);
}
