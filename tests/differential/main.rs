//! Promise: what nats-server answers, we answer.
//!
//! Random sequences of API calls, publishes, pulls and acknowledgements are played to nats-server and to us, one step after
//! the other, and everything that comes back is compared. A sequence that comes out different is made as short as it can be
//! and shown. `tests/interop/setup` installs the nats-server on first use.
//!
//! | variable | meaning |
//! |---|---|
//! | `HEADWATER_DIFFERENTIAL_SEQUENCES` | play this many sequences instead of the few that every test run plays, for example 10000 |
//! | `HEADWATER_DIFFERENTIAL_SEED` | begin with another seed than 1; the sequence of a seed is always the same |
//! | `HEADWATER_NATS_SERVER` | the nats-server to compare with; `setup` installs one |
//! | `HEADWATER_INTEROP_BROKER` | the broker to test instead of the one that cargo built |

#[path = "../interop/broker.rs"]
#[allow(dead_code)]
mod broker;
mod dice;
mod mask;
mod play;
#[path = "../interop/provision.rs"]
#[allow(dead_code)]
mod provision;
mod script;
mod shrink;
mod wire;

use std::io::Write;

use broker::Broker;
use play::{Patience, Player};
use script::Step;

const SEQUENCES: u64 = 60;
/// A long run goes on after a difference, but not forever.
const DIFFERENCES_SHOWN_MAX: usize = 10;
/// How far a long run has come is said this often.
const SEQUENCES_PER_LINE: u64 = 50;
const CONFIG: &str = r#"
    server_name: edge
    jetstream { sync_interval: "2m", max_memory_store: 256MB, max_file_store: 1GB }
"#;

#[test]
fn random_sequences_come_out_as_with_nats_server() {
    let theirs = Broker::start(&provision::nats_server(), CONFIG);
    let ours = Broker::under_test_with(CONFIG);
    let mut pair = Pair { theirs: Player::new(theirs.port()), ours: Player::new(ours.port()) };
    let (first, count) = (number("SEED").unwrap_or(1), number("SEQUENCES").unwrap_or(SEQUENCES));
    let mut differences = Vec::new();
    for seed in first..first + count {
        let steps = script::sequence(seed);
        if pair.difference(&steps).is_some() {
            let short = pair.shortest(steps);
            differences.push(format!("seed {seed}\n{}", pair.story(&short)));
            say(&differences[differences.len() - 1]);
        }
        if (seed - first + 1) % SEQUENCES_PER_LINE == 0 {
            say(&format!("{} of {count} sequences, {} differences", seed - first + 1, differences.len()));
        }
        if differences.len() >= DIFFERENCES_SHOWN_MAX {
            break;
        }
    }
    assert!(differences.is_empty(), "{} differences\n\n{}", differences.len(), differences.join("\n\n"));
}

/// The two brokers.
struct Pair {
    theirs: Player,
    ours: Player,
}

impl Pair {
    /// The first step that comes out different. nats-server does some things a little later than it says, so what
    /// differs is played again, slower, before it counts.
    fn difference(&mut self, steps: &[Step]) -> Option<usize> {
        let mut found = None;
        for patience in Patience::ALL {
            let (theirs, ours) = self.play(steps, patience);
            found = Some(theirs.iter().zip(&ours).position(|(a, b)| a != b)?);
        }
        found
    }

    /// Fast, if what is left then still differs when it is played slowly.
    fn shortest(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let short = shrink::shortest(steps.clone(), |steps| self.differs(steps, Patience::None));
        match self.difference(&short) {
            Some(_) => short,
            None => shrink::shortest(steps, |steps| self.difference(steps).is_some()),
        }
    }

    fn differs(&mut self, steps: &[Step], patience: Patience) -> bool {
        let (theirs, ours) = self.play(steps, patience);
        theirs != ours
    }

    /// What each of them told; they play at the same time.
    fn play(&mut self, steps: &[Step], patience: Patience) -> (Vec<String>, Vec<String>) {
        std::thread::scope(|scope| {
            let theirs = scope.spawn(|| self.theirs.play(steps, patience));
            let ours = self.ours.play(steps, patience);
            (theirs.join().expect("nats-server plays"), ours)
        })
    }

    fn story(&mut self, steps: &[Step]) -> String {
        let (theirs, ours) = self.play(steps, Patience::Much);
        let mut story = String::new();
        for ((step, theirs), ours) in steps.iter().zip(&theirs).zip(&ours) {
            story += &format!("  {step}\n");
            if theirs != ours {
                story += &format!("    nats-server: {theirs}\n    ours:        {ours}\n");
            }
        }
        story
    }
}

/// Past the test harness, which keeps what is printed until the end.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn number(what: &str) -> Option<u64> {
    let variable = format!("HEADWATER_DIFFERENTIAL_{what}");
    let text = std::env::var(&variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
