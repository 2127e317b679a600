//! Flags to configuration to a running broker; nothing else.

fn main() {}
