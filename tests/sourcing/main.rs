//! Promise: a mirror and a sourcing stream have every message of their origins once, whatever happens to the broker.

// Shared with the interop test, which uses other parts of it.
#[allow(dead_code)]
#[path = "../interop/broker.rs"]
mod broker;
mod peer;

use peer::{Peer, State};
use serde_json::json;

/// Kills in each test that kills.
const KILLS: u64 = 2;
/// Acknowledged messages before each kill.
const MESSAGES_PER_LIFE: u64 = 300;

#[test]
fn a_mirror_is_the_same_as_its_origin_after_two_kills() {
    let mut peer = Peer::start();
    peer.create(json!({"name": "O", "subjects": ["o.>"], "max_msgs_per_subject": 50}));
    peer.create(json!({"name": "M", "mirror": {"name": "O"}}));
    for life in 0..KILLS {
        peer.publish_until_killed(&["o.a", "o.b"], life, MESSAGES_PER_LIFE);
    }
    peer.publish("o.b", "last");
    peer.wait_for("M has come as far as O", |peer| peer.state("M").last_seq == peer.state("O").last_seq);
    for message in peer.messages("O") {
        assert_eq!(peer.message("M", message.seq), Some(message));
    }
}

#[test]
fn a_source_has_every_message_once_after_two_kills() {
    let mut peer = Peer::start();
    peer.create(json!({"name": "A", "subjects": ["a.>"]}));
    peer.create(json!({"name": "B", "subjects": ["b"]}));
    let sources = json!([{"name": "A", "filter_subject": "a.yes"}, {"name": "B"}]);
    peer.create(json!({"name": "ALL", "sources": sources}));
    for life in 0..KILLS {
        peer.publish_until_killed(&["a.yes", "b", "a.no"], life, MESSAGES_PER_LIFE);
    }
    peer.publish("b", "last");
    let wanted = peer.messages("A").iter().filter(|message| message.subject == "a.yes").count() as u64;
    let wanted = wanted + peer.state("B").messages;
    peer.wait_for("ALL has them", |peer| peer.state("ALL").messages >= wanted);
    for name in ["A", "B"] {
        let origin = peer.messages(name);
        let origin = origin.iter().filter(|message| message.subject != "a.no");
        let expected: Vec<&str> = origin.map(|message| message.payload.as_str()).collect();
        let all = peer.messages("ALL");
        let taken = all.iter().filter(|message| message.came_from(name));
        assert_eq!(taken.map(|message| message.payload.as_str()).collect::<Vec<_>>(), expected);
    }
    assert_eq!(peer.state("ALL").messages, wanted);
}

#[test]
fn a_work_queue_is_emptied_into_its_source_and_nothing_of_it_is_lost_or_doubled_by_two_kills() {
    let mut peer = Peer::start();
    peer.create(json!({"name": "JOBS", "subjects": ["job"], "retention": "workqueue"}));
    peer.create(json!({"name": "HUB", "sources": [{"name": "JOBS"}]}));
    the_hub_empties_the_jobs_over_kills(&mut peer);
}

#[test]
fn a_consumer_made_beforehand_empties_a_work_queue_over_two_kills() {
    let mut peer = Peer::start();
    peer.create(json!({"name": "JOBS", "subjects": ["job"], "retention": "workqueue"}));
    let consumer = json!({"durable_name": "SC", "deliver_subject": "to.hub", "ack_policy": "flow_control",
        "flow_control": true, "idle_heartbeat": 1_000_000_000, "max_ack_pending": 20});
    peer.api("CONSUMER.CREATE.JOBS.SC", json!({"stream_name": "JOBS", "config": consumer}));
    let source = json!({"name": "JOBS", "consumer": {"name": "SC", "deliver_subject": "to.hub"}});
    peer.create(json!({"name": "HUB", "sources": [source]}));
    the_hub_empties_the_jobs_over_kills(&mut peer);
}

fn the_hub_empties_the_jobs_over_kills(peer: &mut Peer) {
    for life in 0..KILLS {
        peer.publish_until_killed(&["job"], life, MESSAGES_PER_LIFE);
    }
    peer.publish("job", "last");
    peer.wait_for("the queue is empty", |peer| peer.state("JOBS").messages == 0);
    let jobs = peer.state("JOBS").last_seq;
    let taken: Vec<u64> = peer.messages("HUB").iter().map(|message| message.origin_seq()).collect();
    assert_eq!(taken, (1..=jobs).collect::<Vec<_>>());
}

#[test]
fn what_was_taken_over_and_purged_does_not_come_back_after_a_kill() {
    let mut peer = Peer::start();
    peer.create(json!({"name": "O", "subjects": ["o"]}));
    peer.create(json!({"name": "S", "sources": [{"name": "O"}]}));
    peer.publish("o", "1");
    peer.publish("o", "2");
    peer.wait_for("both are taken over", |peer| peer.state("S").messages == 2);
    peer.api("STREAM.PURGE.S", json!({}));
    peer.kill_and_restart();
    peer.publish("o", "3");
    peer.wait_for("the third is taken over", |peer| peer.state("S").messages > 0);
    assert_eq!(peer.state("S"), State { messages: 1, first_seq: 3, last_seq: 3 });
    assert_eq!(peer.message("S", 3).unwrap().origin_seq(), 3);
}

#[test]
fn an_origin_that_is_deleted_and_made_again_is_read_from_its_beginning() {
    let mut peer = Peer::start();
    peer.create(json!({"name": "O", "subjects": ["o"]}));
    peer.create(json!({"name": "S", "sources": [{"name": "O"}]}));
    peer.publish("o", "old 1");
    peer.publish("o", "old 2");
    peer.wait_for("both are taken over", |peer| peer.state("S").messages == 2);
    peer.api("STREAM.DELETE.O", json!(null));
    peer.create(json!({"name": "O", "subjects": ["o"]}));
    peer.publish("o", "new 1");
    // So that it need not wait for the silence that tells it of the deletion.
    peer.kill_and_restart();
    peer.wait_for("the new one is taken over", |peer| peer.state("S").messages == 3);
    let taken = peer.messages("S");
    assert_eq!(taken.iter().map(|message| message.origin_seq()).collect::<Vec<_>>(), [1, 2, 1]);
    assert_eq!(taken[2].payload, "new 1");
}

#[test]
fn a_full_stream_goes_on_when_there_is_room_again() {
    let peer = Peer::start();
    peer.create(json!({"name": "O", "subjects": ["o"]}));
    let queue = json!({"name": "Q", "sources": [{"name": "O"}], "retention": "workqueue", "max_msgs": 2,
        "discard": "new"});
    peer.create(queue);
    for number in 1..=4 {
        peer.publish("o", &number.to_string());
    }
    peer.wait_for("it is full", |peer| peer.state("Q").messages == 2);
    peer.api("STREAM.MSG.DELETE.Q", json!({"seq": 1}));
    peer.api("STREAM.MSG.DELETE.Q", json!({"seq": 2}));
    peer.wait_for("the others have come", |peer| peer.state("Q").last_seq == 4);
    let payloads: Vec<String> = peer.messages("Q").into_iter().map(|message| message.payload).collect();
    assert_eq!(payloads, ["3", "4"]);
}

#[test]
fn a_mirror_that_was_promoted_is_a_stream_like_any_other() {
    let mut peer = Peer::start();
    peer.create(json!({"name": "O", "subjects": ["o"]}));
    peer.create(json!({"name": "M", "mirror": {"name": "O"}}));
    peer.publish("o", "1");
    peer.wait_for("it is copied", |peer| peer.state("M").messages == 1);
    peer.api("STREAM.UPDATE.M", json!({"name": "M", "subjects": ["m"]}));
    peer.publish("o", "2");
    peer.publish("m", "own");
    peer.kill_and_restart();
    let payloads: Vec<String> = peer.messages("M").into_iter().map(|message| message.payload).collect();
    assert_eq!(payloads, ["1", "own"]);
}

#[test]
fn a_mirror_of_a_domain_is_reached_by_the_prefix_of_its_api() {
    let peer = Peer::start_with("jetstream { domain: hub }");
    peer.create(json!({"name": "O", "subjects": ["o"]}));
    peer.publish("o", "1");
    let external = json!({"api": "$JS.hub.API", "deliver": "from.hub"});
    peer.create(json!({"name": "M", "mirror": {"name": "O", "external": external}}));
    peer.wait_for("it is copied", |peer| peer.state("M").messages == 1);
}
