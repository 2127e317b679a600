//! What can be asked of `/connz`.

use serde::Deserialize;

use super::sort::SortBy;
use crate::monitor::query::{BadRequest, Query};
use crate::monitor::source::Connection;

/// Which connections, in which order, and how much of each. As JSON these are the options of `$SYS` requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ConnzOptions {
    /// A name of [`SortBy`]; empty is by number.
    pub sort: String,
    /// Show who is logged in.
    pub auth: bool,
    /// List subjects.
    pub subscriptions: bool,
    /// List subscriptions in full.
    pub subscriptions_detail: bool,
    /// How many to leave out at the start; below zero is zero.
    pub offset: i64,
    /// How many at most; zero or below is the default.
    pub limit: i64,
    /// Only this connection, if not zero.
    pub cid: u64,
    /// Only this MQTT client, if not empty.
    pub mqtt_client: String,
    pub state: State,
    /// Only this user, if not empty.
    pub user: String,
    /// Only this account, if not empty.
    pub acc: String,
    /// Only those with a subscription that overlaps this, if not empty. Needs `acc`.
    pub filter_subject: String,
}

/// Open connections, closed ones, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "u8")]
pub enum State {
    #[default]
    Open,
    Closed,
    All,
}

/// The numbers that `$SYS` requests use.
impl From<u8> for State {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Closed,
            2 => Self::All,
            _ => Self::Open,
        }
    }
}

impl State {
    fn parse(text: &str) -> Result<Self, BadRequest> {
        match text.to_ascii_lowercase().as_str() {
            "" | "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            "any" | "all" => Ok(Self::All),
            _ => Err(BadRequest(format!("Error decoding state for {text}"))),
        }
    }
}

impl ConnzOptions {
    /// Reads the options of an HTTP request.
    pub fn from_query(query: &Query<'_>) -> Result<Self, BadRequest> {
        let subscriptions_detail = query.text("subs").eq_ignore_ascii_case("detail");
        let acc = query.text("acc").to_owned();
        // nats-server takes no filter over HTTP; without an account it stays without effect here, too.
        let filter_subject = if acc.is_empty() { "" } else { query.text("filter_subject") };
        Ok(Self {
            sort: query.text("sort").to_owned(),
            auth: query.bool("auth")?,
            subscriptions: !subscriptions_detail && query.bool("subs")?,
            subscriptions_detail,
            offset: query.int("offset")?,
            limit: query.int("limit")?,
            cid: query.uint("cid")?,
            mqtt_client: query.text("mqtt_client").to_owned(),
            state: State::parse(query.text("state"))?,
            user: query.text("user").to_owned(),
            filter_subject: filter_subject.to_owned(),
            acc,
        })
    }

    /// Whether the options go together.
    pub(super) fn check(&self) -> Result<(), BadRequest> {
        let problem = match SortBy::parse(&self.sort) {
            None => format!("invalid sorting option: {}", self.sort),
            Some(sort) if sort.is_for_closed() && self.state != State::Closed => {
                format!("sort by {} only valid on closed connections", self.sort)
            }
            Some(_) if self.subject_filter().is_some() && self.acc.is_empty() => {
                "filter by subject only valid with account filtering".to_owned()
            }
            Some(_) => return Ok(()),
        };
        Err(BadRequest(problem))
    }

    pub(super) fn sort(&self) -> SortBy {
        SortBy::parse(&self.sort).unwrap_or_default()
    }

    pub(super) fn offset(&self) -> usize {
        usize::try_from(self.offset).unwrap_or_default()
    }

    pub(super) fn limit_or(&self, default: usize) -> usize {
        usize::try_from(self.limit).ok().filter(|limit| *limit > 0).unwrap_or(default)
    }

    pub(super) fn subject_filter(&self) -> Option<&str> {
        Some(self.filter_subject.as_str()).filter(|filter| !filter.is_empty() && *filter != ">")
    }

    /// Whether number, user and MQTT client fit.
    pub(super) fn wants(&self, connection: &Connection) -> bool {
        let info = &connection.info;
        (self.cid == 0 || self.cid == info.cid)
            && (self.user.is_empty() || *self.user == *info.user)
            && (self.mqtt_client.is_empty() || self.mqtt_client == connection.mqtt_client)
    }
}
