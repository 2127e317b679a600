//! Promise: any NATS client works unchanged, and what it was told is safe survives `kill -9`.
//!
//! Real clients (the `nats` CLI, nats-py, nats.js, nats.go, async-nats) publish and consume while the broker is killed
//! and started again under them. `tests/interop/setup` installs them into `target/interop`, pinned, on first use.
//!
//! | variable | meaning |
//! |---|---|
//! | `HEADWATER_CHROMIUM` | the browser to use; `setup` installs one where there is none |
//! | `HEADWATER_INTEROP_BROKER` | the broker to test instead of the one that cargo built |
//! | `HEADWATER_INTEROP_ACKS_MAY_BE_FORGOTTEN` | forgive a broker that sends double-acked messages again after `kill -9` |
//! | `HEADWATER_NATS_SERVER` | the nats-server whose CLI output is compared with ours; `setup` installs one |

mod async_nats_client;
mod backup;
// Shared with the bad-input test, which uses other parts of it.
#[allow(dead_code)]
mod broker;
mod browser;
mod cli_parity;
mod client;
mod crash;
mod judge;
mod message;
mod nats_cli_client;
mod normalise;
mod provision;
mod websocket;

use client::Client;
use crash::{Load, survives_two_kills};

/// Enough for both kills to land in the middle of real work.
const MESSAGES: u64 = 10_000;
const WINDOW: u64 = 256;
/// The CLI takes a process for every step of every message.
const CLI_MESSAGES: u64 = 300;

#[test]
fn acked_messages_survive_kill_9_with_nats_py() {
    survives_two_kills(Load { messages: MESSAGES, window: WINDOW }, |phase| {
        Client::program(&[&provision::python(), &provision::source("python/crash_client.py")], phase)
    });
}

#[test]
fn acked_messages_survive_kill_9_with_nats_js() {
    survives_two_kills(Load { messages: MESSAGES, window: WINDOW }, |phase| {
        Client::program(&[&provision::node(), &provision::installed("node/crash_client.mjs")], phase)
    });
}

#[test]
fn acked_messages_survive_kill_9_with_nats_go() {
    survives_two_kills(Load { messages: MESSAGES, window: WINDOW }, |phase| {
        Client::program(&[&provision::installed("bin/crash-client-go")], phase)
    });
}

#[test]
fn acked_messages_survive_kill_9_with_async_nats() {
    survives_two_kills(Load { messages: MESSAGES, window: WINDOW }, |phase| {
        Client::thread(phase, async_nats_client::run)
    });
}

#[test]
fn acked_messages_survive_kill_9_with_the_nats_cli() {
    let load = Load { messages: CLI_MESSAGES, window: 1 };
    survives_two_kills(load, |phase| Client::thread(phase, nats_cli_client::run));
}
