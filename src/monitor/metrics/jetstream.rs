//! What the exporter takes from `/jsz`: JetStream, its accounts, streams and consumers; and how old the oldest message is that a
//! consumer has delivered and nobody has acknowledged.

use headwater_protocol::jetstream::stream_info::{StreamInfo, StreamSourceInfo};

use super::text::{Kind, Labels, Text, seconds};
use super::{ACCOUNTS_MAX, CONSUMERS_MAX, STREAMS_MAX};
use crate::monitor::jsz::{JszOptions, jsz};
use crate::monitor::source::{ConsumerLag, JetStreamAccount, JetStreamMonitor, Source};

/// Name, help, value.
type Row<T> = (&'static str, &'static str, fn(&T) -> f64);

const ACCOUNT_ROWS: [Row<JetStreamAccount>; 4] = [
    ("max_storage", "Bytes of storage reserved.", |account| account.usage.reserved_storage as f64),
    ("max_memory", "Bytes of memory reserved.", |account| account.usage.reserved_memory as f64),
    ("storage_used", "Bytes of storage used.", |account| account.usage.storage as f64),
    ("memory_used", "Bytes of memory used.", |account| account.usage.memory as f64),
];

const STREAM_ROWS: [Row<StreamInfo>; 8] = [
    ("total_messages", "Messages in the stream.", |stream| stream.state.messages as f64),
    ("total_bytes", "Bytes in the stream.", |stream| stream.state.bytes as f64),
    ("first_seq", "The first sequence in the stream.", |stream| stream.state.first_seq as f64),
    ("last_seq", "The last sequence in the stream.", |stream| stream.state.last_seq as f64),
    ("consumer_count", "Consumers of the stream.", |stream| stream.state.consumer_count as f64),
    ("subject_count", "Subjects in the stream.", |stream| stream.state.num_subjects as f64),
    ("limit_bytes", "Most bytes in the stream; -1 for any.", |stream| stream.config.max_bytes as f64),
    ("limit_messages", "Most messages in the stream; -1 for any.", |stream| stream.config.max_msgs as f64),
];

const CONSUMER_ROWS: [Row<ConsumerLag>; 8] = [
    ("delivered_consumer_seq", "Deliveries so far.", |lag| lag.info.delivered.consumer_seq as f64),
    ("delivered_stream_seq", "The last sequence delivered.", |lag| lag.info.delivered.stream_seq as f64),
    ("num_ack_pending", "Deliveries that are not acknowledged.", |lag| lag.info.num_ack_pending as f64),
    ("num_redelivered", "Messages among them that were delivered again.", |lag| {
        lag.info.num_redelivered as f64
    }),
    ("num_waiting", "Pull requests waiting.", |lag| lag.info.num_waiting as f64),
    ("num_pending", "Messages not yet delivered.", |lag| lag.info.num_pending as f64),
    ("ack_floor_stream_seq", "Up to here all is acknowledged.", |lag| lag.info.ack_floor.stream_seq as f64),
    ("ack_floor_consumer_seq", "Up to this delivery all is acknowledged.", |lag| {
        lag.info.ack_floor.consumer_seq as f64
    }),
];

/// Name, help and value of something that is not always there.
type AgeRow = (&'static str, &'static str, fn(&ConsumerLag) -> Option<i64>);

const CONSUMER_AGES: [AgeRow; 3] = [
    ("jetstream_consumer_last_delivery_seconds", "Since the last delivery.", |lag| {
        lag.info.delivered.last_active.as_ref().map(|last| lag.info.ts.0 - last.0)
    }),
    ("jetstream_consumer_last_ack_seconds", "Since the last acknowledgement.", |lag| {
        lag.info.ack_floor.last_active.as_ref().map(|last| lag.info.ts.0 - last.0)
    }),
    (
        "headwater_consumer_oldest_unacked_seconds",
        "Age of the oldest message delivered and not acknowledged.",
        |lag| lag.oldest_unacked.map(|stored| lag.info.ts.0.saturating_sub(stored)),
    ),
];

const SOURCE_ROWS: [Row<StreamSourceInfo>; 2] = [
    ("lag", "Messages it is behind.", |source| source.lag as f64),
    ("active_duration_ns", "Since it was heard of last; -1 if never.", |source| source.active as f64),
];

pub(super) fn write(text: &mut Text, source: &dyn Source) {
    let server = source.server();
    let jetstream = source.jetstream();
    let domain = jetstream.as_ref().map(|jetstream| jetstream.config().domain).unwrap_or_default();
    let labels = Labels::default().with("server_id", &server.id).with("server_name", &server.name);
    let labels = labels.with("cluster", "").with("domain", &domain);
    let labels = labels.with("meta_leader", "").with("is_meta_leader", "true");
    write_server(text, source, &labels);
    let Some(jetstream) = jetstream else { return };
    let accounts = write_accounts(text, &*jetstream, &labels);
    let streams = write_streams(text, &*jetstream, &accounts, &server.name);
    let consumers = write_consumers(text, &*jetstream, &streams, &server.name);
    let is_cut = streams.len() >= STREAMS_MAX || consumers >= CONSUMERS_MAX;
    let help = "1 if there are more streams or consumers than are shown.";
    text.single("headwater_metrics_truncated", Kind::Gauge, help, &Labels::default(), u8::from(is_cut));
}

fn write_server(text: &mut Text, source: &dyn Source, labels: &Labels) {
    let jsz = jsz(source, &JszOptions::default());
    let limit = |limit: i64| limit as f64;
    let rows = [
        ("jetstream_disabled", "1 if there is no JetStream.", f64::from(u8::from(jsz.disabled))),
        ("max_memory", "Most bytes in memory.", limit(jsz.config.max_memory)),
        ("max_storage", "Most bytes on disk.", limit(jsz.config.max_storage)),
        ("total_streams", "Streams.", jsz.streams as f64),
        ("total_consumers", "Consumers.", jsz.consumers as f64),
        ("total_messages", "Messages stored.", jsz.messages as f64),
        ("total_message_bytes", "Bytes stored.", jsz.bytes as f64),
    ];
    for (name, help, value) in rows {
        text.single(&format!("jetstream_server_{name}"), Kind::Gauge, help, labels, value);
    }
}

/// The names of the accounts shown, with their labels.
fn write_accounts(
    text: &mut Text,
    jetstream: &dyn JetStreamMonitor,
    labels: &Labels,
) -> Vec<(String, Labels)> {
    let mut accounts = jetstream.accounts();
    accounts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    accounts.truncate(ACCOUNTS_MAX);
    let labelled = |account: JetStreamAccount| {
        let labels = labels.clone().with("account", &account.name).with("account_name", &account.name);
        (labels.with("account_id", &account.name), account)
    };
    let accounts: Vec<_> = accounts.into_iter().map(labelled).collect();
    write_rows(text, "jetstream_account", &ACCOUNT_ROWS, &accounts);
    accounts.into_iter().map(|(labels, account)| (account.name, labels)).collect()
}

/// A stream that is shown.
struct Shown {
    account: String,
    name: String,
    labels: Labels,
}

fn write_streams(
    text: &mut Text,
    jetstream: &dyn JetStreamMonitor,
    accounts: &[(String, Labels)],
    leader: &str,
) -> Vec<Shown> {
    let (mut streams, mut shown) = (Vec::new(), Vec::new());
    for (account, labels) in accounts {
        let room = STREAMS_MAX - streams.len();
        for stream in jetstream.streams(account).into_iter().take(room) {
            let name = stream.config.name.clone();
            let labels = labels.clone().with("stream_name", &name).with("stream_leader", leader);
            let labels = labels.with("is_stream_leader", "true").with("stream_raft_group", "");
            shown.push(Shown { account: account.clone(), name, labels: labels.clone() });
            streams.push((labels, stream));
        }
    }
    write_rows(text, "jetstream_stream", &STREAM_ROWS, &streams);
    let sources: Vec<_> = streams
        .iter()
        .flat_map(|(labels, stream)| stream.sources.iter().map(|source| origin("source", labels, source)))
        .collect();
    write_rows(text, "jetstream_stream_source", &SOURCE_ROWS, &sources);
    let mirrors: Vec<_> = streams
        .iter()
        .filter_map(|(labels, stream)| Some(origin("mirror", labels, stream.mirror.as_ref()?)))
        .collect();
    write_rows(text, "jetstream_stream_mirror", &SOURCE_ROWS, &mirrors);
    shown
}

fn origin(kind: &str, labels: &Labels, source: &StreamSourceInfo) -> (Labels, StreamSourceInfo) {
    let external = source.external.as_ref();
    let (api, deliver) = external.map_or(("", ""), |external| (&*external.api, &*external.deliver));
    let labels = labels.clone().with(&format!("{kind}_name"), &source.name);
    (labels.with(&format!("{kind}_api"), api).with(&format!("{kind}_deliver"), deliver), source.clone())
}

/// Returns how many are shown.
fn write_consumers(
    text: &mut Text,
    jetstream: &dyn JetStreamMonitor,
    streams: &[Shown],
    leader: &str,
) -> usize {
    let mut consumers = Vec::new();
    for stream in streams {
        let room = CONSUMERS_MAX - consumers.len();
        if room == 0 {
            break;
        }
        for lag in jetstream.consumer_lags(&stream.account, &stream.name, room) {
            let description = lag.info.config.as_ref().map(|config| config.description.clone());
            let labels = stream.labels.clone().with("consumer_name", &lag.info.name);
            let labels = labels.with("consumer_leader", leader).with("is_consumer_leader", "true");
            consumers.push((labels.with("consumer_desc", &description.unwrap_or_default()), lag));
        }
    }
    write_rows(text, "jetstream_consumer", &CONSUMER_ROWS, &consumers);
    for (name, help, age) in CONSUMER_AGES {
        text.metric(name, Kind::Gauge, help);
        for (labels, lag) in &consumers {
            if let Some(nanos) = age(lag) {
                text.sample(labels, seconds(nanos));
            }
        }
    }
    consumers.len()
}

fn write_rows<T>(text: &mut Text, prefix: &str, rows: &[Row<T>], items: &[(Labels, T)]) {
    for (name, help, value) in rows {
        text.metric(&format!("{prefix}_{name}"), Kind::Gauge, help);
        items.iter().for_each(|(labels, item)| text.sample(labels, value(item)));
    }
}
