//! Looking after what ends by itself: accounts, and leave to import.

use std::collections::BTreeSet;
use std::sync::Weak;
use std::time::Duration;

use tokio::time::sleep;

use super::{NANOS_PER_SECOND, Operator, install, terms};
use crate::router::CloseReason;

/// A clock that was set is noticed after this time.
const WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) async fn look_after(operator: Weak<Operator>) {
    let mut looked_at = 0;
    loop {
        let Some(strong) = operator.upgrade() else { return };
        let now = strong.now_seconds();
        strong.end_what_is_over(looked_at, now);
        looked_at = now;
        let wait = strong.next_end(now).map_or(WAIT_MAX, |end| {
            let nanos = end.saturating_mul(NANOS_PER_SECOND).saturating_sub(strong.now());
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)).min(WAIT_MAX)
        });
        tokio::select! {
            () = sleep(wait) => {}
            () = strong.rescheduled.notified() => {}
        }
    }
}

impl Operator {
    fn next_end(&self, now: i64) -> Option<i64> {
        let ends = self.all_held().into_iter().flat_map(|(_, held)| {
            let account = Some(held.claims.claims.expires).filter(|end| *end > now);
            [account, terms::next_activation_end(&held.claims, now)]
        });
        ends.flatten().min()
    }

    fn end_what_is_over(&self, looked_at: i64, now: i64) {
        let Some(server) = self.server.upgrade() else { return };
        let mut reconnected = BTreeSet::new();
        for (id, held) in self.all_held() {
            if held.is_expired_at(now) && held.end() {
                let text = "Account Authentication Expired";
                install::send_away(&server, &id, text, CloseReason::AuthenticationExpired);
            }
            if terms::next_activation_end(&held.claims, looked_at).is_some_and(|end| end <= now) {
                reconnected.insert(id);
            }
        }
        if !reconnected.is_empty() {
            self.reconnect(&reconnected);
        }
    }
}
