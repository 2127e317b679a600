//! Promise: whatever bytes a peer sends, the broker stays up, lets go of the connection, and serves everybody else.
//!
//! Each stream of bytes is a connection of its own, random or a mutated dialogue, made from a seed and its number alone:
//! a failure names the streams that were on their way, and the same seed makes them again.
//!
//! | variable | meaning |
//! |---|---|
//! | `HEADWATER_BAD_INPUT_STREAMS` | send this many streams instead of half a minute's worth, for example 1000000 |
//! | `HEADWATER_BAD_INPUT_SEED` | another seed than the usual one |
//! | `HEADWATER_INTEROP_BROKER` | the broker to test instead of the one that cargo built |

#[path = "../interop/broker.rs"]
#[allow(dead_code)]
mod broker;
mod echo;
mod flood;
mod streams;

use std::time::Duration;

use broker::Broker;
use echo::Echo;
use flood::{Flood, Until};

const SEED: u64 = 0x4865_6164_7761_7465;
const USUAL_TIME: Duration = Duration::from_secs(30);
/// What the broker is allowed, on top of what the configuration below lets it keep in memory.
const PEAK_MEMORY_BYTES_MAX: u64 = 512 << 20;
/// Mutated API requests do create streams; they must not fill the machine.
const CONFIG: &str = "jetstream { max_memory_store: 16MB, max_file_store: 64MB }";

#[test]
fn bad_input_disturbs_nobody() {
    let mut broker = Broker::under_test_with(CONFIG);
    let echo = Echo::start(broker.port());
    let flood = Flood {
        port: broker.port(),
        seed: number("HEADWATER_BAD_INPUT_SEED").unwrap_or(SEED),
        until: until(),
    };

    let sent = flood.run(|| echo.is_well());
    let echoes = echo.stop();

    println!("{sent} bad streams, {echoes} echoes meanwhile");
    assert!(sent > 0 && echoes > 0, "{sent} bad streams, {echoes} echoes");
    assert!(!broker.log().contains("panicked at"), "a task of the broker panicked:\n{}", broker.log_tail());
    let peak = broker.peak_memory_bytes();
    assert!(peak <= PEAK_MEMORY_BYTES_MAX, "the broker needed {peak} bytes of memory");
    comes_back_after_kill_9(&mut broker);
}

/// What bad input left in the store must not keep the broker from starting.
fn comes_back_after_kill_9(broker: &mut Broker) {
    broker.kill();
    broker.restart();
    Echo::start(broker.port()).stop();
}

fn until() -> Until {
    match number("HEADWATER_BAD_INPUT_STREAMS") {
        Some(streams) => Until::Streams(streams),
        None => Until::Elapsed(USUAL_TIME),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
