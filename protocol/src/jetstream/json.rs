//! JSON in the order it was written, bounded in depth and in number of values.
//!
//! Clients rely on how Go reads JSON: later keys win over earlier ones, whatever their case. That needs the
//! document's own order, which a map of keys would lose.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::from_json::JsonError;

/// Most values one document may hold; a bound on the memory a request can take (some 16 MiB).
pub const JSON_VALUES_MAX: u32 = 1 << 18;

/// A JSON value. Numbers that are no integer of 64 bits are [`Json::Float`].
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` and `false`
    Bool(bool),
    /// Any i64 or u64.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, its entries in the order they were written, keys possibly repeated.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses one document. Bytes that are not UTF-8 are replaced, as Go does.
    pub fn parse(body: &[u8]) -> Result<Self, JsonError> {
        let text = String::from_utf8_lossy(body);
        let mut reader = serde_json::Deserializer::from_str(&text);
        let budget = Cell::new(JSON_VALUES_MAX);
        Seed(&budget)
            .deserialize(&mut reader)
            .and_then(|json| reader.end().map(|()| json))
            .map_err(|error| JsonError::new(syntax_text(&text, &error)))
    }

    /// What Go calls this kind of value in its error messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "bool",
            Json::Int(_) | Json::Float(_) => "number",
            Json::Text(_) => "string",
            Json::List(_) => "array",
            Json::Object(_) => "object",
        }
    }

    /// The value as it may have been written; of arrays and objects only the brackets.
    pub(super) fn literal(&self) -> Cow<'static, str> {
        match self {
            Json::Null => "null".into(),
            Json::Bool(true) => "true".into(),
            Json::Bool(false) => "false".into(),
            Json::Int(n) => n.to_string().into(),
            Json::Float(n) => n.to_string().into(),
            Json::Text(text) => quoted(text).into(),
            Json::List(_) => "[]".into(),
            Json::Object(_) => "{}".into(),
        }
    }
}

/// `text` as a JSON string, quotes included.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Go's words for a syntax error.
fn syntax_text(text: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let message = error.to_string();
    let offset = offset_of(text, error);
    let Some(found) = text.as_bytes().get(offset.saturating_sub(1)).copied() else {
        return message;
    };
    format!("invalid character {} {} at offset {offset}", shown(found), expectation(&message))
}

/// The number of bytes read up to and with the offending one.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    line_start.saturating_add(error.column())
}

fn shown(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => format!("'{}'", char::from(byte).escape_default()),
    }
}

/// What Go says it was looking for, by what serde_json says.
fn expectation(message: &str) -> &'static str {
    const WORDS: &[(&str, &str)] = &[
        ("key must be a string", "looking for beginning of object key string"),
        ("trailing comma", "looking for beginning of object key string"),
        ("expected `:`", "after object key"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("trailing characters", "after top-level value"),
        ("control character", "in string literal"),
        ("invalid escape", "in string escape code"),
        ("expected ident", "in literal"),
    ];
    let known = WORDS.iter().find(|(theirs, _)| message.starts_with(theirs));
    known.map_or("looking for beginning of value", |(_, ours)| ours)
}

/// Reads one value and everything in it, paying for each from the budget.
#[derive(Clone, Copy)]
struct Seed<'a>(&'a Cell<u32>);

impl Seed<'_> {
    fn pay<E: Error>(self) -> Result<(), E> {
        let left = self.0.get().checked_sub(1).ok_or_else(|| E::custom("too many values"))?;
        self.0.set(left);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.pay()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Int(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        // serde_json hands on `-0` as a float; Go takes it for the integer it is.
        let minus_zero = value == 0.0 && value.is_sign_negative();
        Ok(if minus_zero { Json::Int(0) } else { Json::Float(value) })
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(self)? {
            list.push(entry);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.pay()?;
            object.push((key, entries.next_value_seed(self)?));
        }
        Ok(Json::Object(object))
    }
}

impl<'de> serde::Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Seed(&Cell::new(JSON_VALUES_MAX)).deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(body: &str) -> String {
        Json::parse(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn entries_keep_their_order_and_their_repetitions() {
        let Json::Object(entries) = Json::parse(br#"{"b":1,"a":2,"b":null}"#).unwrap() else {
            panic!("no object")
        };
        let keys: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["b", "a", "b"]);
    }

    #[test]
    fn syntax_errors_speak_as_go_does() {
        assert_eq!(refusal(""), "unexpected end of JSON input");
        assert_eq!(refusal("{\"a\":1"), "unexpected end of JSON input");
        assert_eq!(
            refusal("{not"),
            "invalid character 'n' looking for beginning of object key string at offset 2"
        );
        assert_eq!(refusal("{\"a\" 1}"), "invalid character '1' after object key at offset 6");
        assert_eq!(
            refusal("{\"a\":1 \"b\":1}"),
            "invalid character '\"' after object key:value pair at offset 8"
        );
        assert_eq!(refusal("[1 2]"), "invalid character '2' after array element at offset 4");
        assert_eq!(refusal("{}\n x"), "invalid character 'x' after top-level value at offset 5");
        assert_eq!(
            refusal("{\"a\":\n?}"),
            "invalid character '?' looking for beginning of value at offset 7"
        );
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        assert!(Json::parse("[".repeat(200).as_bytes()).is_err());
        let crowd = format!("[{}0]", "0,".repeat(JSON_VALUES_MAX as usize));
        assert!(Json::parse(crowd.as_bytes()).is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(Json::parse(b"\"a\xff\"").unwrap(), Json::Text("a\u{fffd}".to_owned()));
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_fall(body in "[\\[\\]{}:,\"a-e0-9. \n\\\\é-]{0,40}") {
            let _ = Json::parse(body.as_bytes());
        }
    }
}
