//! Messages that go out again.

use headwater_protocol::headers;
use headwater_protocol::jetstream::stream_config::{Republish, StreamConfig};

use super::{Rig, config};
use crate::jetstream::stream::turn::Effect;

fn republishing(src: &str, dest: &str) -> StreamConfig {
    let republish = Some(Republish { src: src.into(), dest: dest.into(), headers_only: false });
    StreamConfig { republish, ..config() }
}

#[test]
fn each_message_tells_the_sequence_before_it_on_its_subject() {
    let mut rig = Rig::new(republishing("", "r.>"));
    rig.store("s.a", &[]);
    rig.store("s.b", &[]);
    rig.store("s.a", &[]);
    let last = |out: &super::Outgoing| headers::get(&out.headers, b"Nats-Last-Sequence").unwrap().to_vec();
    let out = rig.republished();
    assert_eq!(out.iter().map(last).collect::<Vec<_>>(), [b"0", b"0", b"1"]);
    assert_eq!(out[2].subject, b"r.s.a");
}

#[test]
fn a_message_goes_out_again_after_it_is_stored_and_before_it_is_acknowledged() {
    let mut rig = Rig::new(republishing("s.a", "r.a"));
    rig.store("s.a", &[]);
    assert!(matches!(rig.effects[..], [Effect::Stored { .. }, Effect::Republish(_)]));
}

#[test]
fn what_is_refused_or_known_does_not_go_out_again() {
    let mut rig = Rig::new(republishing("s.>", "r.>"));
    rig.store("s.a", &[("Nats-Msg-Id", "1")]);
    rig.publish("s.a", &[("Nats-Msg-Id", "1")], "x");
    rig.refused("s.a", &[("Nats-Expected-Last-Sequence", "7")]);
    assert_eq!(rig.republished().len(), 1);
}
