//! Reading typed values out of [`Json`] the way Go's `encoding/json` does, because that is what clients were
//! written against: keys match in any case, a missing key keeps the zero value, `null` changes nothing, and an
//! unknown key is an error only in strict mode.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display};

use super::error::{ApiError, ErrorCode};
use super::json::Json;

/// Why a body could not be read, in Go's words; what follows `invalid JSON: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError(Box<str>);

impl JsonError {
    pub(super) fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }
}

impl Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        ErrorCode::InvalidJson.with(error)
    }
}

/// A value that can be read in place.
pub trait FromJson {
    /// Takes `json` over; `place` is where in the document it stands.
    fn read(&mut self, json: Json, place: &Place<'_>) -> Result<(), JsonError>;
}

/// A value with named parts.
pub trait Fields {
    /// The field `key` names, in any case.
    fn field(&mut self, key: &str) -> Option<&mut dyn FromJson>;
}

/// A value that is a JSON object with a known set of keys.
pub trait JsonObject: FromJson + Fields {
    /// The Go type clients see named in error messages.
    const GO_TYPE: &'static str;
}

/// Reads a request body. Nothing at all is the zero value; unknown keys are refused if `strict`.
pub fn decode_request<T: JsonObject + Default>(body: &[u8], strict: bool) -> Result<T, JsonError> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    decode(body, strict)
}

/// Reads a body that has to be there. Unknown keys are refused if `strict`.
pub fn decode<T: JsonObject + Default>(body: &[u8], strict: bool) -> Result<T, JsonError> {
    let mut value = T::default();
    value.read(Json::parse(body)?, &Place::root(T::GO_TYPE, strict))?;
    Ok(value)
}

/// Where in a document a value stands, for error messages.
pub struct Place<'a> {
    outer: Option<&'a Place<'a>>,
    step: &'a str,
    index: Option<usize>,
    strict: bool,
}

impl<'a> Place<'a> {
    /// The document itself, of this Go type.
    pub(super) fn root(go_type: &'a str, strict: bool) -> Self {
        Self { outer: None, step: go_type, index: None, strict }
    }

    fn key(&'a self, key: &'a str) -> Place<'a> {
        Place { outer: Some(self), step: key, index: None, strict: self.strict }
    }

    fn entry(&'a self, index: usize) -> Place<'a> {
        Place { outer: Some(self), step: "", index: Some(index), strict: self.strict }
    }

    /// Go's complaint about a value of the wrong kind.
    fn mismatch(&self, found: &Json, wanted: &str) -> JsonError {
        let subject = match self.outer {
            None => format!("Go value of type server.{}", self.step),
            Some(_) if self.index.is_some() => format!("{} of type {wanted}", self.path()),
            Some(_) => format!("Go struct field {} of type {wanted}", self.path()),
        };
        let number = matches!(found, Json::Int(_) | Json::Float(_)) && wanted.contains("int");
        let literal = if number { Cow::Owned(format!(" {}", found.literal())) } else { Cow::Borrowed("") };
        JsonError::new(format!("json: cannot unmarshal {}{literal} into {subject}", found.kind()))
    }

    fn path(&self) -> String {
        let mut path = self.outer.map(|outer| outer.path() + ".").unwrap_or_default();
        match self.index {
            Some(index) => path.push_str(&index.to_string()),
            None => path.push_str(self.step),
        }
        path
    }
}

/// Reads the entries of an object into the fields they name.
pub(super) fn read_object(
    target: &mut dyn Fields,
    json: Json,
    place: &Place<'_>,
    go_type: &str,
) -> Result<(), JsonError> {
    let entries = match json {
        Json::Null => return Ok(()),
        Json::Object(entries) => entries,
        other => return Err(place.mismatch(&other, &format!("server.{go_type}"))),
    };
    for (key, value) in entries {
        match target.field(&key) {
            Some(field) => field.read(value, &place.key(&key))?,
            None if place.strict => {
                return Err(JsonError::new(format!("json: unknown field {key:?}")));
            }
            None => {}
        }
    }
    Ok(())
}

/// Makes a struct readable: `json_fields! { Type as "GoType" { field, … } }`, keys being the fields' names.
/// `+ field` names one whose own keys are read as if they were this struct's.
macro_rules! json_fields {
    ($type:ty as $go_type:literal { $($field:ident),* $(,)? } $(+ $inlined:ident)?) => {
        impl $crate::jetstream::from_json::JsonObject for $type {
            const GO_TYPE: &'static str = $go_type;
        }

        impl $crate::jetstream::from_json::Fields for $type {
            fn field(&mut self, key: &str) -> Option<&mut dyn $crate::jetstream::from_json::FromJson> {
                $(if key.eq_ignore_ascii_case(stringify!($field)) {
                    return Some(&mut self.$field);
                })*
                $(if let Some(field) = self.$inlined.field(key) {
                    return Some(field);
                })?
                None
            }
        }

        impl $crate::jetstream::from_json::FromJson for $type {
            fn read(
                &mut self,
                json: $crate::jetstream::json::Json,
                place: &$crate::jetstream::from_json::Place<'_>,
            ) -> Result<(), $crate::jetstream::from_json::JsonError> {
                $crate::jetstream::from_json::read_object(self, json, place, $go_type)
            }
        }
    };
}
pub(crate) use json_fields;

/// [`json_fields!`], and readable by serde too.
macro_rules! json_object {
    ($type:ty as $go_type:literal $($fields:tt)*) => {
        $crate::jetstream::from_json::json_fields! { $type as $go_type $($fields)* }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use $crate::jetstream::from_json::{FromJson, Place};
                let json = $crate::jetstream::json::Json::deserialize(deserializer)?;
                let mut value = Self::default();
                value.read(json, &Place::root($go_type, false)).map_err(serde::de::Error::custom)?;
                Ok(value)
            }
        }
    };
}
pub(crate) use json_object;

impl FromJson for bool {
    fn read(&mut self, json: Json, place: &Place<'_>) -> Result<(), JsonError> {
        match json {
            Json::Null => {}
            Json::Bool(value) => *self = value,
            other => return Err(place.mismatch(&other, "bool")),
        }
        Ok(())
    }
}

impl FromJson for String {
    fn read(&mut self, json: Json, place: &Place<'_>) -> Result<(), JsonError> {
        match json {
            Json::Null => {}
            Json::Text(value) => *self = value,
            other => return Err(place.mismatch(&other, "string")),
        }
        Ok(())
    }
}

impl FromJson for Cow<'static, str> {
    fn read(&mut self, json: Json, place: &Place<'_>) -> Result<(), JsonError> {
        self.to_mut().read(json, place)
    }
}

/// An integer between `min` and `max`, or `None` for `null`.
fn integer(
    json: Json,
    place: &Place<'_>,
    range: (i128, i128),
    wanted: &str,
) -> Result<Option<i128>, JsonError> {
    match json {
        Json::Null => Ok(None),
        Json::Int(value) if (range.0..=range.1).contains(&value) => Ok(Some(value)),
        other => Err(place.mismatch(&other, wanted)),
    }
}

macro_rules! integers {
    ($($type:ident as $go_type:literal),+) => {$(
        impl FromJson for $type {
            fn read(&mut self, json: Json, place: &Place<'_>) -> Result<(), JsonError> {
                let range = ($type::MIN as i128, $type::MAX as i128);
                if let Some(value) = integer(json, place, range, $go_type)? {
                    *self = value as $type;
                }
                Ok(())
            }
        }
    )+};
}
integers! { i32 as "int32", i64 as "int64", u16 as "uint16", u64 as "uint64" }

impl<T: FromJson + Default> FromJson for Option<T> {
    fn read(&mut self, json: Json, place: &Place<'_>) -> Result<(), JsonError> {
        match json {
            Json::Null => *self = None,
            json => self.get_or_insert_with(T::default).read(json, place)?,
        }
        Ok(())
    }
}

impl<T: FromJson + Default> FromJson for Vec<T> {
    fn read(&mut self, json: Json, place: &Place<'_>) -> Result<(), JsonError> {
        self.clear();
        let entries = match json {
            Json::Null => return Ok(()),
            Json::List(entries) => entries,
            other => return Err(place.mismatch(&other, "[]")),
        };
        self.reserve_exact(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let mut value = T::default();
            value.read(entry, &place.entry(index))?;
            self.push(value);
        }
        Ok(())
    }
}

impl<T: FromJson + Default> FromJson for BTreeMap<String, T> {
    fn read(&mut self, json: Json, place: &Place<'_>) -> Result<(), JsonError> {
        let entries = match json {
            Json::Null => {
                self.clear();
                return Ok(());
            }
            Json::Object(entries) => entries,
            other => return Err(place.mismatch(&other, "map[string]")),
        };
        for (key, entry) in entries {
            let mut value = T::default();
            value.read(entry, &place.key(&key))?;
            self.insert(key, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Inner {
        depth: i32,
    }
    json_object! { Inner as "Inner" { depth } }

    #[derive(Debug, Default, PartialEq)]
    struct Outer {
        name: String,
        count: u64,
        tags: Vec<String>,
        inner: Option<Inner>,
        more: Inner,
        labels: BTreeMap<String, String>,
    }
    json_object! { Outer as "Outer" { name, count, tags, inner, labels } + more }

    fn read(body: &str) -> Outer {
        decode(body.as_bytes(), true).unwrap()
    }

    fn refusal(body: &str) -> String {
        decode::<Outer>(body.as_bytes(), true).unwrap_err().to_string()
    }

    #[test]
    fn keys_match_in_any_case_and_the_last_one_wins() {
        assert_eq!(read(r#"{"name":"a","NAME":"b"}"#).name, "b");
        assert_eq!(read(r#"{"NAME":"b","name":null}"#).name, "b");
    }

    #[test]
    fn null_and_missing_keep_the_zero_value() {
        let all_null = r#"{"name":null,"count":null,"tags":null,"inner":null,"labels":null,"depth":null}"#;
        assert_eq!(read(all_null), Outer::default());
        assert_eq!(read("null"), Outer::default());
        assert_eq!(read(r#"{"tags":["a",null]}"#).tags, ["a", ""]);
    }

    #[test]
    fn an_inlined_struct_shares_the_keys_of_its_owner() {
        assert_eq!(read(r#"{"depth":4}"#).more.depth, 4);
    }

    #[test]
    fn unknown_keys_are_refused_only_when_strict() {
        assert_eq!(refusal(r#"{"bogus":1}"#), r#"json: unknown field "bogus""#);
        assert_eq!(refusal(r#"{"inner":{"bogus":1}}"#), r#"json: unknown field "bogus""#);
        assert_eq!(decode::<Outer>(br#"{"bogus":1,"count":2}"#, false).unwrap().count, 2);
    }

    #[test]
    fn a_wrong_kind_of_value_is_named_as_go_names_it() {
        let cases = [
            (
                r#"{"count":"x"}"#,
                "json: cannot unmarshal string into Go struct field Outer.count of type uint64",
            ),
            (
                r#"{"count":-1}"#,
                "json: cannot unmarshal number -1 into Go struct field Outer.count of type uint64",
            ),
            (
                r#"{"count":1.5}"#,
                "json: cannot unmarshal number 1.5 into Go struct field Outer.count of type uint64",
            ),
            (r#"{"name":5}"#, "json: cannot unmarshal number into Go struct field Outer.name of type string"),
            (r#"{"tags":[1]}"#, "json: cannot unmarshal number into Outer.tags.0 of type string"),
            (
                r#"{"inner":{"depth":[]}}"#,
                "json: cannot unmarshal array into Go struct field Outer.inner.depth of type int32",
            ),
            ("[]", "json: cannot unmarshal array into Go value of type server.Outer"),
        ];
        for (body, text) in cases {
            assert_eq!(refusal(body), text);
        }
    }

    #[test]
    fn an_empty_body_is_the_zero_value_only_where_one_may_be_left_out() {
        assert_eq!(decode_request::<Outer>(b" \r\n", true).unwrap(), Outer::default());
        assert_eq!(decode::<Outer>(b"", false).unwrap_err().to_string(), "unexpected end of JSON input");
    }
}
