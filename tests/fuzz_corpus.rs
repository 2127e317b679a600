//! Every file of the kept fuzz corpus, as it is and damaged in dozens of ways, through the promises the fuzz targets check.
//!
//! | variable | meaning |
//! |---|---|
//! | `HEADWATER_FUZZ_VARIANTS` | damage each file in this many ways, for example 10000 |

mod monitor_support;
#[path = "../fuzz/promises.rs"]
mod promises;

use std::fs;
use std::path::Path;

/// Damaged versions of each file, in every test run.
const VARIANTS: u64 = 60;

#[track_caller]
fn holds_for_corpus(target: &str, promise: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(&directory).expect("the corpus is kept in the tree");
    let kept: Vec<Vec<u8>> =
        files.map(|entry| fs::read(entry.expect("an entry").path()).expect("a file")).collect();
    assert!(!kept.is_empty(), "no corpus in {}", directory.display());
    let more = std::env::var("HEADWATER_FUZZ_VARIANTS").map(|text| text.parse().expect("a number"));
    for (number, file) in kept.iter().enumerate() {
        promise(file);
        for variant in 0..more.clone().unwrap_or(VARIANTS) {
            let mut random = Random(variant * 1_000 + number as u64 + 1);
            promise(&damaged(file, &kept[random.below(kept.len())], &mut random));
        }
    }
}

/// A few changes: other bytes, some left out, some said twice, some from elsewhere, an early end.
fn damaged(file: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=random.below(4) {
        let (from, len) = (random.below(bytes.len() + 1), random.below(24));
        let to = (from + len).min(bytes.len());
        match random.below(6) {
            0 => bytes[from..to].iter_mut().for_each(|byte| *byte = random.below(256) as u8),
            1 => drop(bytes.drain(from..to)),
            2 => drop(bytes.splice(from..from, bytes[from..to].repeat(3))),
            3 => {
                let start = random.below(other.len() + 1);
                drop(bytes.splice(from..to, other[start..(start + len).min(other.len())].to_vec()));
            }
            4 => bytes.truncate(from),
            _ => bytes[from..to].iter_mut().for_each(|byte| *byte ^= 1 << random.below(8)),
        }
    }
    bytes
}

/// The same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }
}

#[test]
fn any_configuration_is_read_or_refused() {
    holds_for_corpus("config", promises::config);
}

#[test]
fn any_token_is_read_or_refused() {
    holds_for_corpus("jwt", promises::jwt);
}

#[test]
fn any_question_to_monitoring_is_answered() {
    holds_for_corpus("http", promises::http);
}

#[test]
fn any_upgrade_request_is_answered_with_http_or_not_at_all() {
    holds_for_corpus("websocket_request", promises::websocket_request);
}

#[test]
fn any_frames_become_a_bounded_stream() {
    holds_for_corpus("websocket_stream", promises::websocket_stream);
}
