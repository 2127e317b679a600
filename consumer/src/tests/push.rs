//! Push consumers: interest, heartbeats, flow control, rate, rhythm.

use super::*;

fn push(more: &str) -> Scene {
    let config = format!(r#"{{"deliver_subject":"d","ack_policy":"none","durable_name":"C"{more}}}"#);
    Scene::new(&["s.1", "s.2", "s.3"], &config)
}

#[test]
fn nothing_is_delivered_before_somebody_listens() {
    let mut scene = push("");
    scene.advance();
    assert!(scene.lines().is_empty());
    assert!(!scene.info().push_bound);
    assert_eq!(scene.listen(true), ["d 1 #1 x1 +2", "d 2 #2 x1 +1", "d 3 #3 x1 +0"]);
    assert!(scene.info().push_bound);
    scene.listen(false);
    scene.store("s.4");
    assert!(scene.lines().is_empty());
}

#[test]
fn what_did_not_arrive_comes_again() {
    let config = r#"{"deliver_subject":"d","ack_policy":"explicit","durable_name":"C"}"#;
    let mut scene = Scene::new(&["s.1"], config);
    assert_eq!(scene.listen(true), ["d 1 #1 x1 +0"]);
    scene.deaf.insert(b"d".to_vec());
    scene.turn(|consumer, turn| consumer.delivery_failed(turn, 1, b"d"));
    assert!(!scene.info().push_bound);
    scene.deaf.clear();
    assert_eq!(scene.listen(true), ["d 1 #2 x1 +0"]);
}

#[test]
fn silence_is_broken_by_heartbeats() {
    let mut scene = push(r#","idle_heartbeat":200000000"#);
    scene.listen(true);
    scene.wait(450 * MS);
    let beat = "d 100 Idle Heartbeat | Nats-Last-Consumer: 3 | Nats-Last-Stream: 3";
    assert_eq!(scene.lines(), [beat, beat]);
    scene.store("s.4");
    scene.lines();
    scene.wait(199 * MS);
    assert!(scene.lines().is_empty());
}

#[test]
fn nobody_hears_heartbeats_without_listening() {
    let mut scene = push(r#","idle_heartbeat":200000000"#);
    scene.wait(SEC);
    assert!(scene.lines().is_empty());
}

fn flowing() -> Scene {
    let config = r#"{"deliver_subject":"d","ack_policy":"none","durable_name":"C","flow_control":true,"idle_heartbeat":5000000000}"#;
    let mut scene = Scene::new(&[], config);
    for _ in 0..60 {
        scene.log.store("s.1", &"x".repeat(65_536), BEGIN);
    }
    scene
}

fn question(lines: &[String]) -> String {
    let asked: Vec<&String> = lines.iter().filter(|line| line.contains("FlowControl Request")).collect();
    assert_eq!(asked.len(), 1);
    let (status, subject) = asked[0].split_once(" @").unwrap();
    assert_eq!(status, "d 100 FlowControl Request");
    assert!(subject.starts_with("$JS.FC.S.C.") && subject.len() == "$JS.FC.S.C.".len() + 4);
    subject.to_owned()
}

#[test]
fn delivery_halts_at_the_window_and_goes_on_when_answered() {
    let mut scene = flowing();
    let lines = scene.listen(true);
    let subject = question(&lines);
    assert_eq!(lines.len(), 1 + 32);
    scene.wait(5 * SEC);
    let stalled = format!(
        "d 100 Idle Heartbeat | Nats-Last-Consumer: 32 | Nats-Last-Stream: 32 | Nats-Consumer-Stalled: {subject}"
    );
    assert_eq!(scene.lines(), [stalled]);

    scene.turn(|consumer, turn| consumer.flow_control_reply(turn, b"$JS.FC.S.C.nope", b""));
    scene.advance();
    assert!(scene.lines().is_empty());
    scene.turn(|consumer, turn| consumer.flow_control_reply(turn, subject.as_bytes(), b""));
    scene.advance();
    assert_eq!(scene.lines().iter().filter(|line| line.contains(" x1 ")).count(), 28);
}

#[test]
fn answers_to_flow_control_acknowledge_if_they_should() {
    let config =
        r#"{"deliver_subject":"d","ack_policy":"flow_control","durable_name":"C","max_ack_pending":2}"#;
    let mut scene = Scene::new(&["s.1", "s.2", "s.3"], config);
    let lines = scene.listen(true);
    assert_eq!(lines[..2], ["d 1 #1 x1 +2", "d 2 #2 x1 +1"]);
    let subject = question(&lines);
    let headers = b"NATS/1.0\r\nNats-Last-Consumer: 2\r\nNats-Last-Stream: 2\r\n\r\n";
    scene.turn(|consumer, turn| consumer.flow_control_reply(turn, subject.as_bytes(), headers));
    scene.advance();
    assert_eq!(scene.lines(), ["d 3 #3 x1 +0"]);
    assert_eq!(scene.position(), "delivered 3/3 floor 2/2 unacked 1 redelivered 0 pending 0");
    scene.wait(SEC);
    let lines = scene.lines();
    assert!(lines[0].starts_with("d 100 Idle Heartbeat | Nats-Last-Consumer: 3"));
    question(&lines);
    scene.wait(3600 * SEC);
    assert_eq!(scene.info().num_redelivered, 0);
}

#[test]
fn a_rate_limit_spreads_deliveries_over_time() {
    let stream = r#"{"name":"S","subjects":["s.>"],"num_replicas":1,"max_msg_size":1100}"#;
    let config = r#"{"deliver_subject":"d","ack_policy":"none","durable_name":"C","rate_limit_bps":32000}"#;
    let mut scene = Scene::on_stream(stream, &[], config);
    for _ in 0..3 {
        scene.log.store("s.1", &"x".repeat(1000), BEGIN);
    }
    assert_eq!(scene.listen(true).len(), 1);
    scene.wait(200 * MS);
    assert!(scene.lines().is_empty());
    scene.wait(60 * MS);
    assert_eq!(scene.lines().len(), 1);
    scene.wait(265 * MS);
    assert_eq!(scene.lines().len(), 1);
}

#[test]
fn the_rhythm_of_the_past_is_kept_until_the_present() {
    let config =
        r#"{"deliver_subject":"d","ack_policy":"none","durable_name":"C","replay_policy":"original"}"#;
    let mut scene = Scene::new(&["s.1"], config);
    scene.log.store("s.2", "m", BEGIN + 300 * MS);
    scene.log.store("s.3", "m", BEGIN + 301 * MS - 1);
    scene.now = BEGIN + SEC;
    let config = scene.consumer.config().clone();
    scene.consumer =
        ConsumerMachine::new(identity(), config, StreamTraits::of(&scene.stream, 1), &scene.log, scene.now)
            .unwrap();
    assert_eq!(scene.listen(true), ["d 1 #1 x1 +2"]);
    scene.wait(299 * MS);
    assert!(scene.lines().is_empty());
    scene.wait(MS);
    assert_eq!(scene.lines(), ["d 2 #2 x1 +1", "d 3 #3 x1 +0"]);
    scene.now += 3600 * SEC;
    scene.store("s.4");
    assert_eq!(scene.lines(), ["d 4 #4 x1 +0"]);
}

#[test]
fn a_new_deliver_subject_gets_everything_unacknowledged_again() {
    let config = r#"{"deliver_subject":"d","ack_policy":"explicit","durable_name":"C"}"#;
    let mut scene = Scene::new(&["s.1", "s.2"], config);
    scene.listen(true);
    scene.ack(1, 1, "");
    let moved =
        complete(&scene.stream, r#"{"deliver_subject":"e","ack_policy":"explicit","durable_name":"C"}"#);
    scene.turn(|consumer, turn| consumer.update_config(turn, moved));
    scene.advance();
    assert_eq!(scene.lines(), ["e 2 #3 x2 +0"]);
}

#[test]
fn a_consumer_nobody_listens_to_is_gone_after_its_threshold() {
    let config = r#"{"deliver_subject":"d","ack_policy":"none","inactive_threshold":200000000}"#;
    let mut scene = Scene::new(&[], config);
    scene.listen(true);
    scene.wait(10 * SEC);
    assert!(scene.lines().is_empty());
    scene.listen(false);
    scene.wait(199 * MS);
    assert!(scene.lines().is_empty());
    scene.wait(MS);
    assert_eq!(scene.lines(), ["gone"]);
}
