//! Whatever a configuration file holds, reading it ends, and ends without a panic.

mod config_common;

use config_common::Desk;
use headwater::config::Config;
use headwater::config::grammar::{Map, Value, digest, parse_text};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn reading_arbitrary_text_ends(text in any::<String>()) {
        let _ = Config::from_text(&text, "c.conf");
    }

    #[test]
    fn reading_arbitrary_bytes_ends(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = Config::from_text(&String::from_utf8_lossy(&bytes), "c.conf");
    }

    #[test]
    fn reading_text_that_looks_like_a_configuration_ends(
        words in proptest::collection::vec(word(), 0..60)
    ) {
        let _ = Config::from_text(&words.concat(), "c.conf");
    }

    #[test]
    fn a_tree_written_as_json_and_as_nats_conf_is_the_same(tree in map(3)) {
        let desk = Desk::default();
        let json = serde_json::to_string(&tree).unwrap();
        let conf = as_conf(&tree);
        let from_json = parse_text(&json, "c.conf", &desk).unwrap();
        let from_conf = parse_text(&conf, "c.conf", &desk).unwrap();
        prop_assert_eq!(to_json(&from_json), tree.clone(), "{}", json);
        prop_assert_eq!(to_json(&from_conf), tree, "{}", conf);
        prop_assert_eq!(digest(&from_json), digest(&from_conf));
    }

    #[test]
    fn a_go_duration_that_is_written_is_read_back(nanos in 0_u64..i64::MAX as u64 / 1_000) {
        // Microseconds, so that a float of 53 bits holds every value.
        let duration = std::time::Duration::from_micros(nanos / 1_000_000);
        let shown = headwater::config::duration::show(duration);
        prop_assert_eq!(headwater::config::duration::parse(&shown), Ok(duration.as_nanos() as i64), "{}", shown);
    }

    #[test]
    fn reading_an_arbitrary_duration_ends(text in "[-+.0-9a-zµ]{0,20}") {
        let _ = headwater::config::duration::parse(&text);
    }
}

/// What configurations are made of.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "{", "}", "[", "]", "(", ")", ":", "=", ",", ";", "\n", " ", "\t", "\"", "'", "\\", "#", "//", "$",
    "-", ".", "\\x4", "include ", "port", "authorization", "users", "user", "accounts", "tls",
    "jetstream", "leafnodes", "remotes", "permissions", "publish", "true", "off", "10s", "1.5",
    "9999999999999999999", "8MB", "2016-05-04", "$port", "websocket", "mappings", "weight", "exports",
    "service", "\0", "é", "\r\n", "limits", "cluster", "routes",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![proptest::sample::select(WORDS).prop_map(str::to_owned), "[a-z0-9.]{1,4}"]
}

fn map(depth: u32) -> impl Strategy<Value = serde_json::Value> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        // Braces and the like are for quoted strings; escapes of JSON that nats.conf does not know stay out.
        "[a-zA-Z0-9 .,:;#{}$'\n\t\"-]{0,12}".prop_map(serde_json::Value::from),
    ];
    let value = scalar.prop_recursive(depth, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            proptest::collection::btree_map("[a-z_]{1,8}", inner, 0..5).prop_map(object),
        ]
    });
    proptest::collection::btree_map("[a-z_]{1,8}", value, 0..6).prop_map(object)
}

fn object(entries: std::collections::BTreeMap<String, serde_json::Value>) -> serde_json::Value {
    serde_json::Value::Object(entries.into_iter().collect())
}

fn as_conf(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(entries) => entries.iter().map(|(key, value)| entry(key, value)).collect(),
        _ => String::new(),
    }
}

fn entry(key: &str, value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(_) => format!("{key} {{ # a comment\n{}}}\n", as_conf(value)),
        _ => format!("{key} = {} ;\n", conf_value(value)),
    }
}

fn conf_value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(_) => format!("{{\n{}}}", as_conf(value)),
        serde_json::Value::Array(values) => {
            let lines: Vec<String> = values.iter().map(conf_value).collect();
            format!("[\n{}\n]", lines.join("\n"))
        }
        serde_json::Value::String(text) if !text.contains('\'') => format!("'{text}'"),
        serde_json::Value::Bool(true) => "yes".to_owned(),
        other => other.to_string(),
    }
}

fn to_json(map: &Map) -> serde_json::Value {
    serde_json::Value::Object(
        map.iter().map(|entry| (entry.key.to_string(), json_value(&entry.node.value))).collect(),
    )
}

fn json_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(text) | Value::DateTime(text) => text.clone().into(),
        Value::Array(values) => values.iter().map(|node| json_value(&node.value)).collect::<Vec<_>>().into(),
        Value::Map(map) => to_json(map),
    }
}
