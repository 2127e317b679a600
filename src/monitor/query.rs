//! The query part of a request, with the error texts of nats-server.

use std::borrow::Cow;
use std::fmt;
use std::num::IntErrorKind;

/// A request that is answered 400 with this text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest(pub String);

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRequest {}

/// The parameters of one request; of several with the same name the first counts.
#[derive(Debug, Default)]
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads what stands behind the `?`.
    pub fn parse(text: &'a str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).collect())
    }

    /// The text of a parameter, empty if it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A truth value in one of the spellings of Go's `ParseBool`; false if it is absent.
    pub fn bool(&self, name: &str) -> Result<bool, BadRequest> {
        match self.text(name) {
            "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            other => Err(wrong("boolean", name, "ParseBool", other, "invalid syntax")),
        }
    }

    /// A number with or without sign; 0 if it is absent.
    pub fn int(&self, name: &str) -> Result<i64, BadRequest> {
        match self.text(name) {
            "" => Ok(0),
            text => text.parse().map_err(|error| wrong("int", name, "Atoi", text, problem(&error))),
        }
    }

    /// A number without sign; 0 if it is absent.
    pub fn uint(&self, name: &str) -> Result<u64, BadRequest> {
        match self.text(name) {
            "" => Ok(0),
            text if text.starts_with('+') => Err(wrong("uint64", name, "ParseUint", text, "invalid syntax")),
            text => text.parse().map_err(|error| wrong("uint64", name, "ParseUint", text, problem(&error))),
        }
    }
}

fn problem(error: &std::num::ParseIntError) -> &'static str {
    match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

fn wrong(kind: &str, name: &str, function: &str, text: &str, problem: &str) -> BadRequest {
    BadRequest(format!("Error decoding {kind} for '{name}': strconv.{function}: parsing {text:?}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_values_counts_and_is_decoded() {
        let query = Query::parse("acc=a%2Eb+c&acc=z&auth=T&n=-5&cid=%35");
        assert_eq!(query.text("acc"), "a.b c");
        assert_eq!((query.bool("auth"), query.int("n"), query.uint("cid")), (Ok(true), Ok(-5), Ok(5)));
        assert_eq!((query.bool("x"), query.int("x"), query.uint("x")), (Ok(false), Ok(0), Ok(0)));
    }

    #[test]
    fn what_cannot_be_read_is_explained_as_go_does() {
        let query = Query::parse("a=maybe&b=x&c=-1&d=99999999999999999999&e=%2B1");
        let text = |result: BadRequest| result.0;
        assert_eq!(
            text(query.bool("a").unwrap_err()),
            r#"Error decoding boolean for 'a': strconv.ParseBool: parsing "maybe": invalid syntax"#
        );
        assert_eq!(
            text(query.int("b").unwrap_err()),
            r#"Error decoding int for 'b': strconv.Atoi: parsing "x": invalid syntax"#
        );
        assert_eq!(
            text(query.uint("c").unwrap_err()),
            r#"Error decoding uint64 for 'c': strconv.ParseUint: parsing "-1": invalid syntax"#
        );
        assert_eq!(
            text(query.int("d").unwrap_err()),
            r#"Error decoding int for 'd': strconv.Atoi: parsing "99999999999999999999": value out of range"#
        );
        assert_eq!((query.int("e"), query.uint("e").is_err()), (Ok(1), true));
    }
}
