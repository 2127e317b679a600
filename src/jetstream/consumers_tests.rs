use headwater_protocol::jetstream::from_json::decode;
use headwater_protocol::jetstream::stream_config::StreamConfig;

use super::*;
use crate::jetstream::consumer::config::{Decision, Situation, decide};
use crate::jetstream::consumer::{Identity, StreamTraits};
use crate::store::MemoryLog;

/// The consumers of an interest stream that holds nothing yet.
fn consumers(configs: &[&str]) -> Consumers {
    let stream = br#"{"name":"S","subjects":["s.>"],"num_replicas":1,"retention":"interest"}"#;
    let stream: StreamConfig = decode(stream, false).unwrap();
    let mut consumers = Consumers::default();
    for config in configs {
        let mut config: ConsumerConfig = decode(config.as_bytes(), true).unwrap();
        config.name = config.durable_name.clone();
        let decision = decide(config, Default::default(), false, &Situation::of_first(&stream)).unwrap();
        let (Decision::Create(config) | Decision::Update(config)) = decision;
        let identity = Identity { name: config.name.as_str().into(), created: 0, seed: 7 };
        let traits = StreamTraits::of(&stream, 1 << 20);
        let machine = ConsumerMachine::new(identity, config, traits, &MemoryLog::new(), 0).unwrap();
        consumers.add(Hosted::new("S", machine));
    }
    consumers
}

const ALL: &str = r#"{"durable_name":"A","ack_policy":"explicit"}"#;
const FROM_THREE: &str = r#"{"durable_name":"B","ack_policy":"explicit","filter_subject":"s.b","deliver_policy":"by_start_sequence","opt_start_seq":3}"#;

#[test]
fn what_no_consumer_awaits_is_known_to_be_free_without_its_subject() {
    let consumers = consumers(&[FROM_THREE]);
    assert_eq!(consumers.need_unread(2), Some(false));
    assert_eq!(consumers.need_unread(3), None, "its subject may be another");
}

#[test]
fn what_one_without_filters_still_awaits_is_known_to_be_needed_without_its_subject() {
    let mut consumers = consumers(&[FROM_THREE, ALL]);
    assert_eq!(consumers.need_unread(2), None);
    assert!(consumers.need(1, b"s.a"));
    assert_eq!(consumers.need_unread(2), Some(true), "the one that needed the message before");
}
