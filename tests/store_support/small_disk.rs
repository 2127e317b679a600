//! Mount namespaces, in which a test has file systems of its own. Root may make them, and on most systems everybody.

use std::process::{Command, Stdio};

/// Ways to a mount namespace, from the one that needs most to the one that needs least.
const WAYS: [&[&str]; 3] = [&["unshare", "-m"], &["unshare", "-r", "-m"], &["sudo", "-n", "unshare", "-m"]];

/// The first way to a mount namespace that works here.
pub fn way() -> &'static [&'static str] {
    let works = |way: &&&[&str]| {
        let mut probe = Command::new(way[0]);
        probe.args(&way[1..]).args(["sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]);
        probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    WAYS.iter().find(works).expect("a mount namespace: as root, with user namespaces, or with sudo")
}
