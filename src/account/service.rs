//! Subscriptions of the broker's own code.

use std::fmt;
use std::sync::Arc;

use super::Account;
use crate::router::{Service, Sink, Subscription};

/// A subject that cannot be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSubject(pub String);

impl fmt::Display for InvalidSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid subject {:?}", self.0)
    }
}

impl std::error::Error for InvalidSubject {}

/// Keeps a service subscribed; dropping it unsubscribes.
#[must_use = "dropping it unsubscribes"]
pub struct ServiceSubscription {
    account: Arc<Account>,
    subscription: Arc<Subscription>,
}

impl ServiceSubscription {
    pub(super) fn new(
        account: &Arc<Account>,
        subject: &str,
        queue: Option<&str>,
        service: Arc<dyn Service>,
    ) -> Result<Self, InvalidSubject> {
        let sink = Sink::Service(service);
        let subscription = Arc::new(Subscription::new(subject.as_bytes(), queue.map(str::as_bytes), sink));
        match account.subscribe(&subscription) {
            true => Ok(Self { account: account.clone(), subscription }),
            false => Err(InvalidSubject(subject.to_owned())),
        }
    }
}

impl Drop for ServiceSubscription {
    fn drop(&mut self) {
        self.account.unsubscribe(&self.subscription);
    }
}
