//! Asks a server what a user may do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::kit::Peer;
use crate::kit::users::login;
use crate::model::{Outcome, RESPONSES};
use crate::subjects::messages;

/// Asks for every publish, and for these subscriptions.
pub fn everything(addr: SocketAddr, user: usize, subscriptions: &[(String, Option<&str>)]) -> Outcome {
    let mut outcome = Outcome {
        refused_publishes: BTreeSet::new(),
        refused_subscriptions: BTreeSet::new(),
        deliveries: BTreeSet::new(),
    };
    let mut peer = connect(addr, &format!("u{user}"));
    for subject in messages() {
        peer.send(&format!("PUB {subject} 0\r\n\r\n"));
        if is_refused(&mut peer) {
            outcome.refused_publishes.insert(subject);
        }
    }
    for (sid, (subject, queue)) in subscriptions.iter().enumerate() {
        peer.send(&format!("SUB {subject} {} {sid}\r\n", queue.unwrap_or_default()));
        if is_refused(&mut peer) {
            outcome.refused_subscriptions.insert(sid);
            continue;
        }
        deliver_all(addr, &mut peer, sid, &mut outcome);
        peer.send(&format!("UNSUB {sid}\r\n"));
    }
    outcome
}

/// Makes a request for every subject to answer to, answers each too often, and then asks once more; returns how many of
/// the answers were refused, and whether the one to the last request was.
pub fn responses(addr: SocketAddr, user: usize) -> BTreeMap<String, (usize, bool)> {
    let (mut service, mut all) = (connect(addr, &format!("u{user}")), connect(addr, "all"));
    service.send("SUB svc 1\r\n");
    lines_until_pong(&mut service);
    messages().into_iter().map(|reply| (reply.clone(), respond(&mut service, &mut all, &reply))).collect()
}

fn respond(service: &mut Peer, all: &mut Peer, reply: &str) -> (usize, bool) {
    let mut refused = [0, 0];
    for (round, answers) in [RESPONSES, 1].into_iter().enumerate() {
        all.send(&format!("PUB svc {reply} 0\r\n\r\n"));
        while service.line() != format!("MSG svc 1 {reply} 0") {}
        service.send(&format!("PUB {reply} 0\r\n\r\n").repeat(answers));
        refused[round] = lines_until_pong(service).iter().filter(|line| is_violation(line)).count();
    }
    (refused[0], refused[1] > 0)
}

fn deliver_all(addr: SocketAddr, peer: &mut Peer, sid: usize, outcome: &mut Outcome) {
    let mut all = connect(addr, "all");
    messages().iter().for_each(|subject| all.send(&format!("PUB {subject} 0\r\n\r\n")));
    lines_until_pong(&mut all);
    for line in lines_until_pong(peer) {
        let words: Vec<&str> = line.split(' ').collect();
        if words[0] == "MSG" {
            assert_eq!(words[2], sid.to_string());
            outcome.deliveries.insert((sid, words[1].to_owned()));
        }
    }
}

fn connect(addr: SocketAddr, user: &str) -> Peer {
    let mut peer = Peer::dial(addr);
    peer.read_info();
    peer.send(&format!("CONNECT {}\r\n", login(user, "p")));
    lines_until_pong(&mut peer);
    peer
}

fn is_refused(peer: &mut Peer) -> bool {
    lines_until_pong(peer).iter().any(|line| is_violation(line))
}

fn is_violation(line: &str) -> bool {
    line.starts_with("-ERR 'Permissions Violation")
}

/// What a server says before it answers a PING: a slow machine may give it the time to ask whether we are there.
fn lines_until_pong(peer: &mut Peer) -> Vec<String> {
    peer.send("PING\r\n");
    std::iter::from_fn(|| Some(peer.line()).filter(|line| line != "PONG")).collect()
}
