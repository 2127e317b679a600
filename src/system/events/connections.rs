//! How many connections an account has.

use crate::monitor::accstatz::{AccountStat, AccstatzOptions, accstatz};
use crate::system::desk::Desk;

/// The type of the event.
const KIND: &str = "io.nats.server.advisory.v1.account_connections";

/// The event for one account, which is also the answer to who asks for it; `None` if nobody is connected to it.
pub(in crate::system) fn connections_of(desk: &Desk, account: &str) -> Option<Vec<u8>> {
    let stat = stat_of(desk, account)?;
    (stat.conns > 0 || stat.leafnodes > 0).then(|| desk.event(KIND, stat))
}

/// Tells the account's connections, also that there are none any more. `false` if there are none.
pub(super) fn tell(desk: &Desk, account: &str) -> bool {
    let subjects = subjects(account);
    let Some(stat) = stat_of(desk, account) else { return false };
    let is_used = stat.conns > 0 || stat.leafnodes > 0;
    let event = desk.event(KIND, stat);
    subjects.iter().for_each(|subject| super::publish(desk, subject, || event.clone()));
    is_used
}

/// Whether anybody wants to know.
pub(super) fn is_wanted(desk: &Desk, account: &str) -> bool {
    let system = desk.server.accounts().system();
    subjects(account).iter().any(|subject| system.has_interest(subject.as_bytes()))
}

/// The second is the older name.
fn subjects(account: &str) -> [String; 2] {
    [format!("$SYS.ACCOUNT.{account}.SERVER.CONNS"), format!("$SYS.SERVER.ACCOUNT.{account}.CONNS")]
}

fn stat_of(desk: &Desk, account: &str) -> Option<AccountStat> {
    let options = AccstatzOptions { accounts: vec![account.to_owned()], include_unused: true };
    accstatz(&*desk.source, &options).account_statz.into_iter().next()
}
