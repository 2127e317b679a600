//! Random sequences: few names and few values, so that things happen to each other.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::dice::Dice;

const STREAMS: &[&str] = &["S0", "S1", "S2"];
const CONSUMERS: &[&str] = &["C0", "C1"];
/// The one that has filters.
const FILTERED: &str = "C1";
const STEPS: u64 = 40;
const HOUR: u64 = 3_600_000_000_000;

/// One thing done to a broker.
#[derive(Debug, Clone)]
pub enum Step {
    /// An API call.
    Call { subject: String, body: String },
    /// A direct get.
    Get { subject: String, body: String },
    /// A publish that is answered.
    Publish { subject: String, headers: Vec<(String, String)>, body: String },
    /// A pull that does not wait.
    Pull { stream: String, consumer: String, batch: u64, more: String },
    /// An answer to the `nth` delivery so far.
    Ack { nth: usize, word: String },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { subject, body } => write!(f, "{subject} {body}"),
            Self::Get { subject, body } => write!(f, "DIRECT.GET.{subject} {body}"),
            Self::Publish { subject, headers, body } => write!(f, "publish {subject} {headers:?} {body:?}"),
            Self::Pull { stream, consumer, batch, more } => {
                write!(f, "pull {stream} {consumer} {batch}{more}")
            }
            Self::Ack { nth, word } => write!(f, "ack #{nth} {word}"),
        }
    }
}

impl Step {
    /// Whether a purge is asked for that leaves other messages alone.
    pub fn purges_some(&self) -> bool {
        match self {
            Self::Call { subject, body } => subject.starts_with("STREAM.PURGE") && !body.is_empty(),
            Self::Publish { headers, .. } => {
                headers.iter().any(|header| *header == ("Nats-Rollup".into(), "sub".into()))
            }
            _ => false,
        }
    }

    /// Whether a consumer is told to go on with a message that may not have come yet, or gone past those before a rollup.
    pub fn goes_ahead(&self) -> bool {
        match self {
            Self::Call { subject, body } => {
                body.contains("by_start_sequence") || subject.starts_with("CONSUMER.RESET")
            }
            Self::Publish { headers, .. } => headers.iter().any(|(name, _)| name == "Nats-Rollup"),
            _ => false,
        }
    }

    /// The same with a mark in the streams' names.
    pub fn with_streams_named(&self, mark: &str) -> Self {
        let named = |text: &str| {
            STREAMS.iter().fold(text.to_owned(), |text, name| text.replace(name, &format!("{name}{mark}")))
        };
        let mut step = self.clone();
        match &mut step {
            Self::Call { subject, body } | Self::Get { subject, body } => {
                (*subject, *body) = (named(subject), named(body));
            }
            Self::Publish { headers, .. } => {
                headers.iter_mut().for_each(|(_, value)| *value = named(value));
            }
            Self::Pull { stream, .. } => *stream = named(stream),
            Self::Ack { .. } => {}
        }
        step
    }
}

/// The sequence of a seed. What nats-server does not do well is left out:
///
/// - All streams have the same retention and storage: consumers go by the retention their stream had when they were made.
/// - Consumers keep their filters: one that loses them is not signalled. Those that have some are not reset, nor is any to its
///   floor where something is purged: to where goes by what they have looked at.
/// - All have the same ack policy, and if that is `all` no message is removed but by purges: that acknowledges those before
///   it.
/// - Consumers begin with the last messages only where none is removed: a pull ends at one that has gone meanwhile.
/// - Subjects are not transformed under interest retention, nor where consumers want `>`: a filter that equals the stream's
///   subject is none.
/// - Under interest retention the duplicate window stays: ids of messages that nobody wanted are forgotten when it changes.
/// - Files are not purged up to a sequence: if that is the end and has been removed, the first sequence stays.
/// - Where something is purged or rolled up, consumers do not bound what awaits acknowledgement, and nothing is asked for again
///   at once: they do not go on when a purge made room, and forget what was to be redelivered.
/// - Only there are consumers told where to begin: how many messages are pending is wrong then, and whether a pull that does
///   not wait is answered goes by that where too much awaits acknowledgement.
pub fn sequence(seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed.wrapping_mul(0x9E37_79B9));
    dice.fixed = vec![
        ("retention", dice.pick(&["limits", "limits", "interest", "workqueue"])),
        ("storage", dice.pick(&["file", "file", "memory"])),
    ];
    dice.filters = dice.pick(&[&["a"][..], &["b"], &["*"], &[">"], &["b.c"], &["a", "b"]]);
    dice.purges = dice.chance(60);
    dice.ack_policy = dice.pick(&["explicit", "explicit", "explicit", "all", "none"]);
    let mut steps = vec![stream_call(&mut dice, "CREATE", "S0")];
    if dice.chance(80) {
        steps.push(consumer_create(&mut dice, "S0", "C0"));
    }
    while (steps.len() as u64) < STEPS {
        steps.push(step(&mut dice));
    }
    steps
}

fn step(dice: &mut Dice) -> Step {
    let stream = stream(dice);
    let consumer = dice.pick(CONSUMERS);
    match dice.below(100) {
        0..38 => publish(dice, stream),
        38..53 => pull(dice, stream, consumer),
        53..63 => ack(dice),
        63..68 => stream_call(dice, "CREATE", stream),
        68..72 => stream_call(dice, "UPDATE", stream),
        72..80 => consumer_create(dice, stream, consumer),
        80..84 => info(dice, stream, consumer),
        84..88 => get(dice, stream),
        88..91 if dice.ack_policy != "all" => {
            call(&format!("STREAM.MSG.DELETE.{stream}"), &json!({"seq": dice.below(8)}))
        }
        91..94 if dice.purges => purge(dice, stream),
        94..96 => list(dice, stream),
        96..98 => call(&format!("CONSUMER.DELETE.{stream}.{consumer}"), &json!({})),
        98 => {
            let seq = if dice.purges { 1 + dice.below(5) } else { 0 };
            call(&format!("CONSUMER.RESET.{stream}.{}", CONSUMERS[0]), &json!({"seq": seq}))
        }
        _ => call(&format!("STREAM.DELETE.{stream}"), &json!({})),
    }
}

/// Mostly the same one.
fn stream(dice: &mut Dice) -> &'static str {
    if dice.chance(80) { "S0" } else { dice.pick(STREAMS) }
}

fn subject(dice: &mut Dice, stream: &str) -> String {
    format!("{}.{}", stream.to_lowercase(), dice.pick(&["a", "b", "b.c", "d"]))
}

fn call(subject: &str, body: &Value) -> Step {
    let body = match body {
        Value::Object(entries) if entries.is_empty() => String::new(),
        body => body.to_string(),
    };
    Step::Call { subject: subject.to_owned(), body }
}

/// Sets a field in so many of a hundred cases.
fn maybe(dice: &mut Dice, entries: &mut Map<String, Value>, of: u64, key: &str, value: impl Into<Value>) {
    if dice.chance(of) {
        entries.insert(key.to_owned(), value.into());
    }
}

fn stream_call(dice: &mut Dice, call_name: &str, name: &str) -> Step {
    let subjects = format!("{}.>", name.to_lowercase());
    let mut config = Map::new();
    config.insert("name".into(), name.into());
    config.insert("subjects".into(), json!([subjects]));
    let (few, small, size) = (2 + dice.below(5), 1 + dice.below(3), 60 + dice.below(400));
    let discard = dice.pick(&["old", "new"]);
    let interest = dice.fixed.contains(&("retention", "interest"));
    for (key, value) in dice.fixed.clone() {
        config.insert(key.into(), value.into());
    }
    let consumer_limits = json!({"max_ack_pending": small, "inactive_threshold": HOUR});
    let fields: [(u64, &str, Value); 22] = [
        (30, "discard", discard.into()),
        (25, "max_msgs", few.into()),
        (20, "max_msgs_per_subject", small.into()),
        (15, "max_bytes", size.into()),
        (10, "max_msg_size", (size / 8).into()),
        (10, "max_consumers", small.into()),
        (10, "discard_new_per_subject", true.into()),
        (20, "allow_rollup_hdrs", true.into()),
        (30, "allow_direct", true.into()),
        (8, "deny_delete", true.into()),
        (8, "deny_purge", true.into()),
        (15, "allow_msg_ttl", true.into()),
        (10, "subject_delete_marker_ttl", HOUR.into()),
        (12, "allow_msg_counter", true.into()),
        (15, "allow_atomic", true.into()),
        (5, "sealed", true.into()),
        (5, "first_seq", few.into()),
        (10, "duplicate_window", HOUR.into()),
        (8, "max_age", (2 * HOUR).into()),
        (5, "compression", "s2".into()),
        (5, "metadata", json!({"k": "v"})),
        (if dice.purges { 0 } else { 5 }, "consumer_limits", consumer_limits),
    ];
    for (of, key, value) in fields {
        let removes = key.starts_with("max_") || key == "allow_rollup_hdrs";
        let leaves_out = removes && dice.ack_policy == "all" || interest && key == "duplicate_window";
        maybe(dice, &mut config, if leaves_out { 0 } else { of }, key, value);
    }
    if dice.chance(6) && !interest && !dice.filters.contains(&">") {
        let transform =
            json!({"src": format!("{}.b", name.to_lowercase()), "dest": "elsewhere.{{wildcard(1)}}"});
        let fitting = json!({"src": format!("{}.*", name.to_lowercase()), "dest": "moved.{{wildcard(1)}}"});
        let transform = if dice.chance(20) { transform } else { fitting };
        config.insert("subject_transform".into(), transform);
    }
    call(&format!("STREAM.{call_name}.{name}"), &Value::Object(config))
}

fn consumer_create(dice: &mut Dice, stream: &str, consumer: &str) -> Step {
    let mut config = Map::new();
    let key = if dice.chance(70) { "durable_name" } else { "name" };
    config.insert(key.into(), consumer.into());
    let (small, lower) = (1 + dice.below(3), stream.to_lowercase());
    let policies = match (dice.purges, dice.ack_policy) {
        (true, _) => &["all", "last", "new", "by_start_sequence"][..],
        (false, "all") => &["all", "last", "new", "last_per_subject"],
        (false, _) => &["all", "last", "new"],
    };
    let deliver = dice.pick(policies);
    let fields: [(u64, &str, Value); 13] = [
        (95, "ack_policy", dice.ack_policy.into()),
        (35, "deliver_policy", deliver.into()),
        (30, "opt_start_seq", small.into()),
        (20, "max_deliver", small.into()),
        (if dice.purges { 0 } else { 40 }, "max_ack_pending", small.into()),
        (10, "max_waiting", small.into()),
        (10, "headers_only", true.into()),
        (40, "ack_wait", HOUR.into()),
        (5, "backoff", json!([HOUR, 2 * HOUR])),
        (5, "inactive_threshold", HOUR.into()),
        (5, "sample_freq", "50%".into()),
        (5, "max_batch", small.into()),
        (5, "deliver_subject", "push.here".into()),
    ];
    for (of, key, value) in fields {
        maybe(dice, &mut config, of, key, value);
    }
    if consumer == FILTERED {
        let filters: Vec<String> = dice.filters.iter().map(|filter| format!("{lower}.{filter}")).collect();
        match filters.as_slice() {
            [filter] => config.insert("filter_subject".into(), filter.clone().into()),
            filters => config.insert("filter_subjects".into(), filters.into()),
        };
    }
    let mut body = json!({"stream_name": stream, "config": config});
    if dice.chance(25) {
        body["action"] = dice.pick(&["create", "update"]).into();
    }
    call(&format!("CONSUMER.CREATE.{stream}.{consumer}"), &body)
}

fn publish(dice: &mut Dice, stream: &str) -> Step {
    let mut headers = Vec::new();
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
    let choices: [(u64, &str, String); 12] = [
        (15, "Nats-Msg-Id", dice.pick(&["1", "2", "3"]).to_owned()),
        (8, "Nats-Expected-Last-Sequence", dice.below(6).to_string()),
        (8, "Nats-Expected-Last-Subject-Sequence", dice.below(6).to_string()),
        (3, "Nats-Expected-Last-Subject-Sequence-Subject", format!("{}.>", stream.to_lowercase())),
        (4, "Nats-Expected-Last-Msg-Id", dice.pick(&["1", "2"]).to_owned()),
        (4, "Nats-Expected-Stream", dice.pick(STREAMS).to_owned()),
        (if dice.purges { 8 } else { 0 }, "Nats-Rollup", dice.pick(&["sub", "all", "some"]).to_owned()),
        (8, "Nats-TTL", dice.pick(&["1h", "never", "3600", "1ms", "x"]).to_owned()),
        (8, "Nats-Incr", dice.pick(&["+1", "-2", "1.5", "x"]).to_owned()),
        (6, "Nats-Batch-Id", "batch".to_owned()),
        (6, "Nats-Batch-Sequence", (1 + dice.below(3)).to_string()),
        (4, "Nats-Batch-Commit", "1".to_owned()),
    ];
    for (of, name, value) in choices {
        if dice.chance(of) {
            add(name, value);
        }
    }
    let body = "x".repeat(dice.below(30) as usize);
    Step::Publish { subject: subject(dice, stream), headers, body }
}

fn pull(dice: &mut Dice, stream: &str, consumer: &str) -> Step {
    let more = match dice.below(20) {
        0 => r#","max_bytes":100"#,
        1 => r#","group":"g""#,
        _ => "",
    };
    let batch = 1 + dice.below(4);
    Step::Pull { stream: stream.to_owned(), consumer: consumer.to_owned(), batch, more: more.to_owned() }
}

fn ack(dice: &mut Dice) -> Step {
    let words = [
        "+ACK",
        "+ACK",
        "+ACK",
        "+TERM",
        "+WPI",
        "",
        "+TERM because",
        "-NAK {\"delay\": 3600000000000}",
        "-NAK",
    ];
    let words = if dice.purges { &words[..words.len() - 1] } else { &words[..] };
    Step::Ack { nth: dice.below(12) as usize, word: dice.pick(words).to_owned() }
}

fn info(dice: &mut Dice, stream: &str, consumer: &str) -> Step {
    match dice.below(4) {
        0 | 1 => call(&format!("CONSUMER.INFO.{stream}.{consumer}"), &json!({})),
        2 => {
            call(&format!("STREAM.INFO.{stream}"), &json!({"deleted_details": true, "subjects_filter": ">"}))
        }
        _ => call(&format!("STREAM.INFO.{stream}"), &json!({})),
    }
}

fn get(dice: &mut Dice, stream: &str) -> Step {
    let subject = subject(dice, stream);
    let wild = format!("{}.{}", stream.to_lowercase(), dice.pick(&[">", "*", "*.c", "b.>"]));
    let body = match dice.below(7) {
        0 => json!({"seq": dice.below(8)}),
        1 => json!({"last_by_subj": subject}),
        2 => json!({"next_by_subj": subject, "seq": dice.below(6)}),
        3 => json!({"seq": dice.below(4), "next_by_subj": wild}),
        4 => json!({"last_by_subj": wild}),
        5 => json!({"multi_last": [format!("{}.>", stream.to_lowercase())], "batch": 3}),
        _ => json!({"seq": 1 + dice.below(4), "batch": 1 + dice.below(3)}),
    };
    if dice.chance(50) || body.get("batch").is_some() {
        return Step::Get { subject: stream.to_owned(), body: body.to_string() };
    }
    call(&format!("STREAM.MSG.GET.{stream}"), &body)
}

/// nats-server takes a consumer with two filters past all that it wants when what one of them matches is purged; messages
/// that the other matches are lost to it.
fn purge(dice: &mut Dice, stream: &str) -> Step {
    let kinds = if dice.filters.len() > 1 { 2 } else { 5 };
    let in_memory = dice.fixed.contains(&("storage", "memory"));
    let body = match dice.below(kinds) {
        0 => json!({}),
        1 if !in_memory => json!({}),
        1 => json!({"seq": dice.below(8)}),
        2 | 3 => json!({"filter": subject(dice, stream)}),
        _ => json!({"filter": subject(dice, stream), "keep": dice.below(3)}),
    };
    call(&format!("STREAM.PURGE.{stream}"), &body)
}

fn list(dice: &mut Dice, stream: &str) -> Step {
    match dice.below(5) {
        0 => call("STREAM.NAMES", &json!({})),
        1 => call("STREAM.LIST", &json!({})),
        2 => call(&format!("CONSUMER.NAMES.{stream}"), &json!({})),
        3 => call(&format!("CONSUMER.LIST.{stream}"), &json!({})),
        _ => call(&format!("CONSUMER.UNPIN.{stream}.C0"), &json!({"group": "g"})),
    }
}
