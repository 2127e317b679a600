//! What is delivered again, when and how often.

use super::*;

fn delivered(config: &str) -> Scene {
    let mut scene = Scene::new(&["s.1", "s.2", "s.3"], config);
    scene.pull("r", "3");
    scene
}

const SHORT: &str = r#"{"durable_name":"C","ack_policy":"explicit","ack_wait":300000000}"#;

#[test]
fn what_is_not_acknowledged_in_time_comes_again_oldest_first() {
    let mut scene = delivered(SHORT);
    scene.ack(2, 2, "");
    scene.pull("r", "5");
    scene.wait(299 * MS);
    assert!(scene.lines().is_empty());
    scene.wait(MS);
    assert_eq!(scene.lines(), ["r 1 #4 x2 +0", "r 3 #5 x2 +0"]);
    assert_eq!(scene.position(), "delivered 5/3 floor 0/0 unacked 2 redelivered 2 pending 0");
    scene.ack(1, 4, "");
    scene.ack(3, 5, "");
    assert_eq!(scene.position(), "delivered 5/3 floor 5/3 unacked 0 redelivered 0 pending 0");
}

#[test]
fn redeliveries_go_before_new_messages() {
    let mut scene = Scene::new(&["s.1", "s.2"], SHORT);
    scene.pull("r", "1");
    assert_eq!(scene.ack(1, 1, "-NAK"), ["! nak 1 #1 x1"]);
    assert_eq!(scene.pull("r", "2"), ["r 1 #2 x2 +1", "r 2 #3 x1 +0"]);
}

#[test]
fn a_delayed_refusal_counts_from_now_whatever_the_ack_wait() {
    for body in [r#"-NAK {"delay": 400000000}"#, "-NAK 400ms"] {
        let mut scene = delivered(
            r#"{"durable_name":"C","ack_policy":"explicit","backoff":[5000000000,6000000000],"max_deliver":4}"#,
        );
        scene.ack(1, 1, body);
        scene.pull("r", "1");
        scene.wait(399 * MS);
        assert!(scene.lines().is_empty());
        scene.wait(MS);
        assert_eq!(scene.lines(), ["r 1 #4 x2 +0"]);
    }
}

#[test]
fn a_delay_nobody_understands_is_none() {
    let mut scene = delivered(SHORT);
    scene.pull("r", "1");
    assert_eq!(scene.ack(1, 1, "-NAK soon"), ["! nak 1 #1 x1", "r 1 #4 x2 +0"]);
}

#[test]
fn a_delay_takes_a_message_out_of_the_queue() {
    let mut scene = delivered(SHORT);
    scene.ack(1, 1, "-NAK");
    scene.ack(2, 2, "-NAK");
    scene.ack(1, 1, "-NAK 1s");
    assert_eq!(scene.pull("r", "5")[..], ["r 2 #4 x2 +0"]);
}

#[test]
fn progress_restarts_the_wait() {
    let mut scene = delivered(SHORT);
    for _ in 0..3 {
        scene.wait(200 * MS);
        scene.ack(1, 1, "+WPI");
    }
    scene.pull("r", "5");
    assert_eq!(scene.lines().len(), 0);
    scene.wait(299 * MS);
    assert!(scene.lines().iter().all(|line| !line.starts_with("r 1")));
    scene.wait(MS);
    assert!(scene.lines().iter().any(|line| line == "r 1 #6 x2 +0"));
}

#[test]
fn backoff_grows_with_every_delivery() {
    let mut scene = Scene::new(
        &["s.1"],
        r#"{"durable_name":"C","ack_policy":"explicit","max_deliver":4,"backoff":[300000000,600000000]}"#,
    );
    scene.pull("r", "9");
    let mut at = Vec::new();
    for _ in 0..20 {
        scene.wait(100 * MS);
        let elapsed = (scene.now - BEGIN) / MS;
        at.extend(scene.lines().into_iter().map(|line| format!("{elapsed} {line}")));
    }
    let expected = ["300 r 1 #2 x2 +0", "900 r 1 #3 x3 +0", "1500 r 1 #4 x4 +0"];
    assert_eq!(at, expected);
    scene.wait(200 * MS);
    assert_eq!(scene.lines(), ["! max deliveries 1 x4"]);
}

#[test]
fn the_last_delivery_is_told_of_when_somebody_asks_for_more() {
    let mut scene = Scene::new(
        &["s.1"],
        r#"{"durable_name":"C","ack_policy":"explicit","max_deliver":2,"ack_wait":200000000}"#,
    );
    scene.pull("r", "1");
    scene.wait(SEC);
    scene.pull("r", "1");
    scene.wait(SEC);
    assert!(scene.lines().is_empty());
    assert_eq!(scene.pull("r", "1"), ["! max deliveries 1 x2"]);
    assert_eq!(scene.position(), "delivered 2/1 floor 0/0 unacked 0 redelivered 1 pending 0");
}

#[test]
fn a_single_delivery_is_told_of_when_its_wait_is_over() {
    let mut scene = Scene::new(
        &["s.1"],
        r#"{"durable_name":"C","ack_policy":"explicit","max_deliver":1,"ack_wait":200000000}"#,
    );
    scene.pull("r", "1");
    scene.wait(SEC);
    assert_eq!(scene.lines(), ["! max deliveries 1 x1"]);
    assert_eq!(scene.position(), "delivered 1/1 floor 0/0 unacked 0 redelivered 0 pending 0");
    scene.wait(SEC);
    assert!(scene.lines().is_empty());
}

#[test]
fn a_message_given_up_stays_in_a_work_queue_until_it_is_acknowledged() {
    let config = r#"{"durable_name":"C","ack_policy":"explicit","max_deliver":1,"ack_wait":200000000}"#;
    let mut scene = Scene::on_stream(work_queue(), &["s.1"], config);
    scene.pull("r", "1");
    scene.wait(SEC);
    scene.lines();
    assert!(scene.consumer.needs(1, b"s.1"));
    assert_eq!(scene.ack_replying(1, 1, "", Some("a")), ["acked 1", "confirm a"]);
    assert!(!scene.consumer.needs(1, b"s.1"));
}

#[test]
fn redelivery_goes_on_while_too_much_is_unacknowledged() {
    let mut scene = Scene::new(
        &["s.1", "s.2"],
        r#"{"durable_name":"C","ack_policy":"explicit","max_ack_pending":1,"ack_wait":200000000}"#,
    );
    scene.pull("r", "9");
    assert!(scene.lines().is_empty());
    scene.wait(200 * MS);
    assert_eq!(scene.lines(), ["r 1 #2 x2 +1"]);
}

#[test]
fn a_message_that_is_gone_is_not_redelivered() {
    let mut scene = delivered(SHORT);
    scene.log.remove(2).unwrap();
    scene.pull("r", "9");
    scene.wait(300 * MS);
    let lines = scene.lines();
    assert_eq!(lines, ["r 1 #4 x2 +0", "! term 2 #2 x1 Unacknowledged message was deleted", "r 3 #5 x2 +0"]);
}

#[test]
fn a_shorter_ack_wait_holds_for_what_is_pending() {
    let mut scene = delivered(r#"{"durable_name":"C","ack_policy":"explicit"}"#);
    let config = complete(&scene.stream, SHORT);
    scene.turn(|consumer, turn| consumer.update_config(turn, config));
    scene.pull("r", "1");
    scene.wait(300 * MS);
    assert_eq!(scene.lines(), ["r 1 #4 x2 +0"]);
}

#[test]
fn a_million_pending_messages_are_expired_and_acknowledged() {
    let mut scene = Scene::new(
        &[],
        r#"{"durable_name":"C","ack_policy":"explicit","ack_wait":1000000000,"max_ack_pending":-1}"#,
    );
    const COUNT: u64 = 200_000;
    for _ in 0..COUNT {
        scene.log.store("s.1", "m", BEGIN);
    }
    scene.pull("r", &format!("{}", 2 * COUNT));
    scene.wait(SEC);
    scene.lines();
    assert_eq!(scene.info().num_redelivered, COUNT);
    for seq in (1..=COUNT).rev() {
        scene.turn(|consumer, turn| {
            let delivery = ack_token::Delivery {
                delivered: 2,
                stream_seq: seq,
                consumer_seq: COUNT + seq,
                timestamp: 0,
                pending: 0,
            };
            consumer.ack(turn, delivery, b"", None).unwrap();
        });
    }
    assert_eq!(
        scene.position(),
        format!(
            "delivered {}/{COUNT} floor {}/{COUNT} unacked 0 redelivered 0 pending 0",
            2 * COUNT,
            2 * COUNT
        )
    );
}
