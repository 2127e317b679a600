//! Pause, reset, update, inactivity.

use headwater_protocol::jetstream::timestamp::{Timestamp, ZonedTime};

use super::super::ResetError;
use super::*;

const EXPLICIT: &str = r#"{"durable_name":"C","ack_policy":"explicit"}"#;
const SUBJECTS: [&str; 5] = ["s.1"; 5];

fn pause(scene: &mut Scene, nanos: i64) {
    let until = ZonedTime::from(Timestamp(scene.now + nanos));
    scene.turn(|consumer, turn| consumer.pause(turn, Some(until)));
    scene.advance();
}

#[test]
fn a_paused_consumer_takes_requests_and_lets_them_time_out() {
    let mut scene = Scene::new(&SUBJECTS, EXPLICIT);
    pause(&mut scene, 3600 * SEC);
    assert_eq!(scene.lines(), ["! paused true true"]);
    assert!(scene.info().paused);
    assert_eq!(scene.info().pause_remaining, 3600 * SEC);
    assert_eq!(scene.consumer.config().metadata["_nats.req.level"], "1");
    scene.pull("r", r#"{"batch":1,"expires":300000000}"#);
    scene.wait(300 * MS);
    assert_eq!(scene.lines(), ["r 408 Request Timeout | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0"]);
    assert_eq!(scene.pull("r", r#"{"batch":1,"no_wait":true}"#), ["r 404 No Messages"]);

    scene.turn(|consumer, turn| consumer.pause(turn, None));
    assert_eq!(scene.lines(), ["! paused false false"]);
    assert_eq!(scene.consumer.config().metadata["_nats.req.level"], "0");
    assert_eq!(scene.pull("r", "1"), ["r 1 #1 x1 +4"]);
}

#[test]
fn deliveries_begin_by_themselves_when_a_pause_is_over() {
    let mut scene = Scene::new(&["s.1"], EXPLICIT);
    pause(&mut scene, 400 * MS);
    scene.lines();
    scene.pull("r", "1");
    scene.wait(400 * MS);
    assert_eq!(scene.lines(), ["! paused false true", "r 1 #1 x1 +0"]);
}

#[test]
fn a_consumer_born_paused_says_so_and_keeps_its_heartbeats() {
    let config = r#"{"deliver_subject":"d","ack_policy":"none","pause_until":"2100-01-01T00:00:00Z","idle_heartbeat":100000000}"#;
    let mut scene = Scene::new(&["s.1"], config);
    assert_eq!(scene.listen(true), ["! paused true true"]);
    scene.wait(100 * MS);
    assert_eq!(scene.lines(), ["d 100 Idle Heartbeat | Nats-Last-Consumer: 0 | Nats-Last-Stream: 0"]);
}

#[test]
fn a_pause_in_the_past_is_kept_but_does_nothing() {
    let mut scene = Scene::new(&["s.1"], EXPLICIT);
    pause(&mut scene, -SEC);
    scene.lines();
    assert!(!scene.info().paused);
    assert!(scene.consumer.config().pause_until.is_some());
    assert_eq!(scene.pull("r", "1"), ["r 1 #1 x1 +0"]);
}

fn used(config: &str) -> Scene {
    let mut scene = Scene::new(&SUBJECTS, config);
    scene.pull("r", "4");
    scene.ack(1, 1, "");
    scene.ack(2, 2, "");
    scene
}

fn reset(scene: &mut Scene, seq: u64) -> Result<u64, String> {
    let result = scene.turn(|consumer, turn| consumer.reset(turn, seq));
    result.map_err(|error| match error {
        ResetError::Refused(error) => error.to_string(),
        ResetError::Store(error) => error.to_string(),
    })
}

#[test]
fn a_reset_goes_back_to_what_was_not_acknowledged() {
    let mut scene = used(EXPLICIT);
    assert_eq!(reset(&mut scene, 0), Ok(3));
    assert_eq!(scene.position(), "delivered 0/2 floor 0/2 unacked 0 redelivered 0 pending 3");
    assert!(scene.info().delivered.last_active.is_none());
    assert_eq!(scene.pull("r", "1"), ["r 3 #1 x1 +2"]);
}

#[test]
fn a_reset_does_not_go_back_to_what_the_stream_has_removed() {
    let mut scene = Scene::new(&SUBJECTS, EXPLICIT);
    scene.pull("r", "2");
    scene.log.purge_below(2).unwrap();
    assert_eq!(reset(&mut scene, 0), Ok(2));
}

#[test]
fn a_reset_does_not_go_back_to_what_was_given_up() {
    let once = r#"{"durable_name":"C","ack_policy":"explicit","max_deliver":1}"#;
    let mut scene = Scene::new(&SUBJECTS, once);
    scene.pull("r", "2");
    scene.ack(1, 1, "-NAK");
    scene.pull("r", "1");
    assert_eq!(scene.position(), "delivered 3/3 floor 0/0 unacked 2 redelivered 0 pending 2");
    assert_eq!(reset(&mut scene, 0), Ok(2));
    assert_eq!(scene.pull("r", "1"), ["r 2 #1 x1 +3"]);
    assert_eq!(reset(&mut scene, 1), Ok(1));
    assert_eq!(reset(&mut scene, 0), Ok(1));
}

#[test]
fn a_reset_goes_anywhere_if_everything_was_wanted() {
    let mut scene = used(EXPLICIT);
    assert_eq!(reset(&mut scene, 1), Ok(1));
    assert_eq!(scene.pull("r", "1"), ["r 1 #1 x1 +4"]);
    assert_eq!(reset(&mut scene, 50), Ok(50));
    assert_eq!(scene.position(), "delivered 0/49 floor 0/49 unacked 0 redelivered 0 pending 0");
}

#[test]
fn a_reset_does_not_go_before_the_configured_start() {
    let by_seq = r#"{"durable_name":"C","ack_policy":"explicit","deliver_policy":"by_start_sequence","opt_start_seq":2}"#;
    let mut scene = Scene::new(&SUBJECTS, by_seq);
    assert_eq!(reset(&mut scene, 1), Err("invalid reset: below start seq (10204)".into()));
    assert_eq!(reset(&mut scene, 2), Ok(2));
    let by_time = r#"{"durable_name":"C","ack_policy":"explicit","deliver_policy":"by_start_time","opt_start_time":"2100-01-01T00:00:00Z"}"#;
    assert_eq!(
        reset(&mut Scene::new(&SUBJECTS, by_time), 1),
        Err("invalid reset: below start time (10204)".into())
    );
    let new = r#"{"durable_name":"C","ack_policy":"explicit","deliver_policy":"new"}"#;
    let mut scene = Scene::new(&SUBJECTS, new);
    assert_eq!(reset(&mut scene, 2), Err("invalid reset: not allowed (10204)".into()));
    assert_eq!(reset(&mut scene, 0), Ok(6));
}

#[test]
fn a_filter_change_keeps_the_position_and_counts_anew() {
    let mut scene = Scene::new(
        &["s.1", "s.2", "s.1", "s.2"],
        r#"{"durable_name":"C","ack_policy":"explicit","filter_subject":"s.1"}"#,
    );
    scene.pull("r", "1");
    let changed =
        complete(&scene.stream, r#"{"durable_name":"C","ack_policy":"explicit","filter_subject":"s.2"}"#);
    scene.turn(|consumer, turn| consumer.update_config(turn, changed));
    assert_eq!(scene.position(), "delivered 1/1 floor 0/0 unacked 1 redelivered 0 pending 2");
    assert_eq!(scene.pull("r", "9"), ["r 2 #2 x1 +1", "r 4 #3 x1 +0"]);
}

#[test]
fn a_larger_ack_limit_lets_deliveries_go_on() {
    let mut scene =
        Scene::new(&SUBJECTS, r#"{"durable_name":"C","ack_policy":"explicit","max_ack_pending":1}"#);
    assert_eq!(scene.pull("r", "9").len(), 1);
    let changed = complete(&scene.stream, EXPLICIT);
    scene.turn(|consumer, turn| consumer.update_config(turn, changed));
    scene.advance();
    assert_eq!(scene.lines().len(), 4);
}

#[test]
fn a_pull_consumer_is_gone_when_it_has_not_been_used_for_its_threshold() {
    let mut scene = Scene::new(&[], r#"{"ack_policy":"explicit"}"#);
    scene.wait(4 * SEC);
    scene.pull("r", r#"{"expires":1000000000}"#);
    scene.wait(5 * SEC);
    assert!(!scene.lines().contains(&"gone".to_owned()));
    scene.wait(SEC);
    assert_eq!(scene.lines(), ["gone"]);
}

#[test]
fn a_waiting_request_keeps_a_pull_consumer_alive() {
    let mut scene = Scene::new(&[], r#"{"ack_policy":"explicit"}"#);
    scene.pull("r", "");
    scene.wait(60 * SEC);
    assert!(scene.lines().is_empty());
    scene.deaf.insert(b"r".to_vec());
    scene.wait(7 * SEC);
    assert_eq!(scene.lines().first().map(String::as_str), Some("gone"));
}

#[test]
fn somebody_at_work_keeps_a_pull_consumer_alive() {
    let mut scene = Scene::new(&["s.1"], r#"{"ack_policy":"explicit","ack_wait":30000000000}"#);
    scene.pull("r", "1");
    scene.wait(34 * SEC);
    assert!(!scene.lines().contains(&"gone".to_owned()));
    scene.wait(SEC);
    assert_eq!(scene.lines(), ["gone"]);
}

#[test]
fn a_durable_consumer_without_threshold_stays() {
    let mut scene = Scene::new(&[], EXPLICIT);
    scene.wait(24 * 3600 * SEC);
    assert!(scene.lines().is_empty());
    assert_eq!(scene.consumer.next_deadline(), None);
}

#[test]
fn what_fell_off_the_stream_is_not_reported_as_pending() {
    let mut scene = used(EXPLICIT);
    assert_eq!(scene.info().num_ack_pending, 2);
    scene.log.purge_below(4).unwrap();
    assert_eq!(scene.info().num_ack_pending, 1);
}

#[test]
fn a_sourcing_server_that_asks_again_begins_with_what_it_did_not_confirm() {
    let config = r#"{"durable_name":"C","ack_policy":"flow_control","deliver_subject":"d","max_ack_pending":5,"sourcing":true}"#;
    let mut scene = Scene::new(&SUBJECTS, config);
    scene.listen(true);
    let again = scene.consumer.config().clone();
    scene.turn(|consumer, turn| consumer.update_config(turn, again));
    assert_eq!(scene.position(), "delivered 0/0 floor 0/0 unacked 0 redelivered 0 pending 5");
}
