//! Whatever publishers say, the stream stands.

use headwater_protocol::jetstream::stream_config::{Discard, Retention, StreamConfig};
use proptest::prelude::*;

use super::{Rig, SECOND, block, config};
use crate::jetstream::stream::Ingest;
use crate::store::MessageLog;

const NAMES: &[&str] = &[
    "Nats-Msg-Id",
    "Nats-Expected-Last-Sequence",
    "Nats-Expected-Last-Subject-Sequence",
    "Nats-Expected-Last-Subject-Sequence-Subject",
    "Nats-Expected-Last-Msg-Id",
    "Nats-Rollup",
    "Nats-TTL",
    "Nats-Incr",
    "Nats-Batch-Id",
    "Nats-Batch-Sequence",
    "Nats-Batch-Commit",
    "Nats-Required-Api-Level",
    "Nats-Schedule",
    "Nats-Schedule-Target",
    "Nats-Schedule-Source",
    "Nats-Schedule-TTL",
    "Nats-Schedule-Rollup",
    "Nats-Schedule-Time-Zone",
    "Nats-Schedule-Next",
    "Nats-Scheduler",
    "Nats-Counter-Sources",
];

const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "2",
    "3",
    "-1",
    "18446744073709551615",
    "9223372036854775807s",
    "9223372036s",
    "1h",
    "never",
    "sub",
    "all",
    "eob",
    "purge",
    "b",
    "s.a",
    "s.b",
    "s.*",
    "é",
    "UTC",
    "@at 0001-01-01T00:00:00Z",
    "@at 9999-12-31T23:59:59Z",
    "@at 2023-11-14T22:13:30Z",
    "@every 1s",
    "@every 2562047h",
    "* * * * * *",
    "59 59 23 31 12 *",
    "{\"A\":{\"x\":\"1\"}}",
];

const REPLIES: &[&str] = &[
    "",
    "inbox",
    "inbox.b.1.ok.1.0.$FI",
    "inbox.b.1.ok.2.1.$FI",
    "inbox.b.65535.fail.1.0.$FI",
    "inbox.b.2.fail.2.2.$FI",
    "inbox.b.2.ok.18446744073709551614.1.$FI",
    "inbox.b.2.ok.18446744073709551614.4.$FI",
    "inbox.b.2.ok.3.3.$FI",
    "inbox.b.2.ok.1.4.$FI",
    ".$FI",
    "x.$FI",
];

#[derive(Debug, Clone)]
enum Step {
    Publish { subject: &'static str, headers: Vec<(&'static str, &'static str)>, reply: &'static str },
    Pass { seconds: i64 },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pick = |from: &'static [&'static str]| prop::sample::select(from.to_vec());
    let headers = prop::collection::vec((pick(NAMES), pick(VALUES)), 0..5);
    let publish = (pick(&["s.a", "s.b", "s.*"]), headers, pick(REPLIES))
        .prop_map(|(subject, headers, reply)| Step::Publish { subject, headers, reply });
    let pass = prop_oneof![0i64..20, Just(100_000)].prop_map(|seconds| Step::Pass { seconds });
    prop::collection::vec(prop_oneof![12 => publish, 2 => pass, 1 => Just(Step::Restart)], 1..50)
}

fn configs() -> impl Strategy<Value = StreamConfig> {
    (any::<[bool; 6]>(), prop_oneof![Just(-1), 1i64..5]).prop_map(|(on, max_msgs)| StreamConfig {
        allow_msg_ttl: !on[0],
        allow_msg_counter: on[0],
        allow_msg_schedules: !on[0] && !on[1],
        allow_atomic: true,
        allow_batched: true,
        allow_rollup_hdrs: on[2],
        subject_delete_marker_ttl: if on[3] { SECOND } else { 0 },
        discard: if on[1] { Discard::New } else { Discard::Old },
        retention: if on[4] { Retention::Interest } else { Retention::Limits },
        max_age: if on[5] { 10 * SECOND } else { 0 },
        max_msgs,
        ..config()
    })
}

proptest! {
    #[test]
    fn no_header_and_no_reply_makes_a_stream_fall(config in configs(), steps in steps()) {
        let mut rig = Rig::new(config);
        rig.interest = vec!["s.a"];
        let mut last_seq = 0;
        for step in steps {
            match step {
                Step::Publish { subject, headers, reply } => {
                    let block = block(&headers);
                    let message = Ingest { subject: subject.as_bytes(), headers: &block, payload: b"" };
                    rig.turn(|machine, turn| machine.publish(turn, &message, reply.as_bytes()));
                }
                Step::Pass { seconds } => {
                    rig.now += seconds * SECOND;
                    rig.turn(|machine, turn| machine.tick(turn)).unwrap();
                }
                Step::Restart => rig.restart(),
            }
            let state = rig.log.state();
            prop_assert!(state.last_seq >= last_seq);
            last_seq = state.last_seq;
        }
    }
}
