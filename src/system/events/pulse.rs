//! Events that come by the clock: the server's summary, and the connections of accounts, which are gathered for a moment so that a
//! storm of connections does not become a storm of events.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::{connections, publish, statsz_subject};
use crate::system::desk::{Desk, json};
use crate::system::statsz::statsz;

/// The first summary comes soon, each later one after twice the time, up to [`STATSZ_INTERVAL`].
const STATSZ_FIRST: Duration = Duration::from_millis(250);
const STATSZ_INTERVAL: Duration = Duration::from_secs(10);

/// Changes are gathered for so long.
const GATHERING: Duration = Duration::from_millis(100);

/// Accounts in use are told about at least so often.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Accounts whose changes may wait to be told.
const CHANGED_MAX: usize = 100_000;

/// The periodic events; they end with the desk.
pub(super) struct Pulse {
    desk: Weak<Desk>,
    changes: Arc<Changes>,
}

#[derive(Default)]
struct Changes {
    accounts: Mutex<BTreeSet<String>>,
    some: Notify,
}

impl Pulse {
    /// Starts in the current runtime.
    pub(super) fn start(desk: &Arc<Desk>) -> Self {
        let (desk, changes) = (Arc::downgrade(desk), Arc::<Changes>::default());
        tokio::spawn(beat(desk.clone(), changes.clone()));
        Self { desk, changes }
    }

    /// An account has gained or lost a connection.
    pub(super) fn connections_changed(&self, account: &str) {
        let Some(desk) = self.desk.upgrade() else { return };
        if !connections::is_wanted(&desk, account) {
            return;
        }
        let mut accounts = self.changes.accounts.lock();
        if accounts.len() < CHANGED_MAX && accounts.insert(account.to_owned()) {
            self.changes.some.notify_one();
        }
    }
}

async fn beat(desk: Weak<Desk>, changes: Arc<Changes>) {
    let mut statsz_after = STATSZ_FIRST;
    let mut statsz_at = Instant::now() + statsz_after;
    let mut heartbeat_at = Instant::now() + HEARTBEAT;
    loop {
        let gathered = async {
            changes.some.notified().await;
            sleep(GATHERING).await;
        };
        tokio::select! {
            () = gathered => {}
            () = sleep_until(statsz_at.min(heartbeat_at)) => {}
        }
        let Some(desk) = desk.upgrade() else { return };
        if Instant::now() >= statsz_at {
            publish_statsz(&desk);
            statsz_after = (statsz_after * 2).min(STATSZ_INTERVAL);
            statsz_at += statsz_after;
        }
        if Instant::now() >= heartbeat_at {
            note_all_in_use(&desk, &changes);
            heartbeat_at += HEARTBEAT;
        }
        let changed = std::mem::take(&mut *changes.accounts.lock());
        for account in changed {
            connections::tell(&desk, &account);
        }
    }
}

fn publish_statsz(desk: &Desk) {
    let subject = statsz_subject(desk.server.id());
    publish(desk, &subject, || desk.enveloped(&[("statsz", json(&statsz(&*desk.source)))]));
}

fn note_all_in_use(desk: &Desk, changes: &Changes) {
    let global = desk.server.accounts().global();
    for account in desk.server.accounts().all() {
        let is_shown = !Arc::ptr_eq(&account, global) && account.connection_count() > 0;
        if is_shown && connections::is_wanted(desk, account.name()) {
            changes.accounts.lock().insert(account.name().to_string());
        }
    }
}
