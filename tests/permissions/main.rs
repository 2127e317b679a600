//! Promise: permissions decide as their rules read one by one.
//!
//! Some hundred generated rules over the wire, each asked with every kind of request: what we say is compared with a plain
//! reading of the rules, and with what nats-server says to the same. That differs in one point: it lets `a.>` be
//! subscribed to where `a.*` is allowed. `tests/interop/setup` installs the nats-server on first use.
//!
//! | variable | meaning |
//! |---|---|
//! | `HEADWATER_NATS_SERVER` | the nats-server to compare with; `setup` installs one |

mod ask;
mod dice;
#[path = "../kit/mod.rs"]
mod kit;
mod model;
#[path = "../interop/broker.rs"]
#[allow(dead_code)]
mod nats_server;
#[path = "../interop/provision.rs"]
#[allow(dead_code)]
mod provision;
mod subjects;

use std::net::SocketAddr;

use dice::{Random, Rules};
use kit::Broker;
use model::{expected, refused_responses};
use subjects::{covers, matches};

const USERS: u64 = 96;
const SERVICES: u64 = 64;
const QUEUES: [Option<&str>; 4] = [None, Some("q"), Some("q.1"), Some("r")];

#[test]
fn generated_permissions_decide_as_their_rules_read_one_by_one() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let users: Vec<Rules> = (0..USERS).map(|_| random.rules()).collect();
    let pair = Pair::start(&users);
    for (user, rules) in users.iter().enumerate() {
        let subscriptions = subscriptions(&mut random);
        let (ours, theirs) = pair.both(|addr| ask::everything(addr, user, &subscriptions));
        assert_eq!(ours, expected(rules, &subscriptions, covers), "{rules}, of {subscriptions:?}");
        let read = expected(rules, &subscriptions, matches);
        assert_eq!(theirs, read, "nats-server: {rules}, of {subscriptions:?}");
    }
}

#[test]
fn a_service_may_respond_as_often_as_its_rules_say() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let services: Vec<Rules> = (0..SERVICES).map(|_| random.service()).collect();
    let pair = Pair::start(&services);
    for (user, rules) in services.iter().enumerate() {
        let (ours, theirs) = pair.both(|addr| ask::responses(addr, user));
        assert_eq!(ours, refused_responses(rules), "{rules}");
        assert_eq!(theirs, ours, "nats-server: {rules}");
    }
}

/// Two servers with the same users.
struct Pair {
    ours: Broker,
    theirs: nats_server::Broker,
}

impl Pair {
    fn start(users: &[Rules]) -> Self {
        let config = config(users);
        let theirs = nats_server::Broker::start(&provision::nats_server(), &config);
        Self { ours: Broker::configured(&config), theirs }
    }

    /// What we say, and what nats-server says.
    fn both<T>(&self, ask: impl Fn(SocketAddr) -> T) -> (T, T) {
        (ask(self.ours.addr()), ask(SocketAddr::from(([127, 0, 0, 1], self.theirs.port()))))
    }
}

fn config(users: &[Rules]) -> String {
    let user = |(n, rules)| format!("{{ user: u{n}, password: p, permissions: {{ {rules} }} }}\n");
    let users: String = users.iter().enumerate().map(user).collect();
    format!("authorization {{ timeout: 60, users: [ {{ user: all, password: p }}\n{users} ] }}\n")
}

/// What a user subscribes to, each in a queue group of every kind.
fn subscriptions(random: &mut Random) -> Vec<(String, Option<&'static str>)> {
    let patterns: Vec<String> = (0..5).map(|_| random.pattern()).chain(["a.b".to_owned()]).collect();
    patterns.iter().flat_map(|pattern| QUEUES.map(|queue| (pattern.clone(), queue))).collect()
}
