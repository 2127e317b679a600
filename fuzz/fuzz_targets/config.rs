//! Reading any text as a configuration ends.
#![no_main]

use headwater::config::Config;

libfuzzer_sys::fuzz_target!(|text: &str| {
    // What a file says about files on this machine is not for a fuzzer.
    if !text.contains("include") {
        let _ = Config::from_text(text, "fuzz.conf");
    }
});
