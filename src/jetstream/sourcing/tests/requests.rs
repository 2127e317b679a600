//! What a link asks for.

use headwater_protocol::jetstream::consumer_config::DeliverPolicy;
use headwater_protocol::jetstream::stream_source::{External, StreamSource, SubjectTransform};
use headwater_protocol::jetstream::timestamp::{Timestamp, ZonedTime};

use super::{HERE, MOMENT, Rig, START, origin_named};
use crate::jetstream::sourcing::Origin;

fn transform(src: &str, dest: &str) -> SubjectTransform {
    SubjectTransform { src: src.into(), dest: dest.into() }
}

#[test]
fn a_mirror_asks_as_nats_server_asks() {
    let (_, request) = Rig::mirror(origin_named("O")).request_within(MOMENT).unwrap();
    assert_eq!(request.subject, "$JS.API.CONSUMER.CREATE.O");
    assert_eq!(request.headers, b"NATS/1.0\r\nNats-Required-Api-Level: 4\r\n\r\n");
    let expected = concat!(
        r#"{"stream_name":"O","config":{"name":"JS_MIRROR_NAME","deliver_policy":"all","ack_policy":"none","#,
        r#""ack_wait":79200000000000,"max_deliver":1,"replay_policy":"instant","flow_control":true,"#,
        r#""deliver_subject":"$JS.M.id","idle_heartbeat":1000000000,"inactive_threshold":10000000000,"#,
        r#""num_replicas":0,"direct":true,"sourcing":true,"#,
        r#""metadata":{"_nats.mirror.acc":"$G","_nats.mirror.stream":"D"}},"action":""}"#
    );
    let name = Origin::of_mirror(origin_named("O"), HERE).consumer_name().to_owned();
    assert_eq!(String::from_utf8(request.body).unwrap(), expected.replace("JS_MIRROR_NAME", &name));
}

#[test]
fn a_filter_is_part_of_the_subject_and_several_are_not() {
    let one = StreamSource { filter_subject: "o.a".into(), ..origin_named("O") };
    let (_, request) = Rig::mirror(one).request_within(MOMENT).unwrap();
    assert!(request.subject.starts_with("$JS.API.CONSUMER.CREATE.O.JS_MIRROR_"), "{}", request.subject);
    assert!(request.subject.ends_with(".o.a"), "{}", request.subject);
    let transforms = vec![transform("o.a", "n.a"), transform("o.b", "")];
    let two = StreamSource { subject_transforms: transforms, ..origin_named("O") };
    let consumer = Rig::source(two).wanted_consumer();
    assert_eq!(consumer.filter_subjects, ["o.a", "o.b"]);
}

#[test]
fn an_origin_elsewhere_is_reached_by_its_prefixes() {
    let external = External { api: "$JS.hub.API".into(), deliver: "dlv.edge.".into() };
    let source = StreamSource { external: Some(external), ..origin_named("O") };
    let mut rig = Rig::source(source.clone());
    let (_, request) = rig.request_within(MOMENT).unwrap();
    assert_eq!(request.subject, "$JS.hub.API.CONSUMER.CREATE.O");
    let consumer = Rig::source(source).wanted_consumer();
    assert_eq!(consumer.deliver_subject, "dlv.edge.S.id");
}

#[test]
fn two_sources_of_one_stream_have_consumers_of_their_own() {
    let source = |filter: &str| StreamSource { filter_subject: filter.into(), ..origin_named("O") };
    let all = [source("a"), source("b")];
    let name = |source: &StreamSource, all: &[StreamSource]| {
        Origin::of_source(source.clone(), HERE, all).consumer_name().to_owned()
    };
    assert_ne!(name(&all[0], &all), name(&all[1], &all));
    assert_eq!(name(&all[0], &all[..1]), name(&all[1], &all[1..]));
}

#[test]
fn a_mirror_begins_where_it_is_told_to_and_goes_on_behind_its_last_message() {
    let start = StreamSource { opt_start_seq: 10, ..origin_named("O") };
    let mut rig = Rig::mirror(start);
    assert_eq!(rig.wanted_consumer().opt_start_seq, 10);
    let mut rig = Rig::mirror(StreamSource { opt_start_seq: 10, ..origin_named("O") });
    (rig.log.first_seq, rig.log.last_seq) = (31, 30);
    assert_eq!(rig.wanted_consumer().opt_start_seq, 31);
}

#[test]
fn a_source_of_a_restored_stream_does_not_bring_back_what_the_stream_had_before_it_was_emptied() {
    let mut rig = Rig::source(origin_named("O"));
    (rig.log.first_seq, rig.log.last_seq, rig.log.last_ts) = (31, 30, START);
    assert_eq!(rig.wanted_consumer().deliver_policy, DeliverPolicy::All);
    let mut rig = Rig::source(origin_named("O")).with_unknown_past();
    (rig.log.first_seq, rig.log.last_seq, rig.log.last_ts) = (31, 30, START);
    let consumer = rig.wanted_consumer();
    assert_eq!(consumer.deliver_policy, DeliverPolicy::ByStartTime);
    assert_eq!(consumer.opt_start_time, Some(ZonedTime::from(Timestamp(START))));
}

#[test]
fn a_configured_start_time_counts_unless_a_restored_stream_is_past_it() {
    let early = ZonedTime::from(Timestamp(START - 1));
    let source = StreamSource { opt_start_time: Some(early), ..origin_named("O") };
    assert_eq!(Rig::source(source.clone()).wanted_consumer().opt_start_time, Some(early));
    let mut rig = Rig::source(source).with_unknown_past();
    rig.log.last_ts = START;
    assert_eq!(rig.wanted_consumer().opt_start_time, Some(ZonedTime::from(Timestamp(START))));
}
