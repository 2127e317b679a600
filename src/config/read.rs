//! Reading single values: the type a directive wants, or a complaint that points at it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::duration;
use super::grammar::{Map, Node, Value};
use super::report::{Problem, Report};
use super::secret::Secret;

/// A `host:port`, a `:port` or a bare port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// Empty if the directive names none.
    pub(crate) host: String,
    pub(crate) port: Port,
}

/// A port as directives and flags write it: 0 says "as if not written", -1 "any free one".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Unset,
    Random,
    Fixed(u16),
}

impl Port {
    pub(crate) fn new(number: i64) -> Result<Self, String> {
        match number {
            0 => Ok(Self::Unset),
            -1 => Ok(Self::Random),
            _ => match u16::try_from(number) {
                Ok(port) => Ok(Self::Fixed(port)),
                Err(_) => Err(format!("invalid port {number}")),
            },
        }
    }

    /// The port to listen on, where 0 lets the system choose; nothing if none was written.
    pub(crate) fn listen(self) -> Option<u16> {
        match self {
            Self::Unset => None,
            Self::Random => Some(0),
            Self::Fixed(port) => Some(port),
        }
    }
}

impl Node {
    fn expected(&self, what: &str) -> Problem {
        Problem::at(&self.at, format!("expected {what}, got {}", self.value.a_kind()))
    }

    pub(super) fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::at(&self.at, reason)
    }

    pub(super) fn bool(&self) -> Result<bool, Problem> {
        match self.value {
            Value::Bool(value) => Ok(value),
            _ => Err(self.expected("a bool")),
        }
    }

    pub(super) fn integer(&self) -> Result<i64, Problem> {
        match self.value {
            Value::Integer(number) => Ok(number),
            _ => Err(self.expected("an integer")),
        }
    }

    pub(super) fn text(&self) -> Result<&str, Problem> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.expected("a string")),
        }
    }

    pub(super) fn string(&self) -> Result<String, Problem> {
        self.text().map(str::to_owned)
    }

    /// A string of which the empty one stands for none.
    pub(super) fn name(&self) -> Result<Option<String>, Problem> {
        let text = self.text()?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    pub(super) fn secret(&self) -> Result<Option<Secret>, Problem> {
        Ok(self.name()?.map(Secret::new))
    }

    pub(super) fn path(&self) -> Result<Option<std::path::PathBuf>, Problem> {
        Ok(self.name()?.map(Into::into))
    }

    pub(super) fn map(&self) -> Result<&Map, Problem> {
        match &self.value {
            Value::Map(map) => Ok(map),
            _ => Err(self.expected("a map")),
        }
    }

    pub(super) fn array(&self) -> Result<&[Node], Problem> {
        match &self.value {
            Value::Array(values) => Ok(values),
            _ => Err(self.expected("an array")),
        }
    }

    /// One string or an array of strings.
    pub(super) fn strings(&self) -> Result<Vec<String>, Problem> {
        match &self.value {
            Value::Text(text) => Ok(vec![text.clone()]),
            Value::Array(values) => values.iter().map(Node::string).collect(),
            _ => Err(self.expected("a string or an array of strings")),
        }
    }

    pub(super) fn string_map(&self) -> Result<BTreeMap<String, String>, Problem> {
        self.map()?.iter().map(|entry| Ok((entry.key.to_string(), entry.node.string()?))).collect()
    }

    pub(super) fn bool_map(&self) -> Result<BTreeMap<String, bool>, Problem> {
        self.map()?.iter().map(|entry| Ok((entry.key.to_string(), entry.node.bool()?))).collect()
    }

    /// A count or size that cannot be negative.
    pub(super) fn unsigned(&self) -> Result<u64, Problem> {
        let number = self.integer()?;
        u64::try_from(number).map_err(|_| self.problem(format!("value {number} can not be negative")))
    }

    /// A limit of which zero or less means that there is none.
    pub(super) fn limit(&self) -> Result<Option<u64>, Problem> {
        let number = self.integer()?;
        Ok(u64::try_from(number).ok().filter(|&limit| limit > 0))
    }

    /// A limit of which a negative number means that there is none.
    pub(super) fn limit_or_zero(&self) -> Result<Option<u64>, Problem> {
        self.integer().map(|number| u64::try_from(number).ok())
    }

    pub(super) fn port(&self) -> Result<Port, Problem> {
        Port::new(self.integer()?).map_err(|reason| self.problem(reason))
    }

    /// A port, `host:port` or `:port`.
    pub(super) fn host_port(&self) -> Result<HostPort, Problem> {
        match &self.value {
            Value::Integer(_) => Ok(HostPort { host: String::new(), port: self.port()? }),
            Value::Text(text) => host_port(text).map_err(|reason| self.problem(reason)),
            other => Err(self.problem(format!("expected port or host:port, got {}", other.kind()))),
        }
    }

    /// A duration in Go syntax, in nanoseconds.
    pub(super) fn nanos(&self) -> Result<i64, Problem> {
        duration::parse(self.text()?).map_err(|reason| self.problem(reason))
    }

    /// A duration in Go syntax that is not negative. A bare integer is seconds, and deprecated.
    pub(super) fn duration(&self, field: &str, report: &mut Report) -> Result<Duration, Problem> {
        let nanos = match &self.value {
            Value::Integer(seconds) => {
                let hint =
                    format!("invalid use of field {field:?}: {field} should be converted to a duration");
                report.warn(self.problem(hint));
                seconds.saturating_mul(1_000_000_000)
            }
            _ => duration::parse(self.text()?)
                .map_err(|reason| self.problem(format!("error parsing {field}: {reason}")))?,
        };
        match u64::try_from(nanos) {
            Ok(nanos) => Ok(Duration::from_nanos(nanos)),
            Err(_) => Err(self.problem(format!("{field} can not be negative"))),
        }
    }

    /// A timeout: a number of seconds, perhaps with a fraction, or a duration in Go syntax.
    pub(super) fn seconds(&self) -> Result<Duration, Problem> {
        let seconds = match &self.value {
            Value::Integer(seconds) => *seconds as f64,
            Value::Float(seconds) => *seconds,
            Value::Text(text) => duration::parse(text).map_err(|reason| self.problem(reason))? as f64 / 1e9,
            _ => return Err(self.expected("a number of seconds or a duration")),
        };
        Duration::try_from_secs_f64(seconds).map_err(|_| self.problem("timeout can not be negative"))
    }

    /// A storage size: an integer, or a string such as `"8M"`; negative means no limit.
    pub(super) fn storage_bytes(&self, field: &str) -> Result<Option<u64>, Problem> {
        let bytes = match &self.value {
            Value::Integer(bytes) => *bytes,
            Value::Text(text) => {
                storage_bytes(text).map_err(|reason| self.problem(format!("{field} {reason}")))?
            }
            _ => return Err(self.problem(format!("{field} must be int64 or string"))),
        };
        Ok(u64::try_from(bytes).ok())
    }
}

/// Splits `host:port`, where an IPv6 host stands in brackets.
pub(crate) fn host_port(text: &str) -> Result<HostPort, String> {
    let unreadable = || format!("could not parse address string {text:?}");
    let (host, port) = text.rsplit_once(':').ok_or_else(unreadable)?;
    let host = match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').ok_or_else(unreadable)?,
        None if host.contains([':', '[', ']']) => return Err(unreadable()),
        None => host,
    };
    let number: i64 = port.parse().map_err(|_| format!("could not parse port {port:?}"))?;
    Ok(HostPort { host: host.to_owned(), port: Port::new(number)? })
}

fn storage_bytes(text: &str) -> Result<i64, String> {
    let Some(unit) = text.chars().last() else {
        return Ok(0);
    };
    let digits = text.strip_suffix(unit).unwrap_or("");
    let invalid = || format!("{text:?} is no size");
    let number: i64 = digits.parse().map_err(|_| invalid())?;
    let shift = match unit {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return Err("sizes defined as strings must end in K, M, G, T".to_owned()),
    };
    number.checked_mul(1 << shift).ok_or_else(invalid)
}
