//! What the torture commands and the short tests share.
#![allow(dead_code)] // The tests do not use the commands, the commands not the tests' shortcuts.

pub mod damage;
pub mod embedded;
pub mod flags;
pub mod judge;
pub mod kill;
pub mod ledger;
pub mod load;
pub mod log_lines;
pub mod power;
pub mod rng;
pub mod scratch;
pub mod server;
pub mod wire;
