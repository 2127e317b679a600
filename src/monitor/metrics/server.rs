//! What the exporter takes from `/varz`, `/connz` and `/healthz`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::text::{Kind, Labels, Text};
use crate::monitor::healthz::{HealthzOptions, healthz};
use crate::monitor::source::{Connection, Source};
use crate::monitor::varz::varz;

/// Parts of `/varz` that the exporter leaves out.
const LEFT_OUT: [&str; 2] = ["leaf", "feature_flags"];

/// Texts of `/varz` that become a label, with the value 1.
const LABELLED: [&str; 6] = ["server_id", "server_name", "version", "domain", "leader", "name"];

/// Times of `/varz` that become a number of seconds.
const TIMES: [&str; 2] = ["start", "config_load_time"];

pub(super) fn write(text: &mut Text, source: &dyn Source, http_req_stats: BTreeMap<&'static str, u64>) {
    let labels = Labels::default().with("server_id", &source.server().id);
    // By way of text, because the code for that is there anyway.
    let varz = serde_json::to_vec(&varz(source, http_req_stats)).unwrap_or_default();
    let varz = serde_json::from_slice(&varz).unwrap_or_default();
    write_object(text, &labels, "gnatsd_varz", &varz);
    write_connections(text, &labels, &source.connections());
    let is_well = healthz(source, &HealthzOptions::default()).status_code == 200;
    let help = "0 if the server is well, 1 if it is not.";
    text.single("gnatsd_healthz_status", Kind::Gauge, help, &labels, u8::from(!is_well));
    text.metric("gnatsd_healthz_status_value", Kind::Gauge, "1 if the server is well.");
    text.sample(&labels.with("value", if is_well { "ok" } else { "unavailable" }), u8::from(is_well));
}

/// Every number in an object, and some of its texts, by the path to it.
fn write_object(text: &mut Text, labels: &Labels, path: &str, object: &Value) {
    let Value::Object(fields) = object else { return };
    for (key, value) in fields.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str())) {
        let name = name(path, key);
        match value {
            Value::Number(number) => text.single(&name, Kind::Gauge, key, labels, number),
            Value::String(value) if LABELLED.contains(&key.as_str()) => {
                text.single(&name, Kind::Gauge, key, &labels.clone().with("value", value), 1);
            }
            Value::String(value) if TIMES.contains(&key.as_str()) => {
                if let Ok(time) = value.parse::<jiff::Timestamp>() {
                    text.single(&name, Kind::Gauge, key, labels, time.as_second());
                }
            }
            Value::Object(_) => write_object(text, labels, &name, value),
            _ => {}
        }
    }
}

/// The path with another step; what may not stand in a name becomes `_`.
fn name(path: &str, key: &str) -> String {
    let step = key.trim_matches('/').replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
    format!("{path}_{step}")
}

fn write_connections(text: &mut Text, labels: &Labels, connections: &[Connection]) {
    let sum = |count: fn(&Connection) -> u64| connections.iter().map(count).sum::<u64>();
    let all = connections.len() as u64;
    let rows = [
        ("num_connections", all),
        ("total", all),
        ("offset", 0),
        ("limit", 1024),
        ("pending_bytes", sum(|connection| connection.pending_bytes)),
        ("subscriptions", sum(|connection| connection.subscriptions)),
        ("in_bytes", sum(|connection| connection.in_bytes)),
        ("out_bytes", sum(|connection| connection.out_bytes)),
        ("in_msgs", sum(|connection| connection.in_msgs)),
        ("out_msgs", sum(|connection| connection.out_msgs)),
    ];
    for (name, value) in rows {
        text.single(&format!("gnatsd_connz_{name}"), Kind::Gauge, name, labels, value);
    }
}
