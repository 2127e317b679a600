//! UNSUB.

use super::Session;

impl Session {
    /// Ends a subscription, or sets the number of messages after which it ends. An unknown sid is no error.
    pub(super) fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        let found = self.subscriber().subscription(sid);
        if self.settings.verbose {
            self.send_ok();
        }
        let Some(subscription) = found else { return };
        let goes_on = max.is_some_and(|max| subscription.limit(max));
        if !goes_on {
            self.trace_end_of_subscription(sid);
            self.subscriber().forget(&subscription);
            self.account.unsubscribe(&subscription);
        }
    }

    /// Ends all subscriptions.
    pub(super) fn unsubscribe_all(&mut self) {
        for subscription in self.subscriber().forget_all() {
            self.account.unsubscribe(&subscription);
        }
    }
}
