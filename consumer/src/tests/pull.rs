//! Pull requests, as nats-server 2.15.1 answers them.

use super::*;

const EXPLICIT: &str = r#"{"durable_name":"C","ack_policy":"explicit"}"#;

#[test]
fn a_batch_is_delivered_with_what_is_left_behind_it() {
    let mut scene = Scene::new(&["s.1", "s.2", "s.3"], EXPLICIT);
    assert_eq!(scene.pull("r", r#"{"batch":2}"#), ["r 1 #1 x1 +2", "r 2 #2 x1 +1"]);
    assert_eq!(scene.position(), "delivered 2/2 floor 0/0 unacked 2 redelivered 0 pending 1");
}

#[test]
fn an_empty_body_asks_for_one_message_and_waits_for_ever() {
    let mut scene = Scene::new(&[], EXPLICIT);
    assert!(scene.pull("r", "").is_empty());
    scene.wait(24 * 3600 * SEC);
    assert!(scene.lines().is_empty());
    scene.store("s.1");
    assert_eq!(scene.lines(), ["r 1 #1 x1 +0"]);
    scene.store("s.2");
    assert!(scene.lines().is_empty());
}

#[test]
fn no_wait_ends_when_it_runs_dry() {
    let mut scene = Scene::new(&["s.1", "s.2"], EXPLICIT);
    let answer = scene.pull("r", r#"{"batch":5,"no_wait":true}"#);
    assert_eq!(answer, ["r 1 #1 x1 +1", "r 2 #2 x1 +0", "r 404 No Messages"]);
    assert_eq!(scene.pull("r", r#"{"batch":1,"no_wait":true}"#), ["r 404 No Messages"]);
}

#[test]
fn no_wait_says_nothing_more_when_it_got_all_it_wanted() {
    let mut scene = Scene::new(&["s.1", "s.2"], EXPLICIT);
    assert_eq!(scene.pull("r", r#"{"batch":2,"no_wait":true}"#), ["r 1 #1 x1 +1", "r 2 #2 x1 +0"]);
}

#[test]
fn no_wait_with_expiry_waits_for_the_first_message_only() {
    let mut scene = Scene::new(&[], EXPLICIT);
    assert!(scene.pull("r", r#"{"batch":3,"no_wait":true,"expires":300000000}"#).is_empty());
    scene.store("s.1");
    assert_eq!(scene.lines(), ["r 1 #1 x1 +0", "r 404 No Messages"]);
    assert!(scene.pull("r", r#"{"batch":3,"no_wait":true,"expires":300000000}"#).is_empty());
    scene.wait(SEC);
    assert_eq!(scene.lines(), ["r 408 Request Timeout | Nats-Pending-Messages: 3 | Nats-Pending-Bytes: 0"]);
}

#[test]
fn no_wait_is_refused_when_those_before_it_would_take_everything() {
    let mut scene = Scene::new(
        &["s.1"],
        r#"{"durable_name":"C","ack_policy":"explicit","priority_policy":"overflow","priority_groups":["g"]}"#,
    );
    assert!(scene.pull("a", r#"{"batch":5,"group":"g","min_pending":9}"#).is_empty());
    let answer = scene.pull("b", r#"{"batch":1,"group":"g","no_wait":true}"#);
    assert_eq!(answer, ["b 408 Requests Pending"]);
}

#[test]
fn a_request_tells_what_is_left_when_it_expires() {
    let mut scene = Scene::new(&["s.1", "s.2"], EXPLICIT);
    assert_eq!(scene.pull("r", r#"{"batch":5,"expires":300000000,"max_bytes":1024}"#).len(), 2);
    scene.wait(299 * MS);
    assert!(scene.lines().is_empty());
    scene.wait(MS);
    let size = 2 * ("s.1".len() + "m".len() + "$JS.ACK.S.C.1.1.1.1700000000000000000.1".len());
    let left =
        format!("r 408 Request Timeout | Nats-Pending-Messages: 3 | Nats-Pending-Bytes: {}", 1024 - size);
    assert_eq!(scene.lines(), [left]);
}

#[test]
fn a_negative_expiry_is_over_at_once() {
    let mut scene = Scene::new(&[], EXPLICIT);
    scene.pull("r", r#"{"batch":1,"expires":-1}"#);
    scene.tick();
    assert_eq!(scene.lines(), ["r 408 Request Timeout | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0"]);
}

#[test]
fn a_message_that_does_not_fit_ends_the_request() {
    let mut scene = Scene::new(&[], EXPLICIT);
    for subject in ["s.0", "s.1", "s.2"] {
        scene.log.store(subject, &"x".repeat(100), BEGIN);
    }
    let answer = scene.pull("r", r#"{"batch":10,"max_bytes":250,"expires":500000000}"#);
    let end = "r 409 Message Size Exceeds MaxBytes | Nats-Pending-Messages: 9 | Nats-Pending-Bytes: 108";
    assert_eq!(answer, ["r 1 #1 x1 +2", end]);
}

#[test]
fn exactly_max_bytes_ends_the_request_silently() {
    let mut scene = Scene::new(&["s.1", "s.2"], EXPLICIT);
    let size = "s.1".len() + "m".len() + "$JS.ACK.S.C.1.1.1.1700000000000000000.1".len();
    assert_eq!(scene.pull("r", &format!(r#"{{"batch":2,"max_bytes":{size}}}"#)), ["r 1 #1 x1 +1"]);
    assert_eq!(scene.info().num_waiting, 0);
}

#[test]
fn a_complete_batch_says_how_many_bytes_it_did_not_need() {
    let mut scene = Scene::new(&["s.1"], EXPLICIT);
    let answer = scene.pull("r", r#"{"batch":1,"max_bytes":1000}"#);
    let end = "r 409 Batch Completed | Nats-Pending-Messages: 0 | Nats-Pending-Bytes: 957";
    assert_eq!(answer, ["r 1 #1 x1 +0", end]);
}

#[test]
fn heartbeats_break_the_silence_until_the_request_expires() {
    let mut scene = Scene::new(&[], EXPLICIT);
    scene.pull("r", r#"{"batch":1,"expires":1000000000,"idle_heartbeat":400000000}"#);
    scene.wait(2 * SEC);
    let beat = "r 100 Idle Heartbeat | Nats-Last-Consumer: 0 | Nats-Last-Stream: 0";
    let end = "r 408 Request Timeout | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0";
    assert_eq!(scene.lines(), [beat, beat, end]);
}

#[test]
fn a_delivery_restarts_the_heartbeat() {
    let mut scene = Scene::new(&[], EXPLICIT);
    scene.pull("r", r#"{"batch":5,"expires":2000000000,"idle_heartbeat":400000000}"#);
    scene.wait(300 * MS);
    scene.store("s.1");
    scene.lines();
    scene.wait(399 * MS);
    assert!(scene.lines().is_empty());
    scene.wait(MS);
    assert_eq!(scene.lines(), ["r 100 Idle Heartbeat | Nats-Last-Consumer: 1 | Nats-Last-Stream: 1"]);
}

#[test]
fn requests_take_turns() {
    let mut scene = Scene::new(&[], EXPLICIT);
    scene.pull("a", r#"{"batch":2}"#);
    scene.pull("b", r#"{"batch":2}"#);
    for subject in ["s.1", "s.2", "s.3", "s.4"] {
        scene.log.store(subject, "m", BEGIN);
    }
    scene.advance();
    assert_eq!(scene.lines(), ["a 1 #1 x1 +3", "b 2 #2 x1 +2", "a 3 #3 x1 +1", "b 4 #4 x1 +0"]);
}

#[test]
fn the_queue_has_a_limit_and_says_so() {
    let mut scene = Scene::new(&[], r#"{"durable_name":"C","ack_policy":"explicit","max_waiting":1}"#);
    assert!(scene.pull("a", "").is_empty());
    assert_eq!(scene.pull("b", ""), ["b 409 Exceeded MaxWaiting"]);
    assert!(scene.pull("c", r#"{"expires":1000000000,"idle_heartbeat":100000000}"#).is_empty());
    assert_eq!(scene.info().num_waiting, 1);
}

#[test]
fn requests_nobody_waits_for_make_room_for_others() {
    let mut scene = Scene::new(&[], r#"{"durable_name":"C","ack_policy":"explicit","max_waiting":1}"#);
    scene.pull("a", "");
    scene.deaf.insert(b"a".to_vec());
    assert!(scene.pull("b", "").is_empty());
    scene.store("s.1");
    assert_eq!(scene.lines(), ["b 1 #1 x1 +0"]);
}

#[test]
fn a_message_does_not_go_where_nobody_listens() {
    let mut scene = Scene::new(&[], EXPLICIT);
    scene.pull("a", "");
    scene.deaf.insert(b"a".to_vec());
    scene.store("s.1");
    assert!(scene.lines().is_empty());
    assert_eq!(scene.pull("b", ""), ["b 1 #1 x1 +0"]);
}

#[test]
fn a_young_request_is_given_time_to_be_heard_of() {
    let mut scene = Scene::new(&[], EXPLICIT);
    scene.consumer.set_interest_grace(2 * SEC);
    scene.deaf.insert(b"a".to_vec());
    scene.pull("a", "");
    scene.store("s.1");
    assert_eq!(scene.lines(), ["a 1 #1 x1 +0"]);
    scene.pull("a", "");
    scene.wait(3 * SEC);
    scene.store("s.2");
    assert!(scene.lines().is_empty());
}

#[test]
fn a_request_through_an_import_is_told_that_its_interest_is_gone() {
    let mut scene = Scene::new(&[], EXPLICIT);
    scene.deaf.insert(b"a".to_vec());
    scene.turn(|consumer, turn| consumer.pull(turn, b"2", Bytes::from_static(b"a"), true).unwrap());
    scene.store("s.1");
    assert_eq!(scene.lines(), ["a 408 Interest Expired | Nats-Pending-Messages: 2 | Nats-Pending-Bytes: 0"]);
}

#[test]
fn limits_of_the_consumer_are_named() {
    let config = r#"{"durable_name":"C","ack_policy":"explicit","max_batch":5,"max_expires":1000000000,"max_bytes":1024}"#;
    let mut scene = Scene::new(&["s.1"], config);
    assert_eq!(scene.pull("r", r#"{"batch":6}"#), ["r 409 Exceeded MaxRequestBatch of 5"]);
    assert_eq!(scene.pull("r", r#"{"expires":2000000000}"#), ["r 409 Exceeded MaxRequestExpires of 1s"]);
    assert_eq!(scene.pull("r", r#"{"max_bytes":2048}"#), ["r 409 Exceeded MaxRequestMaxBytes of 1024"]);
}

#[test]
fn bad_requests_are_told_why() {
    let mut scene = Scene::new(&[], EXPLICIT);
    let too_large = r#"{"batch":1,"expires":1000000000,"idle_heartbeat":900000000}"#;
    assert_eq!(scene.pull("r", too_large), ["r 400 Bad Request - heartbeat value too large"]);
    let mut push = Scene::new(&[], r#"{"deliver_subject":"d","ack_policy":"explicit"}"#);
    assert_eq!(push.pull("r", ""), ["r 409 Consumer is push based"]);
}

#[test]
fn waiting_requests_are_left_alone_while_too_much_is_unacknowledged() {
    let mut scene = Scene::new(
        &["s.1", "s.2", "s.3"],
        r#"{"durable_name":"C","ack_policy":"explicit","max_ack_pending":2}"#,
    );
    let answer = scene.pull("r", r#"{"batch":3,"no_wait":true}"#);
    assert_eq!(answer, ["r 1 #1 x1 +2", "r 2 #2 x1 +1"]);
    assert_eq!(scene.ack(1, 1, "+ACK"), ["r 3 #3 x1 +0"]);
}

#[test]
fn a_request_that_does_not_wait_ends_at_its_first_heartbeat_while_too_much_is_unacknowledged() {
    let mut scene =
        Scene::new(&["s.1", "s.2"], r#"{"durable_name":"C","ack_policy":"explicit","max_ack_pending":1}"#);
    let request = r#"{"batch":2,"no_wait":true,"expires":1000000000,"idle_heartbeat":100000000}"#;
    assert_eq!(scene.pull("r", request), ["r 1 #1 x1 +1"]);
    scene.wait(SEC / 10);
    assert_eq!(scene.lines(), ["r 404 No Messages"]);
}

#[test]
fn messages_that_are_not_durable_yet_do_not_exist() {
    let mut scene = Scene::new(&["s.1", "s.2"], EXPLICIT);
    scene.visible = Some(1);
    assert_eq!(scene.info().num_pending, 1);
    let answer = scene.pull("r", r#"{"batch":2,"no_wait":true}"#);
    assert_eq!(answer, ["r 1 #1 x1 +0", "r 404 No Messages"]);
    scene.visible = Some(2);
    assert_eq!(scene.pull("r", r#"{"batch":2,"no_wait":true}"#), ["r 2 #2 x1 +0", "r 404 No Messages"]);
}

#[test]
fn a_budget_is_kept_and_the_rest_follows() {
    let mut scene = Scene::new(&["s.1", "s.2", "s.3"], EXPLICIT);
    scene.turn(|consumer, turn| {
        consumer.pull(turn, b"3", Bytes::from_static(b"r"), false).unwrap();
        assert_eq!(consumer.advance(turn, &mut Budget::messages(2)).unwrap(), Progress::More);
        let mut bytes = Budget { messages: 10, bytes: 1 };
        assert_eq!(consumer.advance(turn, &mut bytes).unwrap(), Progress::Done);
    });
    assert_eq!(scene.lines(), ["r 1 #1 x1 +2", "r 2 #2 x1 +1", "r 3 #3 x1 +0"]);
}

#[test]
fn deletion_and_shutdown_end_every_request() {
    let mut scene = Scene::new(&[], EXPLICIT);
    scene.pull("a", "2");
    scene.turn(|consumer, turn| consumer.server_shutdown(turn));
    assert_eq!(scene.lines(), ["a 409 Server Shutdown | Nats-Pending-Messages: 2 | Nats-Pending-Bytes: 0"]);
    scene.pull("a", "2");
    scene.turn(|consumer, turn| consumer.delete(turn));
    assert_eq!(scene.lines(), ["a 409 Consumer Deleted"]);
    assert_eq!(scene.info().num_waiting, 0);
}

#[test]
fn a_failed_delivery_is_given_back_to_the_request() {
    let mut scene = Scene::new(&["s.1"], EXPLICIT);
    assert_eq!(scene.pull("a", r#"{"batch":2}"#), ["a 1 #1 x1 +0"]);
    scene.turn(|consumer, turn| consumer.delivery_failed(turn, 1, b"a"));
    scene.advance();
    assert_eq!(scene.lines(), ["a 1 #2 x1 +0"]);
}

#[test]
fn headers_only_is_passed_on() {
    let mut scene =
        Scene::new(&["s.1"], r#"{"durable_name":"C","ack_policy":"explicit","headers_only":true}"#);
    assert_eq!(scene.pull("r", r#"{"batch":1}"#), ["r 1 #1 x1 +0 headers"]);
}
