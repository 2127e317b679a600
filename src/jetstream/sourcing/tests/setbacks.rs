//! What a link does when the origin's server refuses, is silent, or is older.

use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::consumer_config::AckPolicy;
use headwater_protocol::jetstream::error::ErrorCode;
use headwater_protocol::jetstream::response::encode_refusal;
use headwater_protocol::jetstream::response_type::ResponseType;
use headwater_protocol::jetstream::stream_source::{ConsumerSource, External, StreamSource};

use super::{MOMENT, Rig, SECOND, consumer, origin_named};
use crate::jetstream::sourcing::{Command, Receipt};

fn elsewhere() -> StreamSource {
    let external = External { api: "$JS.hub.API".into(), deliver: String::new() };
    StreamSource { external: Some(external), ..origin_named("O") }
}

fn prepared() -> StreamSource {
    let consumer = ConsumerSource { name: "SC".into(), deliver_subject: "dlv".into() };
    StreamSource { consumer: Some(consumer), ..origin_named("O") }
}

#[test]
fn a_refusal_is_told_and_the_link_asks_again_after_ever_longer_waits() {
    let mut rig = Rig::mirror(elsewhere());
    assert_eq!(rig.refuse(ErrorCode::StreamNotFound), [Command::StopListening]);
    let error = rig.link.info(rig.now).error.unwrap();
    assert!(error.is(ErrorCode::StreamNotFound));
    assert!(rig.request_within(11 * SECOND).is_none());
    rig.refuse(ErrorCode::StreamNotFound);
    assert!(rig.request_within(21 * SECOND).is_none());
    for _ in 0..100 {
        rig.refuse(ErrorCode::StreamNotFound);
    }
    assert!(rig.request_within(123 * SECOND).is_some());
    assert_eq!(rig.link.info(rig.now).error, None);
}

#[test]
fn an_origin_that_is_not_there_yet_is_found_soon_after_it_is_made() {
    let mut rig = Rig::source(origin_named("O"));
    for _ in 0..100 {
        rig.refuse(ErrorCode::StreamNotFound);
    }
    assert!(rig.request_within(13 * SECOND).is_some());
}

#[test]
fn requests_are_two_seconds_apart() {
    let mut rig = Rig::source(origin_named("O"));
    rig.grant(0, "");
    rig.deliver(5, 5, 0);
    assert!(rig.request_within(2 * SECOND - 1).is_none());
    assert!(rig.request_within(2 * SECOND + MOMENT).is_some());
}

#[test]
fn silence_of_ten_seconds_means_that_the_consumer_is_gone() {
    let mut rig = Rig::source(origin_named("O"));
    rig.grant(0, "");
    assert!(rig.takes(1, 1));
    assert_eq!(rig.pass(10 * SECOND - 1), []);
    assert_eq!(rig.pass(1), [Command::StopListening]);
    assert_eq!(rig.wanted_consumer().opt_start_seq, 2);
}

#[test]
fn a_request_without_an_answer_is_given_up_after_thirty_seconds() {
    let mut rig = Rig::source(origin_named("O"));
    rig.request_within(MOMENT).unwrap();
    assert_eq!(rig.pass(30 * SECOND - 1), []);
    assert_eq!(rig.pass(1), [Command::StopListening]);
    assert_eq!(rig.answer(1, b"", &consumer(0, AckPolicy::None)), (None, vec![]));
}

#[test]
fn a_request_that_nobody_heard_is_sent_again_as_soon_as_somebody_may() {
    let mut rig = Rig::mirror(elsewhere());
    let (number, _) = rig.request_within(MOMENT).unwrap();
    rig.link.unheard(number, rig.now, &mut rig.commands);
    assert!(rig.request_within(11 * SECOND).is_none());
    rig.now += 5 * SECOND;
    rig.link.retry_now(rig.now);
    assert!(rig.request_within(MOMENT).is_some());
}

#[test]
fn an_older_server_is_asked_in_simpler_words() {
    let mut rig = Rig::source(origin_named("O"));
    let level = |commands: Vec<Command>| match commands.as_slice() {
        [Command::StopListening, Command::Ask(_, request)] => {
            let level = headers::get(&request.headers, names::REQUIRED_API_LEVEL).map(<[u8]>::to_vec);
            let identity = headers::get(&request.headers, names::STREAM_IDENTITY).is_some();
            (level, identity, String::from_utf8(request.body.clone()).unwrap())
        }
        other => panic!("no request but {other:?}"),
    };
    let (first, with_identity, _) = level(rig.pass(MOMENT));
    assert_eq!((first, with_identity), (Some(b"5".to_vec()), true));
    let refusal = |code: ErrorCode| encode_refusal(ResponseType::ConsumerCreate, &code.error());
    let (second, with_identity, body) = level(rig.answer(1, b"", &refusal(ErrorCode::RequiredApiLevel)).1);
    assert_eq!((second, with_identity), (Some(b"4".to_vec()), false));
    assert!(body.contains("\"sourcing\":true"));
    let (third, _, body) = level(rig.answer(2, b"", &refusal(ErrorCode::InvalidJson)).1);
    assert_eq!(third, None);
    assert!(!body.contains("sourcing") && body.contains("_id\",\"deliver_policy"), "{body}");
}

#[test]
fn an_origin_that_was_made_anew_is_read_from_its_beginning() {
    let mut rig = Rig::source_at(origin_named("O"), 90, "one").with_unknown_past();
    rig.log.first_seq = 50;
    rig.log.last_ts = rig.now;
    assert_eq!(rig.refuse(ErrorCode::ConsumerStreamIdentityMismatch), []);
    let (_, request) = rig.request_within(3 * SECOND).unwrap();
    assert_eq!(headers::get(&request.headers, names::STREAM_IDENTITY), Some(&b""[..]));
    assert!(String::from_utf8(request.body).unwrap().contains(r#""deliver_policy":"all""#));
}

#[test]
fn an_answer_that_tells_of_another_origin_begins_anew() {
    let mut rig = Rig::source_at(origin_named("O"), 90, "one");
    rig.grant(0, "two");
    assert!(rig.takes(1, 1));
    assert_eq!(rig.link.identity(), "two");
}

#[test]
fn what_the_stream_refused_is_asked_for_again() {
    let mut rig = Rig::source(origin_named("O"));
    rig.grant(0, "");
    assert!(rig.takes(1, 1));
    let Receipt::Take(offer) = rig.deliver(2, 2, 5) else { panic!("not offered") };
    rig.link.take_back(&offer, rig.now, &mut rig.commands);
    assert_eq!(rig.link.seq(), 1);
    assert_eq!(rig.commands(), [Command::StopListening]);
    assert_eq!(rig.deliver(3, 3, 4), Receipt::Ignore);
    assert_eq!(rig.wanted_consumer().opt_start_seq, 2);
}

#[test]
fn a_consumer_made_beforehand_begins_anew_and_is_left_where_it_is() {
    let mut rig = Rig::source(prepared());
    let (number, request) = rig.request_within(MOMENT).unwrap();
    assert_eq!((request.subject.as_str(), request.body.len()), ("$JS.API.CONSUMER.RESET.O.SC", 0));
    let (_, commands) = rig.answer(number, b"", &consumer(0, AckPolicy::FlowControl));
    assert_eq!(commands, [Command::Listen("dlv".into())]);
    rig.link.end(false, &mut rig.commands);
    assert_eq!(rig.commands(), [Command::Leave(None)]);
}

#[test]
fn a_consumer_made_beforehand_has_to_acknowledge_by_flow_control() {
    let mut rig = Rig::source(prepared());
    let (number, _) = rig.request_within(MOMENT).unwrap();
    rig.answer(number, b"", &consumer(0, AckPolicy::Explicit));
    let error = rig.link.info(rig.now).error.unwrap();
    assert!(error.is(ErrorCode::SourceConsumerRequiresAckFc));
}

#[test]
fn a_consumer_made_beforehand_is_asked_again_when_it_shows_life() {
    let mut rig = Rig::source(prepared());
    rig.request_within(MOMENT).unwrap();
    let commands = rig.pass(5 * SECOND);
    assert_eq!(commands, [Command::StopListening, Command::Listen("dlv".into())]);
    rig.receive("", b"NATS/1.0 100 Idle Heartbeat\r\n\r\n", b"");
    assert!(rig.request_within(MOMENT).is_some());
}

#[test]
fn a_sequence_that_no_stream_comes_to_is_not_believed() {
    let mut rig = Rig::mirror(origin_named("O"));
    let (number, _) = rig.request_within(MOMENT).unwrap();
    assert_eq!(rig.answer(number, b"", &consumer(u64::MAX, AckPolicy::None)).0, None);
    assert!(rig.link.info(rig.now).error.is_some());
    rig.grant(0, "");
    assert_eq!(rig.deliver(1, u64::MAX, 0), Receipt::Ignore);
    assert!(rig.takes(1, 1));
}

#[test]
fn a_link_that_ends_discards_its_consumer() {
    let mut rig = Rig::mirror(elsewhere());
    rig.grant(0, "");
    rig.link.end(false, &mut rig.commands);
    let [Command::Leave(Some(subject))] = &rig.commands()[..] else { panic!("nothing discarded") };
    assert!(subject.starts_with("$JS.hub.API.CONSUMER.DELETE.O.JS_MIRROR_"), "{subject}");
    assert_eq!(rig.link.deadline(), None);
}
