//! Promise: a process that panics takes its own place, with a catalogue that is not to blame again, and not for ever.
//!
//! Each test runs itself once more in a process of its own, which lives several times.

use std::path::Path;
use std::process::{Command, Output};

use headwater::panics;
use headwater::store::sled_panics;

/// Set in the process that panics.
const LIVES: &str = "HEADWATER_TEST_LIVES";

#[test]
fn after_a_panic_the_same_process_begins_anew_with_its_arguments() {
    if std::env::var_os(LIVES).is_some() {
        if begin() == 1 {
            panic!("of the first life");
        }
        return;
    }
    let output = live("after_a_panic_the_same_process_begins_anew_with_its_arguments");
    let said = said(&output);
    assert!(output.status.success(), "{said:?}");
    let pids: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("pid ")).collect();
    assert_eq!((pids.len(), pids[0]), (2, pids[1]));
    assert!(said.iter().any(|line| line.ends_with("of the first life")), "{said:?}");
}

#[test]
fn a_process_that_panics_in_every_life_ends() {
    if std::env::var_os(LIVES).is_some() {
        begin();
        panic!("again");
    }
    let output = live("a_process_that_panics_in_every_life_ends");
    assert!(!output.status.success());
    assert_eq!(said(&output).iter().filter(|line| line.starts_with("pid ")).count(), 6);
}

#[test]
fn a_panic_of_sled_and_no_other_makes_the_next_life_distrust_the_catalogue_once() {
    if std::env::var_os(LIVES).is_some() {
        let life = begin();
        println!("distrusted {} {}", sled_panics::take_distrust(), sled_panics::take_distrust());
        match life {
            1 => drop(sled_panics::guarded(|| panic!("of sled"))),
            2 => panic!("of something else"),
            _ => return,
        }
    }
    let output = live("a_panic_of_sled_and_no_other_makes_the_next_life_distrust_the_catalogue_once");
    let said = said(&output);
    let distrusted: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("distrusted ")).collect();
    assert_eq!(distrusted, ["false false", "true false", "false false"], "{said:?}");
}

/// Begins a life; tells the how manieth it is.
fn begin() -> u32 {
    panics::begin_anew(|panic| println!("{panic}"));
    println!("\npid {}", std::process::id());
    let panics = std::env::var("HEADWATER_PANICS_IN_A_ROW");
    panics.map_or(1, |count| count.parse::<u32>().unwrap() + 1)
}

/// This test in a process of its own.
fn live(test: &str) -> Output {
    let this = std::env::current_exe().unwrap();
    let args = ["--exact", test, "--nocapture", "--test-threads=1"];
    let output = Command::new(Path::new(&this)).args(args).env(LIVES, "1").output().unwrap();
    assert!(!output.stdout.is_empty());
    output
}

fn said(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}
