//! Looking after answers of exported services that do not come.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::sleep;

use super::Server;
use crate::account::Realm;

/// Gives up answers when their time has come, as long as the server is there.
pub(super) async fn look_after(server: Weak<Server>, realm: Arc<Realm>) {
    loop {
        let now = realm.clock.now();
        let wait = Duration::from_nanos(u64::try_from(realm.deadline().saturating_sub(now)).unwrap_or(0));
        if !wait.is_zero() {
            tokio::select! {
                () = sleep(wait.min(WAIT_MAX)) => {}
                () = realm.sooner() => {}
            }
            continue;
        }
        let Some(server) = server.upgrade() else { return };
        realm.begin_round();
        for account in server.accounts().all() {
            account.expire_answers(now).into_iter().for_each(|next| realm.wake_at(next));
        }
    }
}

/// A clock that was set back is noticed after this time.
const WAIT_MAX: Duration = Duration::from_secs(3600);
