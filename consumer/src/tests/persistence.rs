//! What survives a restart.

use super::*;

const EXPLICIT: &str = r#"{"durable_name":"C","ack_policy":"explicit","ack_wait":1000000000}"#;

fn restarted(scene: &mut Scene) -> String {
    let mut deltas = Vec::new();
    deltas.extend(scene.consumer.take_delta());
    let snapshot = scene.consumer.snapshot();
    scene.restart(&snapshot, &[]);
    let from_snapshot = scene.position();
    if !deltas.is_empty() {
        let empty = super::super::snapshot::encode(&Default::default());
        scene.restart(&empty, &deltas);
        assert_eq!(scene.position(), from_snapshot);
    }
    from_snapshot
}

#[test]
fn the_first_delta_of_a_new_consumer_is_enough_to_restore_it() {
    let mut scene =
        Scene::new(&["s.1", "s.2"], r#"{"durable_name":"C","ack_policy":"explicit","deliver_policy":"new"}"#);
    let before = scene.position();
    assert_eq!(restarted(&mut scene), before);
}

#[test]
fn nothing_acknowledged_is_delivered_again_after_a_restart() {
    let mut scene = Scene::new(&["s.1", "s.2", "s.3", "s.4"], EXPLICIT);
    scene.pull("r", "3");
    scene.ack(2, 2, "");
    let before = scene.position();
    assert_eq!(restarted(&mut scene), before);
    assert_eq!(scene.pull("r", "9"), ["r 4 #4 x1 +0"]);
    scene.wait(SEC);
    assert_eq!(scene.lines(), ["r 1 #5 x2 +0", "r 3 #6 x2 +0", "r 4 #7 x2 +0"]);
}

#[test]
fn delivery_counts_and_delays_survive() {
    let mut scene = Scene::new(&["s.1", "s.2"], EXPLICIT);
    scene.pull("r", "2");
    scene.ack(1, 1, "-NAK");
    scene.pull("r", "1");
    scene.ack(2, 2, "-NAK 5s");
    restarted(&mut scene);
    scene.pull("r", "9");
    scene.wait(SEC);
    assert_eq!(scene.lines(), ["r 1 #4 x3 +0"]);
    scene.wait(4 * SEC);
    let again: Vec<String> = scene.lines().into_iter().filter(|line| line.starts_with("r 2 ")).collect();
    assert_eq!(again, ["r 2 #9 x2 +0"]);
}

#[test]
fn a_refused_message_is_redelivered_at_once_after_a_restart() {
    let mut scene = Scene::new(&["s.1"], EXPLICIT);
    scene.pull("r", "1");
    scene.ack(1, 1, "-NAK");
    restarted(&mut scene);
    scene.tick();
    assert_eq!(scene.pull("r", "1"), ["r 1 #2 x2 +0"]);
}

#[test]
fn messages_given_up_stay_given_up() {
    let mut scene = Scene::new(
        &["s.1"],
        r#"{"durable_name":"C","ack_policy":"explicit","ack_wait":1000000000,"max_deliver":1}"#,
    );
    scene.pull("r", "1");
    scene.wait(SEC);
    scene.lines();
    restarted(&mut scene);
    assert!(scene.consumer.needs(1, b"s.1"));
    scene.pull("r", "1");
    scene.wait(10 * SEC);
    assert!(scene.lines().is_empty());
}

#[test]
fn the_rest_of_the_last_messages_is_found_again() {
    let config = r#"{"durable_name":"C","ack_policy":"explicit","deliver_policy":"last_per_subject","filter_subject":"s.>"}"#;
    let mut scene = Scene::new(&["s.a", "s.b", "s.a", "s.c", "s.b"], config);
    scene.pull("r", "1");
    scene.store("s.c");
    let before = scene.position();
    assert_eq!(restarted(&mut scene), before);
    assert_eq!(scene.pull("r", "9"), ["r 4 #2 x1 +2", "r 5 #3 x1 +1", "r 6 #4 x1 +0"]);
}

#[test]
fn many_acknowledgements_at_once_are_few_bytes() {
    let mut scene = Scene::new(&["s.1"; 1000], EXPLICIT);
    scene.consumer.take_delta();
    scene.pull("r", "1000");
    let delivered = scene.consumer.take_delta().map_or(0, |delta| delta.len());
    assert!(delivered < 64, "{delivered}");
    for seq in 1..=1000 {
        scene.ack(seq, seq, "");
    }
    let acked = scene.consumer.take_delta().map_or(0, |delta| delta.len());
    assert!(acked < 24, "{acked}");
    assert!(scene.consumer.take_delta().is_none());
    assert!(!scene.consumer.has_delta());
}

#[test]
fn a_reset_is_persisted() {
    let mut scene = Scene::new(&["s.1", "s.2"], EXPLICIT);
    scene.pull("r", "2");
    let snapshot = scene.consumer.snapshot();
    scene.consumer.take_delta();
    scene.turn(|consumer, turn| consumer.reset(turn, 0).unwrap());
    scene.pull("r", "1");
    let before = scene.position();
    let delta = scene.consumer.take_delta().unwrap();
    scene.restart(&snapshot, &[delta]);
    assert_eq!(scene.position(), before);
}

#[test]
fn a_direct_consumer_leaves_nothing_behind() {
    let mut scene = Scene::new(&["s.1"], r#"{"deliver_subject":"d","ack_policy":"none","direct":true}"#);
    scene.listen(true);
    assert_eq!(scene.consumer.take_delta(), None);
}

#[test]
fn a_delta_that_could_not_be_written_is_made_good_by_the_next() {
    let mut scene = Scene::new(&["s.1", "s.2"], EXPLICIT);
    let first = scene.consumer.take_delta().unwrap();
    scene.pull("r", "2");
    scene.ack(1, 1, "");
    scene.consumer.take_delta().unwrap();
    scene.consumer.delta_was_lost();
    let before = scene.position();
    let next = scene.consumer.take_delta().unwrap();
    scene.restart(&[], &[first, next]);
    assert_eq!(scene.position(), before);
}

#[test]
fn an_idle_consumer_is_small() {
    assert!(size_of::<ConsumerMachine>() <= 2048, "{}", size_of::<ConsumerMachine>());
}

#[test]
fn what_was_acknowledged_as_it_was_passed_over_is_not_wanted_after_a_restart() {
    for policy in ["explicit", "all"] {
        let config = |filter: &str| {
            format!(r#"{{"durable_name":"C","ack_policy":"{policy}","filter_subject":"{filter}"}}"#)
        };
        let mut scene = Scene::new(&["s.1", "s.1", "s.1"], &config("s.2"));
        let mut deltas: Vec<Vec<u8>> = scene.consumer.take_delta().into_iter().collect();
        scene.pull("r", "1");
        assert_eq!(scene.ack_replying(2, 2, "", Some("reply")), ["confirm reply"]);
        deltas.extend(scene.consumer.take_delta());
        scene.restart(&super::super::snapshot::encode(&Default::default()), &deltas);
        assert_eq!([2, 3].map(|seq| scene.consumer.is_open(seq)), [false, true], "{policy}");
    }
}
