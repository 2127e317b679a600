//! What a client sees of damage. By itself: while a process is started, it holds its parent's locks for a moment.

#[path = "../examples/torture/suite/mod.rs"]
mod suite;

use std::path::Path;

#[test]
fn a_flipped_bit_costs_a_client_of_the_real_binary_at_most_one_message() {
    suite::damage::real::flips(Path::new(env!("CARGO_BIN_EXE_headwater")), 3, 16).unwrap();
}
