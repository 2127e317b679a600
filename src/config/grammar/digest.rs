//! The fingerprint of a configuration.
//!
//! nats-server hashes the parsed values as Go's `encoding/json` writes them (keys sorted, `<`, `>` and `&` escaped, a
//! newline at the end), so two files that mean the same have the same fingerprint, and ours equals its.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::value::{Entry, Map, Value};

pub(super) fn of(map: &Map) -> String {
    let mut json = String::new();
    write_map(&mut json, map);
    json.push('\n');
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(json.as_bytes())))
}

fn write_map(json: &mut String, map: &Map) {
    let mut entries: Vec<&Entry> = map.iter().collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    json.push('{');
    for (index, entry) in entries.into_iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write_text(json, &entry.key);
        json.push(':');
        write_value(json, &entry.node.value);
    }
    json.push('}');
}

fn write_value(json: &mut String, value: &Value) {
    match value {
        Value::Bool(true) => json.push_str("true"),
        Value::Bool(false) => json.push_str("false"),
        Value::Integer(number) => push(json, format_args!("{number}")),
        Value::Float(number) => write_float(json, *number),
        Value::DateTime(text) | Value::Text(text) => write_text(json, text),
        Value::Map(map) => write_map(json, map),
        Value::Array(values) => {
            json.push('[');
            for (index, node) in values.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_value(json, &node.value);
            }
            json.push(']');
        }
    }
}

/// Go writes very small and very large floats with an exponent of at least two digits, small ones without padding.
fn write_float(json: &mut String, number: f64) {
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return push(json, format_args!("{number}"));
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => {
            push(json, format_args!("{mantissa}e+{exponent}"))
        }
        _ => json.push_str(&text),
    }
}

fn write_text(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push(json, format_args!("\\u{:04x}", u32::from(c))),
            c if u32::from(c) < 0x20 => push(json, format_args!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
}

fn push(json: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = json.write_fmt(text);
}
