//! Acknowledgements, as nats-server 2.15.1 understands them.

use super::*;

const EXPLICIT: &str = r#"{"durable_name":"C","ack_policy":"explicit"}"#;

fn delivered(count: usize, config: &str) -> Scene {
    let subjects = ["s.1", "s.2", "s.3", "s.4", "s.5"];
    let mut scene = Scene::new(&subjects, config);
    scene.pull("r", &count.to_string());
    scene
}

#[test]
fn three_payloads_acknowledge() {
    for body in ["", "+ACK", "+OK"] {
        let mut scene = delivered(1, EXPLICIT);
        assert_eq!(scene.ack_replying(1, 1, body, Some("a")), ["confirm a"]);
        assert_eq!(scene.position(), "delivered 1/1 floor 1/1 unacked 0 redelivered 0 pending 4");
    }
}

#[test]
fn what_is_not_understood_is_confirmed_and_does_nothing() {
    for body in ["HUH", "+ack", "+ACK\r\n"] {
        let mut scene = delivered(1, EXPLICIT);
        assert_eq!(scene.ack_replying(1, 1, body, Some("a")), ["confirm a"]);
        assert_eq!(scene.info().num_ack_pending, 1);
    }
}

#[test]
fn the_floor_follows_the_lowest_unacknowledged_message() {
    let mut scene = delivered(3, EXPLICIT);
    scene.ack(2, 2, "");
    assert_eq!(scene.position(), "delivered 3/3 floor 0/0 unacked 2 redelivered 0 pending 2");
    scene.ack(1, 1, "");
    assert_eq!(scene.position(), "delivered 3/3 floor 2/2 unacked 1 redelivered 0 pending 2");
    scene.ack(3, 3, "");
    assert_eq!(scene.position(), "delivered 3/3 floor 3/3 unacked 0 redelivered 0 pending 2");
}

#[test]
fn a_second_acknowledgement_is_confirmed_and_one_for_nothing_is_not() {
    let mut scene = delivered(1, EXPLICIT);
    assert_eq!(scene.ack_replying(1, 1, "", Some("a")), ["confirm a"]);
    assert_eq!(scene.ack_replying(1, 1, "", Some("a")), ["confirm a"]);
    assert!(scene.ack_replying(99, 99, "", Some("a")).is_empty());
    assert!(scene.ack_replying(0, 0, "", Some("a")).is_empty());
}

#[test]
fn one_acknowledgement_may_cover_all_before_it() {
    let mut scene = delivered(4, r#"{"durable_name":"C","ack_policy":"all"}"#);
    assert_eq!(scene.ack_replying(3, 3, "", Some("a")), ["confirm a"]);
    assert_eq!(scene.position(), "delivered 4/4 floor 3/3 unacked 1 redelivered 0 pending 1");
    assert_eq!(scene.ack_replying(2, 2, "", Some("a")), ["confirm a"]);
    assert_eq!(scene.info().num_ack_pending, 1);
}

#[test]
fn covering_with_a_redelivery_does_not_cover_what_came_between() {
    let mut scene = delivered(3, r#"{"durable_name":"C","ack_policy":"all"}"#);
    scene.ack(1, 1, "-NAK");
    assert_eq!(scene.pull("r", "1"), ["r 1 #4 x2 +2"]);
    scene.ack(1, 4, "");
    assert_eq!(scene.position(), "delivered 4/3 floor 1/1 unacked 2 redelivered 0 pending 2");
    scene.ack(3, 3, "");
    assert_eq!(scene.info().num_ack_pending, 0);
}

#[test]
fn without_acknowledgements_the_floor_follows_the_deliveries() {
    let mut scene = delivered(3, r#"{"durable_name":"C","ack_policy":"none"}"#);
    assert_eq!(scene.position(), "delivered 3/3 floor 3/3 unacked 0 redelivered 0 pending 2");
    assert!(scene.ack_replying(1, 1, "", Some("a")).is_empty());
}

#[test]
fn next_acknowledges_and_pulls_without_a_confirmation() {
    let mut scene = delivered(1, EXPLICIT);
    let answer = scene.ack_replying(1, 1, "+NXT 2", Some("n"));
    assert_eq!(answer, ["n 2 #2 x1 +3", "n 3 #3 x1 +2"]);
    assert_eq!(scene.info().ack_floor.stream_seq, 1);
    let answer = scene.ack_replying(2, 2, r#"+NXT {"batch":9,"no_wait":true}"#, Some("n"));
    assert_eq!(answer.last().map(String::as_str), Some("n 404 No Messages"));
}

#[test]
fn a_terminated_message_is_done_with_and_told_of() {
    let mut scene = delivered(2, EXPLICIT);
    assert_eq!(scene.ack_replying(2, 2, "+TERM no good", Some("a")), ["! term 2 #2 x1 no good", "confirm a"]);
    assert_eq!(scene.ack(2, 2, "+TERM"), Vec::<String>::new());
    scene.ack(1, 1, "");
    assert_eq!(scene.position(), "delivered 2/2 floor 2/2 unacked 0 redelivered 0 pending 3");
}

#[test]
fn samples_tell_how_long_it_took() {
    let mut scene = delivered(1, r#"{"durable_name":"C","ack_policy":"explicit","sample_freq":"100%"}"#);
    scene.wait(40);
    assert_eq!(scene.ack(1, 1, ""), ["! sample 1 40ns"]);
}

#[test]
fn a_work_queue_hears_of_every_message_that_is_done_with() {
    let mut scene = Scene::on_stream(work_queue(), &["s.1", "s.2"], EXPLICIT);
    scene.pull("r", "2");
    assert!(scene.consumer.needs(1, b"s.1"));
    assert_eq!(scene.ack_replying(1, 1, "", Some("a")), ["acked 1", "confirm a"]);
    assert!(!scene.consumer.needs(1, b"s.1"));
    assert!(scene.consumer.needs(2, b"s.2"));
    assert_eq!(scene.ack(2, 2, "+TERM"), ["acked 2", "! term 2 #2 x1 "]);
    assert!(scene.consumer.needs(3, b"s.3"));
}

#[test]
fn a_second_acknowledgement_is_told_a_work_queue_that_still_has_the_message_without_reading_it() {
    let mut scene = Scene::on_stream(work_queue(), &["s.1", "s.2"], EXPLICIT);
    scene.pull("r", "1");
    assert_eq!(scene.ack(1, 1, ""), ["acked 1"]);
    let loads = scene.log.loads.get();
    assert_eq!(scene.ack(1, 1, ""), ["acked 1"]);
    scene.log.remove(1).unwrap();
    assert!(scene.ack(1, 1, "").is_empty());
    assert_eq!(scene.log.loads.get(), loads);
}

#[test]
fn a_second_acknowledgement_of_what_a_filter_leaves_out_is_told_nobody() {
    let filtered = r#"{"durable_name":"C","ack_policy":"explicit","filter_subject":"s.2"}"#;
    let mut scene = Scene::on_stream(work_queue(), &["s.1", "s.2"], filtered);
    scene.pull("r", "1");
    assert!(scene.ack(1, 1, "").is_empty());
    assert_eq!(scene.ack(2, 1, ""), ["acked 2"]);
    assert_eq!(scene.ack(2, 1, ""), ["acked 2"]);
}

#[test]
fn an_interest_stream_hears_of_ranges_and_of_unacknowledged_deliveries() {
    let interest = r#"{"name":"S","subjects":["s.>"],"num_replicas":1,"retention":"interest"}"#;
    let mut scene = Scene::on_stream(interest, &["s.1", "s.2"], r#"{"durable_name":"C","ack_policy":"all"}"#);
    scene.pull("r", "2");
    assert_eq!(scene.ack(2, 2, ""), ["acked 1..=2"]);
    let unacknowledged = r#"{"durable_name":"C","ack_policy":"none","filter_subject":"s.1"}"#;
    let mut scene = Scene::on_stream(interest, &["s.1"], unacknowledged);
    assert_eq!(scene.pull("r", "1"), ["r 1 #1 x1 +0", "acked 1"]);
    assert!(!scene.consumer.needs(1, b"s.1"));
    assert!(scene.consumer.needs(2, b"s.1"));
    assert!(!scene.consumer.needs(2, b"s.2"));
}

#[test]
fn a_message_removed_while_pending_is_terminated() {
    let mut scene = delivered(3, EXPLICIT);
    scene.log.purge_below(2).unwrap();
    scene.tick();
    let told = "! term 1 #1 x1 Unacknowledged message was deleted";
    assert_eq!(scene.lines(), [told]);
    assert_eq!(scene.position(), "delivered 3/3 floor 1/1 unacked 2 redelivered 0 pending 2");
    scene.log.remove(3).unwrap();
    scene.turn(|consumer, turn| consumer.on_removed(turn, 3));
    assert_eq!(scene.info().num_ack_pending, 1);
}

#[test]
fn what_was_given_up_is_acknowledged_although_a_purge_took_the_floor_past_it() {
    let config = r#"{"durable_name":"C","ack_policy":"all","max_deliver":1,"ack_wait":200000000}"#;
    let mut scene = Scene::new(&["s.1"], config);
    scene.pull("r", "1");
    scene.wait(SEC);
    assert!(scene.consumer.needs(1, b"s.1"));
    scene.turn(|consumer, turn| consumer.on_purged(1, turn.now));
    scene.ack(1, 1, "");
    assert!(!scene.consumer.needs(1, b"s.1"));
}
