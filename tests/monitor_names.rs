//! Every endpoint shows the fields that nats-server 2.15.1 shows, in its order. The lists in `monitor_names/` were taken
//! from its answers.

mod monitor_support;

use std::fmt;
use std::sync::Arc;

use headwater::monitor::{Monitor, MonitorLimits};
use monitor_support::FakeSource;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// As much of a JSON value as has names in it, in the order of the text.
enum Shape {
    Object(Vec<(String, Shape)>),
    Array(Vec<Shape>),
    Scalar,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Shape::Object(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Shape::Array(items))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
}

/// Objects whose names are data.
fn holds_data(path: &str) -> bool {
    matches!(path, "http_req_stats" | "feature_flags" | "account_detail.mappings")
        || path.ends_with(".metadata")
}

fn collect(shape: &Shape, path: &str, names: &mut Vec<String>) {
    match shape {
        Shape::Scalar => {}
        Shape::Array(items) => items.iter().for_each(|item| collect(item, &format!("{path}[]"), names)),
        Shape::Object(_) if holds_data(path) => {}
        Shape::Object(entries) => {
            for (name, value) in entries {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if !names.contains(&inner) {
                    names.push(inner.clone());
                }
                collect(value, &inner, names);
            }
        }
    }
}

fn names_at(path: &str, query: &str) -> Vec<String> {
    let monitor = Monitor::new(Arc::new(FakeSource::default()), "", MonitorLimits::default());
    let mut names = Vec::new();
    collect(&serde_json::from_slice(&monitor.answer(path, query).body).unwrap(), "", &mut names);
    names
}

fn assert_names(path: &str, query: &str, expected: &str) {
    assert_eq!(names_at(path, query), expected.lines().collect::<Vec<_>>(), "{path}?{query}");
}

#[test]
fn varz_adds_only_our_own_version() {
    let expected = concat!(include_str!("monitor_names/varz.txt"), "headwater\n");
    assert_names("/varz", "", expected);
}

#[test]
fn connections_have_the_names_of_nats_server() {
    assert_names("/connz", "auth=1&subs=detail", include_str!("monitor_names/connz.txt"));
    assert_names("/connz", "state=closed&auth=1&subs=1", include_str!("monitor_names/connz_closed.txt"));
}

#[test]
fn subscriptions_have_the_names_of_nats_server() {
    assert_names("/subsz", "subs=1", include_str!("monitor_names/subsz.txt"));
}

#[test]
fn links_have_the_names_of_nats_server() {
    assert_names("/routez", "", include_str!("monitor_names/routez.txt"));
    assert_names("/gatewayz", "", include_str!("monitor_names/gatewayz.txt"));
    assert_names("/leafz", "", include_str!("monitor_names/leafz.txt"));
}

#[test]
fn accounts_have_the_names_of_nats_server() {
    assert_names("/accountz", "", include_str!("monitor_names/accountz.txt"));
    assert_names("/accountz", "acc=A", include_str!("monitor_names/accountz_detail.txt"));
    assert_names("/accstatz", "", include_str!("monitor_names/accstatz.txt"));
}

#[test]
fn jetstream_has_the_names_of_nats_server() {
    assert_names("/jsz", "consumers=1&config=1", include_str!("monitor_names/jsz.txt"));
    assert_names("/jsz", "raft=1&consumers=1", include_str!("monitor_names/jsz_raft.txt"));
}

#[test]
fn health_has_the_names_of_nats_server() {
    assert_names("/healthz", "details=true&account=NOPE", include_str!("monitor_names/healthz.txt"));
}
