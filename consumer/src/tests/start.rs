//! Where consumers begin and what they count.

use super::*;

const SUBJECTS: [&str; 5] = ["s.a", "s.b", "s.a", "s.c", "s.b"];

fn all(policy: &str) -> Vec<String> {
    let config = format!(r#"{{"durable_name":"C","ack_policy":"explicit",{policy}}}"#);
    let mut scene = Scene::new(&SUBJECTS, &config);
    let info = scene.info();
    assert_eq!(info.delivered.stream_seq, info.ack_floor.stream_seq);
    let mut lines = scene.pull("r", r#"{"batch":10,"no_wait":true}"#);
    assert_eq!(lines.pop().as_deref(), Some("r 404 No Messages"));
    assert_eq!(u64::try_from(lines.len()), Ok(info.num_pending));
    lines
}

#[test]
fn every_policy_begins_where_it_says() {
    assert_eq!(all(r#""deliver_policy":"all""#).len(), 5);
    assert_eq!(all(r#""deliver_policy":"last""#), ["r 5 #1 x1 +0"]);
    assert!(all(r#""deliver_policy":"new""#).is_empty());
    assert_eq!(
        all(r#""deliver_policy":"by_start_sequence","opt_start_seq":4"#),
        ["r 4 #1 x1 +1", "r 5 #2 x1 +0"]
    );
    assert_eq!(all(r#""deliver_policy":"by_start_time","opt_start_time":"2020-01-01T00:00:00Z""#).len(), 5);
    assert!(all(r#""deliver_policy":"by_start_time","opt_start_time":"2100-01-01T00:00:00Z""#).is_empty());
    assert_eq!(all(r#""deliver_policy":"last","filter_subject":"s.a""#), ["r 3 #1 x1 +0"]);
}

#[test]
fn the_last_of_each_subject_come_in_order() {
    let everything = all(r#""deliver_policy":"last_per_subject","filter_subject":"s.*""#);
    assert_eq!(everything, ["r 3 #1 x1 +2", "r 4 #2 x1 +1", "r 5 #3 x1 +0"]);
    let some = all(r#""deliver_policy":"last_per_subject","filter_subjects":["s.a","s.b"]"#);
    assert_eq!(some, ["r 3 #1 x1 +1", "r 5 #2 x1 +0"]);
}

#[test]
fn filters_leave_out_what_does_not_match() {
    assert_eq!(all(r#""filter_subject":"s.b""#), ["r 2 #1 x1 +1", "r 5 #2 x1 +0"]);
    assert_eq!(all(r#""filter_subjects":["s.c","s.a"]"#), ["r 1 #1 x1 +2", "r 3 #2 x1 +1", "r 4 #3 x1 +0"]);
}

#[test]
fn after_the_last_of_each_subject_everything_new_follows() {
    let config = r#"{"durable_name":"C","ack_policy":"explicit","deliver_policy":"last_per_subject","filter_subject":"s.>"}"#;
    let mut scene = Scene::new(&SUBJECTS, config);
    scene.pull("r", "1");
    scene.store("s.a");
    scene.store("s.a");
    assert_eq!(scene.info().num_pending, 4);
    let rest = scene.pull("r", "9");
    assert_eq!(rest, ["r 4 #2 x1 +3", "r 5 #3 x1 +2", "r 6 #4 x1 +1", "r 7 #5 x1 +0"]);
}

#[test]
fn a_last_message_that_is_removed_meanwhile_is_not_counted() {
    let config = r#"{"durable_name":"C","ack_policy":"none","deliver_policy":"last_per_subject","filter_subject":"s.>"}"#;
    let mut scene = Scene::new(&SUBJECTS, config);
    scene.log.remove(5).unwrap();
    assert_eq!(scene.pull("r", "9"), ["r 3 #1 x1 +1", "r 4 #2 x1 +0"]);
}

#[test]
fn a_start_beyond_the_end_waits_for_it() {
    let config = r#"{"durable_name":"C","ack_policy":"explicit","deliver_policy":"by_start_sequence","opt_start_seq":7}"#;
    let mut scene = Scene::new(&SUBJECTS, config);
    assert_eq!(scene.position(), "delivered 0/6 floor 0/6 unacked 0 redelivered 0 pending 0");
    scene.pull("r", "9");
    scene.store("s.a");
    assert!(scene.lines().is_empty());
    scene.store("s.a");
    assert_eq!(scene.lines(), ["r 7 #1 x1 +0"]);
}

#[test]
fn an_empty_stream_begins_at_one_and_an_emptied_one_after_its_end() {
    let config = r#"{"durable_name":"C","ack_policy":"explicit"}"#;
    assert_eq!(
        Scene::new(&[], config).position(),
        "delivered 0/0 floor 0/0 unacked 0 redelivered 0 pending 0"
    );
    let mut scene = Scene::new(&["s.1", "s.2"], config);
    scene.log.purge_below(3).unwrap();
    scene.consumer = ConsumerMachine::new(
        identity(),
        scene.consumer.config().clone(),
        StreamTraits::of(&scene.stream, 1 << 20),
        &scene.log,
        BEGIN,
    )
    .unwrap();
    assert_eq!(scene.position(), "delivered 0/2 floor 0/2 unacked 0 redelivered 0 pending 0");
}

#[test]
fn pending_follows_what_is_removed_ahead_of_the_consumer() {
    let mut scene =
        Scene::new(&SUBJECTS, r#"{"durable_name":"C","ack_policy":"explicit","filter_subject":"s.b"}"#);
    assert_eq!(scene.info().num_pending, 2);
    scene.log.remove(1).unwrap();
    assert_eq!(scene.info().num_pending, 2);
    scene.log.remove(2).unwrap();
    assert_eq!(scene.info().num_pending, 1);
    scene.store("s.b");
    scene.store("s.a");
    assert_eq!(scene.info().num_pending, 2);
    assert_eq!(scene.pull("r", "1"), ["r 5 #1 x1 +1"]);
}

#[test]
fn a_purge_takes_the_consumer_along() {
    let mut scene = Scene::new(&SUBJECTS, r#"{"durable_name":"C","ack_policy":"explicit"}"#);
    scene.pull("r", "2");
    scene.log.purge_below(6).unwrap();
    scene.consumer.on_purged(6, scene.now);
    assert_eq!(scene.position(), "delivered 2/5 floor 2/5 unacked 0 redelivered 0 pending 0");
    assert!(scene.lines().is_empty());
    scene.pull("r", "1");
    scene.store("s.a");
    assert_eq!(scene.lines(), ["r 6 #3 x1 +0"]);
}
