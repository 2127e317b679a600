//! Permissions over the wire: some hundred generated rules, each asked with every kind of request, against rules that are read
//! one by one. With `HEADWATER_NATS_SERVER` naming a nats-server, that one is asked the same, and has to say the same but in one
//! point: it lets `a.>` be subscribed to where `a.*` is allowed.

mod kit;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};

use kit::users::login;
use kit::{Broker, Peer};

const USERS: u64 = 48;
const QUEUES: [Option<&str>; 4] = [None, Some("q"), Some("q.1"), Some("r")];

/// What one user may do, as it is configured.
struct Rules {
    publish: Lists,
    subscribe: Lists,
}

#[derive(Default)]
struct Lists {
    allow: Vec<String>,
    deny: Vec<String>,
}

/// A subscription that is asked for, and what is said to it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    refused_publishes: BTreeSet<String>,
    refused_subscriptions: BTreeSet<usize>,
    /// Which subscription got which messages.
    deliveries: BTreeSet<(usize, String)>,
}

/// The same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn pattern(&mut self) -> String {
        let tokens: Vec<&str> = (0..=self.below(3)).map(|_| ["a", "b", "*"][self.below(3)]).collect();
        let tail = if self.below(3) == 0 { ".>" } else { "" };
        format!("{}{tail}", tokens.join("."))
    }

    fn entry(&mut self) -> String {
        format!("{}{}", self.pattern(), ["", "", " q", " q.*"][self.below(4)])
    }

    fn list(&mut self, entry: fn(&mut Self) -> String) -> Vec<String> {
        (0..self.below(4)).map(|_| entry(self)).collect()
    }

    fn rules(&mut self) -> Rules {
        let publish = Lists { allow: self.list(Self::pattern), deny: self.list(Self::pattern) };
        let subscribe = Lists { allow: self.list(Self::entry), deny: self.list(Self::entry) };
        Rules { publish, subscribe }
    }
}

fn config(users: &[Rules]) -> String {
    let list = |entries: &[String]| format!("{entries:?}");
    let lists = |lists: &Lists| format!("{{ allow: {}, deny: {} }}", list(&lists.allow), list(&lists.deny));
    let user = |(n, rules): (usize, &Rules)| {
        let (publish, subscribe) = (lists(&rules.publish), lists(&rules.subscribe));
        let permissions = format!("publish: {publish}, subscribe: {subscribe}");
        format!("{{ user: u{n}, password: p, permissions: {{ {permissions} }} }}\n")
    };
    let users: String = users.iter().enumerate().map(user).collect();
    format!("authorization {{ users: [ {{ user: all, password: p }}\n{users} ] }}\n")
}

/// All subjects of up to three tokens.
fn messages() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut layer = vec![String::new()];
    for _ in 0..3 {
        layer = layer.iter().flat_map(|start| ["a", "b"].map(|token| format!("{start}.{token}"))).collect();
        all.extend(layer.iter().map(|subject| subject[1..].to_owned()));
    }
    all
}

/// What a user subscribes to, each in a queue group of every kind.
fn subscriptions(random: &mut Random) -> Vec<(String, Option<&'static str>)> {
    let patterns: Vec<String> = (0..5).map(|_| random.pattern()).chain(["a.b".to_owned()]).collect();
    patterns.iter().flat_map(|pattern| QUEUES.map(|queue| (pattern.clone(), queue))).collect()
}

/// What a server says to one user.
fn ask(addr: SocketAddr, user: usize, subscriptions: &[(String, Option<&str>)]) -> Outcome {
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

fn deliver_all(addr: SocketAddr, peer: &mut Peer, sid: usize, outcome: &mut Outcome) {
    let mut all = connect(addr, "all");
    messages().iter().for_each(|subject| all.send(&format!("PUB {subject} 0\r\n\r\n")));
    all.fence();
    peer.send("PING\r\n");
    loop {
        let line = peer.line();
        if line == "PONG" {
            return;
        }
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
    peer.fence();
    peer
}

fn is_refused(peer: &mut Peer) -> bool {
    peer.send("PING\r\n");
    let mut refused = false;
    loop {
        match peer.line() {
            line if line == "PONG" => return refused,
            line => refused |= line.starts_with("-ERR 'Permissions Violation"),
        }
    }
}

/// What the rules say if they are read one by one.
fn expected(rules: &Rules, subscriptions: &[(String, Option<&str>)], covers: Covers) -> Outcome {
    let may_publish = |subject: &String| {
        let lists = &rules.publish;
        let allowed = lists.allow.is_empty() || lists.allow.iter().any(|pattern| matches(pattern, subject));
        allowed && !lists.deny.iter().any(|pattern| matches(pattern, subject))
    };
    let accepted =
        |(subject, queue): &(String, Option<&str>)| may_subscribe(&rules.subscribe, subject, *queue, covers);
    let mut deliveries = BTreeSet::new();
    for (sid, (subject, queue)) in subscriptions.iter().enumerate() {
        if accepted(&subscriptions[sid]) {
            let gets = |message: &String| {
                matches(subject, message) && !is_denied(&rules.subscribe.deny, message, *queue)
            };
            deliveries.extend(messages().into_iter().filter(gets).map(|message| (sid, message)));
        }
    }
    Outcome {
        refused_publishes: messages().into_iter().filter(|subject| !may_publish(subject)).collect(),
        refused_subscriptions: (0..subscriptions.len())
            .filter(|sid| !accepted(&subscriptions[*sid]))
            .collect(),
        deliveries,
    }
}

/// Where there are rules for queue groups, they alone decide about queue groups.
fn may_subscribe(lists: &Lists, subject: &str, queue: Option<&str>, covers: Covers) -> bool {
    let covering: Vec<(&str, Option<&str>)> = lists
        .allow
        .iter()
        .map(|entry| split(entry))
        .filter(|(pattern, _)| covers(pattern, subject))
        .collect();
    let plain = lists.allow.is_empty() || covering.iter().any(|(_, queue)| queue.is_none());
    let mut for_queues = covering.iter().filter_map(|(_, queue)| *queue).peekable();
    let allowed = match queue {
        Some(queue) if for_queues.peek().is_some() => for_queues.any(|rule| names(rule, queue)),
        _ => plain,
    };
    allowed && !is_denied(&lists.deny, subject, queue)
}

fn is_denied(deny: &[String], subject: &str, queue: Option<&str>) -> bool {
    deny.iter().map(|entry| split(entry)).any(|(pattern, rule)| {
        matches(pattern, subject) && rule.is_none_or(|rule| queue.is_some_and(|queue| names(rule, queue)))
    })
}

fn names(rule: &str, queue: &str) -> bool {
    rule == queue || (rule == "q.*" && queue == "q.1")
}

fn split(entry: &str) -> (&str, Option<&str>) {
    entry.split_once(' ').map_or((entry, None), |(subject, queue)| (subject, Some(queue)))
}

/// How it is found out whether a subscription lies in what is allowed.
type Covers = fn(&str, &str) -> bool;

/// Wildcards of `subject` are tokens like any other.
fn matches(pattern: &str, subject: &str) -> bool {
    compare(pattern, subject, |wanted, token| wanted == "*" || wanted == token)
}

/// Wildcards of `subject` stand for all that they match.
fn covers(pattern: &str, subject: &str) -> bool {
    compare(pattern, subject, |wanted, token| (wanted == "*" && token != ">") || wanted == token)
}

fn compare(pattern: &str, subject: &str, same: impl Fn(&str, &str) -> bool) -> bool {
    let (pattern, subject): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), subject.split('.').collect());
    for (at, wanted) in pattern.iter().enumerate() {
        match subject.get(at) {
            None => return false,
            Some(_) if *wanted == ">" => return true,
            Some(token) if !same(wanted, token) => return false,
            Some(_) => {}
        }
    }
    pattern.len() == subject.len()
}

/// The server to compare with, if one is named.
fn other_server(config: &str) -> Option<(OtherServer, SocketAddr)> {
    let binary = std::env::var_os("HEADWATER_NATS_SERVER")?;
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.conf");
    std::fs::write(&file, format!("listen: \"{addr}\"\n{config}")).unwrap();
    let child = Command::new(binary).arg("-c").arg(&file).spawn().unwrap();
    let server = OtherServer { child, _dir: dir };
    while TcpStream::connect(addr).is_err() {
        std::thread::yield_now();
    }
    Some((server, addr))
}

struct OtherServer {
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for OtherServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn generated_permissions_decide_as_their_rules_read_one_by_one() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let users: Vec<Rules> = (0..USERS).map(|_| random.rules()).collect();
    let config = config(&users);
    let broker = Broker::configured(&config);
    let other = other_server(&config);
    for (user, rules) in users.iter().enumerate() {
        let subscriptions = subscriptions(&mut random);
        let said = ask(broker.addr(), user, &subscriptions);
        let shown = || {
            let (publish, subscribe) = (&rules.publish, &rules.subscribe);
            format!(
                "publish {:?} but {:?}, subscribe {:?} but {:?}, of {subscriptions:?}",
                publish.allow, publish.deny, subscribe.allow, subscribe.deny
            )
        };
        assert_eq!(said, expected(rules, &subscriptions, covers), "{}", shown());
        if let Some((_, addr)) = &other {
            let said = ask(*addr, user, &subscriptions);
            assert_eq!(said, expected(rules, &subscriptions, matches), "the other server: {}", shown());
        }
    }
}
