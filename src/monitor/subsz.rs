//! `/subsz`: subscriptions and how the subject index is used.

use headwater_protocol::subject;
use serde::{Deserialize, Serialize};

use super::connz::SubscriptionDetail;
use super::number::{time, zero};
use super::query::{BadRequest, Query};
use super::source::{Source, SubscriptionFacts, SubscriptionStats};
use crate::clock::UnixNanos;

/// Subscriptions per answer when no limit is asked for.
const LIMIT_DEFAULT: usize = 1024;

/// Which subscriptions. As JSON these are the options of `$SYS` requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SubszOptions {
    /// How many to leave out at the start; below zero is zero.
    pub offset: i64,
    /// How many at most; zero or below is the default.
    pub limit: i64,
    /// List them.
    pub subscriptions: bool,
    /// Only of this account, if not empty.
    pub account: String,
    /// Only those that a message on this subject would reach, if not empty.
    pub test: String,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Subsz {
    pub server_id: String,
    #[serde(serialize_with = "time")]
    pub now: UnixNanos,
    #[serde(flatten)]
    pub stats: SubscriptionStats,
    /// How many fit, before paging; 0 if they are not listed.
    pub total: usize,
    pub offset: usize,
    pub limit: usize,
    #[serde(skip_serializing_if = "zero")]
    pub subscriptions_list: Vec<SubscriptionDetail>,
}

impl SubszOptions {
    /// Reads the options of an HTTP request.
    pub fn from_query(query: &Query<'_>) -> Result<Self, BadRequest> {
        Ok(Self {
            subscriptions: query.bool("subs")?,
            offset: query.int("offset")?,
            limit: query.int("limit")?,
            test: query.text("test").to_owned(),
            account: query.text("acc").to_owned(),
        })
    }

    fn account(&self) -> Option<&str> {
        Some(self.account.as_str()).filter(|account| !account.is_empty())
    }

    fn wants(&self, found: &SubscriptionFacts) -> bool {
        self.test.is_empty() || subject::matches(found.subject.as_bytes(), self.test.as_bytes())
    }
}

/// Lists subscriptions.
pub fn subsz(source: &dyn Source, options: &SubszOptions) -> Result<Subsz, BadRequest> {
    if !options.test.is_empty() && !subject::is_literal(options.test.as_bytes()) {
        let text = format!("invalid test subject, must be valid publish subject: {}", options.test);
        return Err(BadRequest(text));
    }
    let mut answer = Subsz {
        server_id: source.server().id,
        now: source.now(),
        stats: source.subscription_stats(options.account()),
        total: 0,
        offset: usize::try_from(options.offset).unwrap_or_default(),
        limit: usize::try_from(options.limit).ok().filter(|limit| *limit > 0).unwrap_or(LIMIT_DEFAULT),
        subscriptions_list: Vec::new(),
    };
    if options.subscriptions {
        source.visit_subscriptions(options.account(), &mut |found| {
            if options.wants(found) {
                answer.add(found);
            }
        });
    }
    Ok(answer)
}

impl Subsz {
    /// Counts a subscription, and keeps it if it is on the page.
    fn add(&mut self, found: &SubscriptionFacts) {
        let on_page = self.total >= self.offset && self.subscriptions_list.len() < self.limit;
        self.total += 1;
        if on_page {
            let (account, account_tag) = (found.account.to_string(), found.account_tag.to_string());
            let detail = SubscriptionDetail::of_client(found.clone());
            self.subscriptions_list.push(SubscriptionDetail { account_tag, account, ..detail });
        }
    }
}
