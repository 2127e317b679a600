//! What changed between two configurations, and whether a running server can take it.
//!
//! The rules stand in the key tables; here is what they are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::duration;
use super::secret::Secret;

/// One option that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The option in nats-server's words, e.g. `MaxPayload`.
    pub option: &'static str,
    pub effect: Effect,
}

/// What a reload does with a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It takes effect; the line to log after `Reloaded: `.
    Applied(String),
    /// It needs a restart, so the whole reload is refused; why.
    Refused(String),
}

/// The differences found so far.
#[derive(Debug, Default)]
pub struct Changes(Vec<Change>);

impl Changes {
    /// All changes, or the first reason to refuse the reload.
    pub fn accepted(self) -> Result<Vec<Change>, String> {
        let refusal = self.0.iter().find_map(|change| match &change.effect {
            Effect::Refused(reason) => Some(reason.clone()),
            Effect::Applied(_) => None,
        });
        match refusal {
            Some(reason) => Err(reason),
            None => Ok(self.0),
        }
    }

    /// Everything that differs, in the order of the key tables.
    pub fn all(&self) -> &[Change] {
        &self.0
    }

    /// A change that takes effect; `{}` in `line` stands for the new value.
    pub(super) fn live<V: Shown + PartialEq>(&mut self, old: &V, new: &V, option: &'static str, line: &str) {
        if old != new {
            self.applied(option, line.replace("{}", &new.shown()));
        }
    }

    /// A change that needs a restart.
    pub(super) fn restart<V: Shown + PartialEq>(&mut self, old: &V, new: &V, option: &'static str) {
        if old != new {
            let (old, new) = (old.shown(), new.shown());
            self.refused(option, format!("config reload not supported for {option}: old={old}, new={new}"));
        }
    }

    pub(super) fn applied(&mut self, option: &'static str, line: String) {
        self.0.push(Change { option, effect: Effect::Applied(line) });
    }

    pub(super) fn refused(&mut self, option: &'static str, reason: String) {
        self.0.push(Change { option, effect: Effect::Refused(reason) });
    }
}

/// How a value looks in a message about a reload; secrets do not.
pub(super) trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown_as_written {
    ($($kind:ty),*) => {$(
        impl Shown for $kind {
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

shown_as_written!(bool, u8, u16, u32, u64, usize, i64, String);

impl Shown for Duration {
    fn shown(&self) -> String {
        duration::show(*self)
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl Shown for Secret {
    fn shown(&self) -> String {
        "[hidden]".to_owned()
    }
}

impl<V: Shown> Shown for Option<V> {
    fn shown(&self) -> String {
        self.as_ref().map(Shown::shown).unwrap_or_default()
    }
}

impl<V: Shown> Shown for Vec<V> {
    fn shown(&self) -> String {
        let values: Vec<String> = self.iter().map(Shown::shown).collect();
        format!("[{}]", values.join(" "))
    }
}

impl<V: Shown> Shown for BTreeSet<V> {
    fn shown(&self) -> String {
        self.iter().map(Shown::shown).collect::<Vec<_>>().shown()
    }
}

impl<V: Shown> Shown for BTreeMap<String, V> {
    fn shown(&self) -> String {
        let entries: Vec<String> =
            self.iter().map(|(key, value)| format!("{key}:{}", value.shown())).collect();
        format!("map[{}]", entries.join(" "))
    }
}
