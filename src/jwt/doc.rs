//! Reading fields from a JSON tree. What is missing or null has its default; what has another type is an error.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::JwtError;

/// A JSON value, perhaps missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doc<'a>(pub Option<&'a Value>);

type Read<T> = Result<T, JwtError>;

impl<'a> Doc<'a> {
    /// The member of this name.
    pub fn at(self, name: &str) -> Doc<'a> {
        Doc(self.0.and_then(|value| value.get(name)).filter(|value| !value.is_null()))
    }

    /// The member of this name, which has to be an object.
    pub fn object(self, name: &'static str) -> Read<Doc<'a>> {
        let member = self.at(name);
        if member.0.is_some_and(|value| !value.is_object()) { Err(JwtError::Field(name)) } else { Ok(member) }
    }

    pub fn exists(self) -> bool {
        self.0.is_some()
    }

    pub fn text(self, name: &'static str) -> Read<String> {
        Ok(self.str(name)?.to_owned())
    }

    pub fn str(self, name: &'static str) -> Read<&'a str> {
        self.at(name).0.map_or(Ok(""), |value| value.as_str().ok_or(JwtError::Field(name)))
    }

    pub fn flag(self, name: &'static str) -> Read<bool> {
        self.at(name).0.map_or(Ok(false), |value| value.as_bool().ok_or(JwtError::Field(name)))
    }

    pub fn number(self, name: &'static str) -> Read<i64> {
        self.at(name).0.map_or(Ok(0), |value| value.as_i64().ok_or(JwtError::Field(name)))
    }

    /// An object; no members if it is missing.
    pub fn map(self, name: &'static str) -> Read<impl Iterator<Item = (&'a str, Doc<'a>)>> {
        let map: Option<&Map<_, _>> = match self.at(name).0 {
            Some(value) => Some(value.as_object().ok_or(JwtError::Field(name))?),
            None => None,
        };
        Ok(map.into_iter().flatten().map(|(key, value)| (key.as_str(), Doc(Some(value)))))
    }

    /// An array; no elements if it is missing.
    pub fn list(self, name: &'static str) -> Read<impl Iterator<Item = Doc<'a>>> {
        let list: &[Value] = match self.at(name).0 {
            Some(value) => value.as_array().ok_or(JwtError::Field(name))?,
            None => &[],
        };
        Ok(list.iter().map(|value| Doc(Some(value))))
    }

    /// The elements of this value itself, which has to be an array; `name` is what an error calls it.
    pub fn elements(self, name: &'static str) -> Read<impl Iterator<Item = Doc<'a>>> {
        let list = self.0.and_then(Value::as_array).ok_or(JwtError::Field(name))?;
        Ok(list.iter().map(|value| Doc(Some(value))))
    }

    pub fn texts(self, name: &'static str) -> Read<Vec<String>> {
        let text = |doc: Doc<'_>| doc.as_str().map(str::to_owned).ok_or(JwtError::Field(name));
        self.list(name)?.map(text).collect()
    }

    pub fn numbers_by_key(self, name: &'static str) -> Read<BTreeMap<Box<str>, i64>> {
        let entry = |(key, doc): (&str, Doc<'_>)| {
            let number = doc.0.and_then(Value::as_i64).ok_or(JwtError::Field(name))?;
            Ok((key.into(), number))
        };
        self.map(name)?.map(entry).collect()
    }

    pub fn as_str(self) -> Option<&'a str> {
        self.0.and_then(Value::as_str)
    }
}
