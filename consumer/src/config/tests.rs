//! What nats-server 2.15.1 accepts and refuses, in its own words.

use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::from_json::decode;
use headwater_protocol::jetstream::request::ConsumerAction;
use headwater_protocol::jetstream::stream_config::{Retention, StreamConfig};

use super::*;

fn consumer(json: &str) -> ConsumerConfig {
    let mut config: ConsumerConfig = decode(json.as_bytes(), true).unwrap();
    config.name = "C".into();
    config
}

fn stream(more: &str) -> StreamConfig {
    let json = format!(r#"{{"name":"S","subjects":["s.>"],"num_replicas":1{more}}}"#);
    decode(json.as_bytes(), true).unwrap()
}

fn judge(json: &str, stream: &StreamConfig, pedantic: bool) -> Result<ConsumerConfig, ApiError> {
    let situation = Situation::of_first(stream);
    match decide(consumer(json), ConsumerAction::CreateOrUpdate, pedantic, &situation)? {
        Decision::Create(config) => Ok(config),
        Decision::Update(_) => panic!("nothing is there to update"),
    }
}

fn refusal(json: &str) -> (u16, u16, String) {
    refusal_on("", json)
}

fn refusal_on(more: &str, json: &str) -> (u16, u16, String) {
    let error = judge(json, &stream(more), false).unwrap_err();
    (error.err_code, error.code, error.description.into_owned())
}

#[test]
fn what_makes_no_sense_is_refused_with_its_code() {
    let table = [
        (r#"{"num_replicas":3}"#, 10074),
        (r#"{"num_replicas":-1}"#, 10133),
        (r#"{"backoff":[-1],"max_deliver":3}"#, 10184),
        (r#"{"ack_policy":"explicit","ack_wait":-1}"#, 10183),
        (r#"{"max_deliver":1,"backoff":[1,1]}"#, 10116),
        (r#"{"deliver_subject":"d.*"}"#, 10079),
        (r#"{"deliver_subject":"d..x"}"#, 10112),
        (r#"{"deliver_subject":"s.out"}"#, 10081),
        (r#"{"deliver_subject":"d","max_waiting":5}"#, 10080),
        (r#"{"deliver_subject":"d","max_ack_pending":5}"#, 10082),
        (r#"{"deliver_subject":"d","idle_heartbeat":99000000}"#, 10083),
        (r#"{"deliver_subject":"d","flow_control":true}"#, 10108),
        (r#"{"rate_limit_bps":1000}"#, 10086),
        (r#"{"idle_heartbeat":1000000000}"#, 10088),
        (r#"{"flow_control":true}"#, 10089),
        (r#"{"max_expires":999999}"#, 10115),
        (r#"{"direct":true}"#, 10090),
        (r#"{"direct":true,"deliver_subject":"d","durable_name":"C"}"#, 10091),
        (r#"{"filter_subject":"s.1","filter_subjects":["s.2"]}"#, 10136),
        (r#"{"filter_subject":"s..1"}"#, 10052),
        (r#"{"filter_subjects":["s.1",""]}"#, 10139),
        (r#"{"filter_subjects":["s.*","s.1"]}"#, 10138),
        (r#"{"deliver_policy":"all","opt_start_seq":1}"#, 10094),
        (r#"{"durable_name":"D"}"#, 10132),
        (r#"{"deliver_subject":"d","priority_policy":"overflow","priority_groups":["g"]}"#, 10178),
        (r#"{"priority_policy":"overflow"}"#, 10159),
        (r#"{"priority_policy":"overflow","priority_groups":[""]}"#, 10161),
        (r#"{"priority_policy":"overflow","priority_groups":["a b"]}"#, 10162),
        (r#"{"priority_policy":"overflow","priority_groups":["ggggggggggggggggg"]}"#, 10162),
        (r#"{"priority_groups":["g"]}"#, 10196),
        (r#"{"priority_timeout":1000000000}"#, 10197),
        (r#"{"ack_policy":"flow_control"}"#, 10218),
        (r#"{"deliver_subject":"d","ack_policy":"flow_control","max_ack_pending":-1}"#, 10220),
        (r#"{"deliver_subject":"d","ack_policy":"flow_control","max_ack_pending":5,"ack_wait":1}"#, 10221),
        (r#"{"deliver_subject":"d","ack_policy":"flow_control","max_ack_pending":5,"max_deliver":4}"#, 10222),
    ];
    for (json, code) in table {
        assert_eq!(refusal(json).0, code, "{json}");
    }
}

#[test]
fn refusals_are_in_the_words_of_nats_server() {
    let long = format!(r#"{{"description":"{}"}}"#, "d".repeat(4097));
    assert_eq!(
        refusal(&long),
        (10107, 400, "consumer description is too long, maximum allowed is 4096".into())
    );
    let notes = format!(r#"{{"metadata":{{"k":"{}"}}}}"#, "v".repeat(128 * 1024));
    assert_eq!(refusal(&notes), (10135, 400, "consumer metadata exceeds maximum size of 128KB".into()));
    let often =
        r#"failed to parse consumer sampling configuration: strconv.Atoi: parsing "often": invalid syntax"#;
    assert_eq!(refusal(r#"{"sample_freq":"often"}"#), (10095, 400, often.into()));
    assert_eq!(
        refusal(r#"{"sample_freq":"-5"}"#).2,
        "failed to parse consumer sampling configuration: <nil>"
    );
    assert_eq!(refusal(r#"{"filter_subject":"s..1"}"#), (10052, 500, "invalid subject".into()));
    let mut config = consumer("{}");
    config.name = "a.b".into();
    let error = validate(&config, &stream(""), &ConsumerBounds::default()).unwrap_err();
    assert_eq!(error.description, r"consumer name can not contain '.', '*', '>', '\', '/'");
}

#[test]
fn a_start_must_fit_the_deliver_policy() {
    let text = |json: &str| {
        let (code, status, text) = refusal(json);
        assert_eq!((code, status), (10094, 400));
        text.strip_prefix("consumer delivery policy is deliver ").unwrap().to_owned()
    };
    let time = r#""opt_start_time":"2020-01-01T00:00:00Z""#;
    assert_eq!(
        text(r#"{"deliver_policy":"last","opt_start_seq":1}"#),
        "last, but optional start sequence is also set"
    );
    assert_eq!(
        text(&format!(r#"{{"deliver_policy":"new",{time}}}"#)),
        "new, but optional start time is also set"
    );
    let unfiltered = text(r#"{"deliver_policy":"last_per_subject"}"#);
    assert_eq!(unfiltered, "last per subject, but optional filter subject is not set");
    let missing = text(r#"{"deliver_policy":"by_start_sequence"}"#);
    assert_eq!(missing, "by start sequence, but optional start sequence is not set");
    let both = text(&format!(r#"{{"deliver_policy":"by_start_time","opt_start_seq":1,{time}}}"#));
    assert_eq!(both, "by start time, but optional start start sequence is also set");
}

#[test]
fn limits_of_the_stream_hold_for_its_consumers() {
    let limits = r#","consumer_limits":{"inactive_threshold":60000000000,"max_ack_pending":50}"#;
    let (code, _, text) = refusal_on(limits, r#"{"ack_policy":"explicit","max_ack_pending":100}"#);
    assert_eq!((code, text.as_str()), (10121, "consumer max ack pending exceeds system limit of 50"));
    let (code, _, text) =
        refusal_on(limits, r#"{"ack_policy":"explicit","inactive_threshold":120000000000}"#);
    assert_eq!((code, text.as_str()), (10153, "consumer inactive threshold exceeds system limit of 1m0s"));
    let filled = judge(r#"{"ack_policy":"explicit"}"#, &stream(limits), false).unwrap();
    assert_eq!((filled.max_ack_pending, filled.inactive_threshold), (50, 60_000_000_000));
}

#[test]
fn what_is_left_out_is_filled_in() {
    let json = |json: &str| serde_json::to_string(&judge(json, &stream(""), false).unwrap()).unwrap();
    assert_eq!(
        json(r#"{"ack_policy":"explicit"}"#),
        concat!(
            r#"{"name":"C","deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"#,
            r#""replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"inactive_threshold":5000000000,"#,
            r#""num_replicas":0,"metadata":{"_nats.req.level":"0"}}"#
        )
    );
    assert_eq!(
        json(r#"{"deliver_subject":"d","ack_policy":"flow_control","max_ack_pending":5}"#),
        concat!(
            r#"{"name":"C","deliver_policy":"all","ack_policy":"flow_control","max_deliver":-1,"replay_policy":"instant","#,
            r#""max_ack_pending":5,"flow_control":true,"deliver_subject":"d","idle_heartbeat":1000000000,"#,
            r#""inactive_threshold":5000000000,"num_replicas":0,"metadata":{"_nats.req.level":"4"}}"#
        )
    );
    let pinned =
        judge(r#"{"priority_policy":"pinned_client","priority_groups":["g"]}"#, &stream(""), false).unwrap();
    assert_eq!(pinned.priority_timeout, 120_000_000_000);
    let backoff = judge(r#"{"ack_policy":"explicit","backoff":[1,2]}"#, &stream(""), false).unwrap();
    assert_eq!((backoff.ack_wait, backoff.max_deliver), (1, -1));
    let negative = judge(
        r#"{"ack_policy":"explicit","max_deliver":-3,"max_ack_pending":-3,"max_batch":-1}"#,
        &stream(""),
        false,
    )
    .unwrap();
    assert_eq!((negative.max_deliver, negative.max_ack_pending, negative.max_batch), (-1, -1, 0));
}

#[test]
fn a_pedantic_request_is_told_instead() {
    let complaint = |json: &str, more: &str| {
        let error = judge(json, &stream(more), true).unwrap_err();
        (error.err_code, error.description.into_owned())
    };
    assert_eq!(
        complaint(r#"{"max_deliver":-5}"#, ""),
        (10157, "pedantic mode: max_deliver must be set to -1".into())
    );
    assert_eq!(complaint(r#"{"max_bytes":-5}"#, "").1, "pedantic mode: max_bytes must not be negative");
    let backoff = r#"{"ack_policy":"explicit","backoff":[1,2],"max_deliver":5,"ack_wait":3}"#;
    assert_eq!(complaint(backoff, "").1, "pedantic mode: first backoff value has to equal batch AckWait");
    let limits = r#","consumer_limits":{"max_ack_pending":10}"#;
    let unset = "pedantic mode: max_ack_pending must be set if it's configured in stream limits";
    assert_eq!(complaint(r#"{"ack_policy":"explicit"}"#, limits).1, unset);
    let flow = r#"{"deliver_subject":"d","ack_policy":"flow_control","max_ack_pending":5}"#;
    assert_eq!(complaint(flow, "").0, 10219);
    assert!(judge(r#"{"ack_policy":"explicit"}"#, &stream(""), true).is_ok());
}

#[test]
fn a_filter_outside_the_stream_is_accepted() {
    assert!(judge(r#"{"filter_subject":"x.>"}"#, &stream(""), false).is_ok());
}

fn join(json: &str, others: &[&str], more: &str) -> Result<(), u16> {
    let stream = stream(more);
    let others: Vec<ConsumerConfig> = others.iter().map(|json| consumer(json)).collect();
    let situation = Situation {
        counted: others.iter().filter(|other| !other.direct && !other.sourcing).count(),
        others: &|| others.iter().collect(),
        ..Situation::of_first(&stream)
    };
    decide(consumer(json), ConsumerAction::CreateOrUpdate, false, &situation)
        .map(|_| ())
        .map_err(|error| error.err_code)
}

#[test]
fn a_work_queue_has_one_consumer_for_each_message() {
    let queue = r#","retention":"workqueue""#;
    let one = r#"{"ack_policy":"explicit","filter_subject":"s.1"}"#;
    assert_eq!(join(one, &[], queue), Ok(()));
    assert_eq!(join(r#"{"ack_policy":"explicit","filter_subject":"s.2"}"#, &[one], queue), Ok(()));
    assert_eq!(join(r#"{"ack_policy":"explicit","filter_subject":"s.*"}"#, &[one], queue), Err(10100));
    assert_eq!(join(r#"{"ack_policy":"explicit"}"#, &[one], queue), Err(10099));
    assert_eq!(join(one, &[r#"{"ack_policy":"explicit"}"#], queue), Err(10100));
    assert_eq!(join(r#"{"ack_policy":"none"}"#, &[], queue), Err(10084));
    assert_eq!(join(r#"{"ack_policy":"all"}"#, &[], queue), Err(10098));
    assert_eq!(join(r#"{"ack_policy":"explicit","deliver_policy":"new"}"#, &[], queue), Err(10101));
    let sourcing = r#"{"deliver_subject":"d","direct":true,"sourcing":true}"#;
    assert_eq!(join(sourcing, &[r#"{"ack_policy":"explicit"}"#], queue), Ok(()));
    assert_eq!(join(r#"{"ack_policy":"explicit"}"#, &[sourcing], queue), Ok(()));
}

#[test]
fn a_stream_has_no_more_consumers_than_it_may() {
    let limit = r#","max_consumers":1"#;
    assert_eq!(join("{}", &[], limit), Ok(()));
    assert_eq!(join("{}", &["{}"], limit), Err(10026));
    assert_eq!(join("{}", &[r#"{"deliver_subject":"d","direct":true}"#], limit), Ok(()));
}

fn change(old: &str, new: &str, action: ConsumerAction) -> Result<ConsumerConfig, (u16, u16, String)> {
    let stream = stream("");
    let existing = judge(old, &stream, false).unwrap();
    let situation =
        Situation { existing: Some(&existing), deliver_interest: true, ..Situation::of_first(&stream) };
    match decide(consumer(new), action, false, &situation) {
        Ok(Decision::Update(config)) => Ok(config),
        Ok(Decision::Create(_)) => panic!("it exists"),
        Err(error) => Err((error.err_code, error.code, error.description.into_owned())),
    }
}

#[test]
fn what_a_consumer_is_can_not_be_changed() {
    let pull = r#"{"durable_name":"C","ack_policy":"explicit"}"#;
    let push =
        r#"{"durable_name":"C","ack_policy":"explicit","deliver_subject":"d","idle_heartbeat":1000000000}"#;
    let table = [
        (pull, r#"{"durable_name":"C"}"#, "ack policy can not be updated"),
        (
            pull,
            r#"{"durable_name":"C","ack_policy":"explicit","deliver_policy":"new"}"#,
            "deliver policy can not be updated",
        ),
        (
            pull,
            r#"{"durable_name":"C","ack_policy":"explicit","replay_policy":"original"}"#,
            "replay policy can not be updated",
        ),
        (
            pull,
            r#"{"durable_name":"C","ack_policy":"explicit","mem_storage":true}"#,
            "storage type can not be updated",
        ),
        (
            pull,
            r#"{"durable_name":"C","ack_policy":"explicit","max_waiting":5}"#,
            "max waiting can not be updated",
        ),
        (
            pull,
            r#"{"durable_name":"C","ack_policy":"explicit","deliver_subject":"d"}"#,
            "can not update pull consumer to push based",
        ),
        (
            push,
            r#"{"durable_name":"C","ack_policy":"explicit","deliver_subject":"d"}"#,
            "heart beats can not be updated",
        ),
    ];
    for (old, new, text) in table {
        assert_eq!(change(old, new, ConsumerAction::CreateOrUpdate), Err((10012, 500, text.into())));
    }
    let moved = push.replace(r#""d""#, r#""e""#);
    let in_use = (10013, 400, "consumer name already in use".into());
    assert_eq!(change(push, &moved, ConsumerAction::CreateOrUpdate), Err(in_use));
}

#[test]
fn what_a_consumer_does_can_be_changed() {
    let old = r#"{"durable_name":"C","ack_policy":"explicit"}"#;
    let new = r#"{"durable_name":"C","ack_policy":"explicit","ack_wait":5,"max_deliver":4,"max_ack_pending":4,"headers_only":true,
        "filter_subject":"s.2","description":"x","metadata":{"a":"b"},"sample_freq":"50","max_batch":3,"inactive_threshold":60,
        "priority_policy":"overflow","priority_groups":["g"],"pause_until":"2100-01-01T00:00:00Z"}"#;
    let changed = change(old, new, ConsumerAction::Update).unwrap();
    assert_eq!((changed.ack_wait, changed.max_deliver, changed.max_batch), (5, 4, 3));
    assert_eq!(changed.pause_until, None);
    assert_eq!(changed.metadata["_nats.req.level"], "1");
}

#[test]
fn creating_again_must_ask_for_the_same() {
    let ephemeral = r#"{"ack_policy":"explicit","inactive_threshold":5000000000}"#;
    for same in [r#"{"durable_name":"C","ack_policy":"explicit"}"#, ephemeral] {
        assert!(change(same, same, ConsumerAction::Create).is_ok());
        let noted = same.replace('}', r#","metadata":{"_nats.ver":"1","_nats.req.level":"9"}}"#);
        assert!(change(same, &noted, ConsumerAction::Create).is_ok());
        let other = same.replace('}', r#","description":"x"}"#);
        let refused = change(same, &other, ConsumerAction::Create);
        assert_eq!(refused, Err((10148, 400, "consumer already exists".into())));
    }
    let open = r#"{"ack_policy":"explicit"}"#;
    assert!(change(open, open, ConsumerAction::Create).is_err());
}

#[test]
fn an_ephemeral_consumer_keeps_its_threshold_when_asked_for_again() {
    let same = r#"{"ack_policy":"explicit"}"#;
    let again = change(same, same, ConsumerAction::CreateOrUpdate).unwrap();
    assert_eq!(again.inactive_threshold, INACTIVE_THRESHOLD_DEFAULT);
    let durable = r#"{"ack_policy":"explicit","durable_name":"C"}"#;
    assert_eq!(change(durable, same, ConsumerAction::CreateOrUpdate).unwrap().inactive_threshold, 0);
}

#[test]
fn updating_needs_something_to_update() {
    let stream = stream("");
    let situation = Situation::of_first(&stream);
    let error = decide(consumer("{}"), ConsumerAction::Update, false, &situation).unwrap_err();
    assert_eq!((error.err_code, error.description.as_ref()), (10149, "consumer does not exist"));
}

#[test]
fn the_names_of_a_request_agree() {
    let check = |subject: CreateSubject<'_>, json: &str| {
        let mut config: ConsumerConfig = decode(json.as_bytes(), true).unwrap();
        check_names(subject, &mut config).map(|()| config.name).map_err(|error| error.err_code)
    };
    let named = |filter: &'static str| CreateSubject::Named { consumer: "C", filter };
    assert_eq!(check(named(""), r#"{"name":"X"}"#), Ok("C".into()));
    assert_eq!(check(named(""), r#"{"durable_name":"X"}"#), Err(10017));
    assert_eq!(check(CreateSubject::Unnamed, r#"{"durable_name":"C"}"#), Err(10020));
    assert_eq!(check(CreateSubject::Unnamed, r#"{"name":"a/b"}"#), Err(10127));
    assert_eq!(check(CreateSubject::Durable { consumer: "C" }, "{}"), Err(10018));
    assert_eq!(check(CreateSubject::Durable { consumer: "C" }, r#"{"durable_name":"X"}"#), Err(10017));
    assert_eq!(check(CreateSubject::Durable { consumer: "C" }, r#"{"durable_name":"C"}"#), Ok("C".into()));
    assert_eq!(check(named("s.1"), r#"{"filter_subject":"s.1"}"#), Ok("C".into()));
    assert_eq!(check(named("s.1"), r#"{"filter_subject":"s.2"}"#), Err(10131));
    assert_eq!(check(named("s.1"), r#"{"filter_subjects":["s.1"]}"#), Err(10137));
}

#[test]
fn names_have_at_most_255_bytes() {
    let mut config = consumer("{}");
    config.name = "c".repeat(256);
    let error = validate(&config, &stream(""), &ConsumerBounds::default()).unwrap_err();
    assert_eq!((error.err_code, error.description.as_ref()), (10012, "error creating store for consumer"));
}

#[test]
fn a_sourcing_server_gets_what_the_stream_can_give() {
    let asked = r#"{"deliver_subject":"d","direct":true,"sourcing":true,"ack_wait":79200000000000,"max_deliver":1,"inactive_threshold":10}"#;
    let mut limits = consumer(asked);
    adapt_sourcing(&mut limits, Retention::Limits, "12345678");
    assert_eq!((limits.name.as_str(), limits.direct), ("C-12345678", true));
    let mut interest = consumer(asked);
    adapt_sourcing(&mut interest, Retention::Interest, "12345678");
    assert_eq!((interest.name.as_str(), interest.durable_name.as_str(), interest.direct), ("C", "C", false));
    assert!(judge_config(interest).is_ok());
}

fn judge_config(config: ConsumerConfig) -> Result<Decision, ApiError> {
    let stream = stream("");
    let situation = Situation::of_first(&stream);
    decide(config, ConsumerAction::CreateOrUpdate, false, &situation)
}
