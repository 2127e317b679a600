#![no_main]

#[path = "../../tests/monitor_support/mod.rs"]
mod monitor_support;
#[path = "../promises.rs"]
#[allow(dead_code)]
mod promises;

libfuzzer_sys::fuzz_target!(|data: &[u8]| promises::config(data));
