//! What the exporter takes from `/accstatz`.

use super::ACCOUNTS_MAX;
use super::text::{Kind, Labels, Text};
use crate::monitor::accstatz::{AccountStat, AccstatzOptions, accstatz};
use crate::monitor::source::Source;

/// Name, help, value.
type Row = (&'static str, &'static str, fn(&AccountStat) -> u64);

const ROWS: [Row; 9] = [
    ("current_connections", "Connections of the account.", |stat| stat.conns),
    ("total_connections", "Connections and leaf nodes of the account.", |stat| stat.total_conns),
    ("subscriptions", "Subscriptions of the account.", |stat| stat.num_subscriptions),
    ("leaf_nodes", "Leaf nodes of the account.", |stat| stat.leafnodes),
    ("sent_messages", "Messages sent to the account's connections.", |stat| stat.sent.all.msgs),
    ("sent_bytes", "Bytes sent to the account's connections.", |stat| stat.sent.all.bytes),
    ("received_messages", "Messages from the account's connections.", |stat| stat.received.all.msgs),
    ("received_bytes", "Bytes from the account's connections.", |stat| stat.received.all.bytes),
    ("slow_consumers", "Slow consumers of the account.", |stat| stat.slow_consumers),
];

pub(super) fn write(text: &mut Text, source: &dyn Source) {
    let options = AccstatzOptions { include_unused: true, ..AccstatzOptions::default() };
    let server_id = source.server().id;
    let labelled = |stat: AccountStat| {
        let labels = Labels::default().with("server_id", &server_id).with("account", &stat.acc);
        (labels.with("account_id", &stat.acc).with("account_name", &stat.name), stat)
    };
    let stats = accstatz(source, &options).account_statz;
    let stats: Vec<_> = stats.into_iter().take(ACCOUNTS_MAX).map(labelled).collect();
    for (name, help, value) in ROWS {
        text.metric(&format!("gnatsd_accstatz_{name}"), Kind::Gauge, help);
        stats.iter().for_each(|(labels, stat)| text.sample(labels, value(stat)));
    }
}
