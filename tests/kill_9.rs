//! kill -9 at any moment costs nothing that was acknowledged, gives no sequence twice, and forgets no confirmed ack.
//!
//! `cargo run --release --example torture -- kill` does it several hundred times.

#[path = "../examples/torture/suite/mod.rs"]
mod suite;

use std::path::Path;

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let figures = suite::kill::run(Path::new(env!("CARGO_BIN_EXE_headwater")), 1, 12).unwrap();
    assert!(figures.confirmations > 100, "hardly anything happened: {figures:?}");
    assert!(figures.double_acks > 10, "hardly anything was consumed: {figures:?}");
}
