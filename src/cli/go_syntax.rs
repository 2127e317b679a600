//! Arguments as programs written in Go read them, turned into the form clap reads.
//!
//! One dash or two are the same, a value follows as `-flag=value` or `-flag value`, a boolean takes a value only with
//! `=`, and the first argument that is no flag ends the flags.

use std::any::TypeId;

use clap::builder::ValueParser;
use clap::{Arg, Command};

/// Flags in the form `--name=value`, and what came after them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) flags: Vec<String>,
    pub(super) words: Vec<String>,
}

/// Reads `args` by the flags that `command` defines; the complaints are Go's.
pub(super) fn parse(args: impl IntoIterator<Item = String>, command: &Command) -> Result<Parsed, String> {
    let mut args = args.into_iter();
    let mut flags = Vec::new();
    while let Some(argument) = args.next() {
        if argument == "--" {
            return Ok(Parsed { flags, words: args.collect() });
        }
        if argument == "-" || !argument.starts_with('-') {
            return Ok(Parsed { flags, words: std::iter::once(argument).chain(args).collect() });
        }
        flags.push(flag(&argument, &mut args, command)?);
    }
    Ok(Parsed { flags, words: Vec::new() })
}

fn flag(argument: &str, rest: &mut dyn Iterator<Item = String>, command: &Command) -> Result<String, String> {
    let body = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).unwrap_or(argument);
    if body.is_empty() || body.starts_with(['-', '=']) {
        return Err(format!("bad flag syntax: {argument}"));
    }
    let (name, value) = match body.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (body, None),
    };
    let defined = command.get_arguments().find(|arg| names(arg).any(|known| known == name));
    let arg = defined.ok_or_else(|| format!("flag provided but not defined: -{name}"))?;
    let value = match Kind::of(arg) {
        Kind::Bool => bool_value(name, value)?,
        kind => {
            let value =
                value.or_else(|| rest.next()).ok_or_else(|| format!("flag needs an argument: -{name}"))?;
            if kind == Kind::Integer { integer_value(name, &value)? } else { value }
        }
    };
    Ok(format!("--{}={value}", arg.get_long().unwrap_or(name)))
}

/// All names of a flag, the longest-serving first.
pub(super) fn names(arg: &Arg) -> impl Iterator<Item = &str> {
    arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default())
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Integer,
    Text,
}

impl Kind {
    pub(super) fn of(arg: &Arg) -> Self {
        let takes = |parser: ValueParser| arg.get_value_parser().type_id() == parser.type_id();
        if takes(ValueParser::bool()) {
            Self::Bool
        } else if arg.get_value_parser().type_id() == TypeId::of::<i64>() {
            Self::Integer
        } else {
            Self::Text
        }
    }
}

fn bool_value(name: &str, value: Option<String>) -> Result<String, String> {
    let Some(value) = value else { return Ok("true".to_owned()) };
    match value.as_str() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true".to_owned()),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false".to_owned()),
        _ => Err(format!("invalid boolean value {value:?} for -{name}: parse error")),
    }
}

fn integer_value(name: &str, value: &str) -> Result<String, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    match value.parse::<i64>() {
        Ok(number) => Ok(number.to_string()),
        Err(error) => {
            let out_of_range = matches!(error.kind(), PosOverflow | NegOverflow);
            let reason = if out_of_range { "value out of range" } else { "parse error" };
            Err(format!("invalid value {value:?} for flag -{name}: {reason}"))
        }
    }
}
