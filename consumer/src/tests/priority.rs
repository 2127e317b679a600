//! Priority groups (ADR-42).

use super::*;

fn scene(policy: &str, messages: usize) -> Scene {
    let config = format!(
        r#"{{"durable_name":"C","ack_policy":"explicit","priority_groups":["g"],"priority_policy":"{policy}"}}"#
    );
    Scene::new(&vec!["s.1"; messages], &config)
}

#[test]
fn requests_must_name_a_group_of_the_consumer() {
    let mut scene = scene("overflow", 1);
    assert_eq!(scene.pull("r", r#"{"batch":1}"#), ["r 400 Bad Request - Priority Group missing"]);
    assert_eq!(scene.pull("r", r#"{"batch":1,"group":"h"}"#), ["r 400 Bad Request - Invalid Priority Group"]);
    assert_eq!(
        scene.pull("r", r#"{"group":"g","id":"x"}"#),
        ["r 400 Bad Request - Not a Pinned Client Priority consumer"]
    );
    assert_eq!(scene.pull("r", ""), ["r 1 #1 x1 +0"]);
}

#[test]
fn fields_of_another_policy_are_refused() {
    let mut scene = scene("prioritized", 1);
    assert_eq!(
        scene.pull("r", r#"{"group":"g","min_pending":1}"#),
        ["r 400 Bad Request - Not a Overflow Priority consumer"]
    );
    assert_eq!(
        scene.pull("r", r#"{"group":"g","priority":10}"#),
        ["r 400 Bad Request - Priority must be between 0 and 9"]
    );
    let mut plain = Scene::new(&["s.1"], r#"{"durable_name":"C","ack_policy":"explicit"}"#);
    assert_eq!(plain.pull("r", r#"{"batch":1,"group":"g","no_wait":true}"#), ["r 1 #1 x1 +0"]);
}

#[test]
fn an_overflow_request_waits_until_enough_is_pending() {
    let mut scene = scene("overflow", 4);
    assert!(scene.pull("r", r#"{"batch":1,"group":"g","min_pending":5}"#).is_empty());
    scene.store("s.1");
    assert_eq!(scene.lines(), ["r 1 #1 x1 +4"]);
}

#[test]
fn an_overflow_request_may_wait_for_unacknowledged_messages() {
    let mut scene = scene("overflow", 2);
    assert!(scene.pull("a", r#"{"batch":1,"group":"g","min_ack_pending":1}"#).is_empty());
    assert_eq!(scene.pull("b", r#"{"batch":1,"group":"g"}"#), ["b 1 #1 x1 +1", "a 2 #2 x1 +0"]);
}

#[test]
fn lower_ranks_are_served_first_and_take_turns_among_themselves() {
    let mut scene = scene("prioritized", 0);
    scene.pull("low", r#"{"batch":1,"group":"g","priority":5}"#);
    scene.pull("a", r#"{"batch":2,"group":"g","priority":1}"#);
    scene.pull("b", r#"{"batch":1,"group":"g","priority":1}"#);
    for _ in 0..4 {
        scene.store("s.1");
    }
    assert_eq!(scene.lines(), ["a 1 #1 x1 +0", "b 2 #2 x1 +0", "a 3 #3 x1 +0", "low 4 #4 x1 +0"]);
}

fn pin_of(scene: &mut Scene) -> String {
    scene.info().priority_groups[0].pinned_client_id.clone()
}

#[test]
fn the_first_client_is_pinned_and_others_wait() {
    let mut scene = scene("pinned_client", 3);
    assert_eq!(scene.pull("a", r#"{"batch":1,"group":"g"}"#), ["! pinned g", "a 1 #1 x1 +2 pinned"]);
    let pin = pin_of(&mut scene);
    assert_eq!(pin.len(), 22);
    assert!(scene.pull("b", r#"{"batch":1,"group":"g"}"#).is_empty());
    assert_eq!(scene.pull("c", r#"{"batch":1,"group":"g","id":"bogus"}"#), ["c 423 Nats-Pin-Id mismatch"]);
    let again = scene.pull("a", &format!(r#"{{"batch":1,"group":"g","id":"{pin}"}}"#));
    assert_eq!(again, ["a 2 #2 x1 +1 pinned"]);
}

#[test]
fn a_batch_goes_on_to_the_client_it_pinned() {
    let mut scene = scene("pinned_client", 1);
    assert_eq!(scene.pull("a", r#"{"batch":3,"group":"g"}"#).len(), 2);
    scene.store("s.1");
    assert_eq!(scene.lines(), ["a 2 #2 x1 +0 pinned"]);
}

#[test]
fn a_stale_pin_is_told_when_its_turn_comes() {
    let mut scene = scene("pinned_client", 1);
    let answer = scene.pull("r", r#"{"batch":1,"group":"g","id":"bogus","expires":300000000}"#);
    assert_eq!(answer, ["r 423 Nats-Wrong-Pin-Id | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0"]);
}

#[test]
fn a_silent_client_loses_its_pin() {
    let mut scene = scene("pinned_client", 2);
    scene.pull("a", r#"{"batch":1,"group":"g"}"#);
    scene.pull("b", r#"{"batch":1,"group":"g"}"#);
    scene.wait(2 * 60 * SEC - 1);
    assert!(scene.lines().is_empty());
    scene.wait(1);
    let lines = scene.lines();
    assert_eq!(lines[..2], ["! unpinned g timeout", "! pinned g"]);
    assert!(lines[2].starts_with("b "));
}

#[test]
fn an_operator_can_take_the_pin_away() {
    let mut scene = scene("pinned_client", 2);
    scene.pull("a", r#"{"batch":1,"group":"g"}"#);
    scene.pull("b", r#"{"batch":1,"group":"g"}"#);
    let refusal = |scene: &mut Scene, group: &str| {
        scene.turn(|consumer, turn| consumer.unpin(turn, group)).map_err(|error| error.err_code)
    };
    assert_eq!(refusal(&mut scene, "h"), Err(10160));
    assert_eq!(refusal(&mut scene, "a b"), Err(10162));
    assert_eq!(refusal(&mut scene, "g"), Ok(()));
    scene.advance();
    assert_eq!(scene.lines(), ["! unpinned g admin", "! pinned g", "b 2 #2 x1 +0 pinned"]);
}

#[test]
fn waiting_requests_are_ranked_when_the_policy_changes() {
    let mut scene = scene("overflow", 0);
    scene.pull("low", r#"{"batch":1,"group":"g"}"#);
    let ranked = r#"{"durable_name":"C","ack_policy":"explicit","priority_groups":["g"],"priority_policy":"prioritized"}"#;
    let ranked = complete(&scene.stream, ranked);
    scene.turn(|consumer, turn| consumer.update_config(turn, ranked));
    scene.pull("a", r#"{"batch":1,"group":"g","priority":1}"#);
    scene.pull("b", r#"{"batch":1,"group":"g"}"#);
    for _ in 0..3 {
        scene.store("s.1");
    }
    assert_eq!(scene.lines(), ["low 1 #1 x1 +0", "b 2 #2 x1 +0", "a 3 #3 x1 +0"]);
}
