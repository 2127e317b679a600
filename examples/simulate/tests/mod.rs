//! The promises over many short runs, the stories of promises that were broken once, and proof that broken ones are noticed.

mod broker_stories;
mod limit_stories;
mod stories;
mod torn_stories;

use crate::disk::Lie;
use crate::run::run;
use crate::story;

/// Steps of a run.
const STEPS: u64 = 200;

/// Runs after which a disk that lies must have been found out.
const SEEDS_UNTIL_FOUND_OUT: u64 = 60;

fn hold(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let outcome = run(seed, STEPS, Lie::None, false);
        if let Some(story) = story(seed, STEPS, &outcome) {
            panic!("{story}");
        }
    }
}

// Split up so that they run beside each other.

#[test]
fn promises_hold_over_seeds_0_to_699() {
    hold(0..700);
}

#[test]
fn promises_hold_over_seeds_700_to_1399() {
    hold(700..1400);
}

#[test]
fn promises_hold_over_seeds_1400_to_2099() {
    hold(1400..2100);
}

#[test]
fn promises_hold_over_seeds_2100_to_2799() {
    hold(2100..2800);
}

#[test]
fn the_same_seed_does_the_same_twice() {
    for seed in 0..60 {
        let (once, again) = (run(seed, STEPS, Lie::None, false), run(seed, STEPS, Lie::None, false));
        assert_eq!((once.hash, once.steps), (again.hash, again.steps), "seed {seed}");
    }
}

fn is_found_out(lie: Lie) {
    is_found_out_within(lie, SEEDS_UNTIL_FOUND_OUT);
}

fn is_found_out_within(lie: Lie, seeds: u64) {
    let noticed = |seed: &u64| run(*seed, STEPS, lie, false).broken.is_some();
    let seed = (0..seeds).find(noticed);
    assert!(seed.is_some(), "{lie:?} goes unnoticed over {seeds} seeds");
}

#[test]
fn a_disk_that_does_not_sync_files_is_found_out() {
    is_found_out(Lie::SyncData);
}

#[test]
fn a_disk_that_does_not_sync_directories_is_found_out() {
    is_found_out(Lie::SyncDir);
}

#[test]
fn a_disk_whose_sync_is_one_write_late_is_found_out() {
    is_found_out(Lie::SyncLate);
}

#[test]
fn a_disk_that_misplaces_writes_is_found_out() {
    is_found_out(Lie::Misplace);
}

#[test]
fn a_disk_that_brings_removed_files_back_is_found_out() {
    is_found_out_within(Lie::Resurrect, 10 * SEEDS_UNTIL_FOUND_OUT);
}
