//! What kind of run a seed makes: how large, how busy with what, how unlucky.
//!
//! Runs differ a lot on purpose. One in which everything happens now and then never sees what only much of one thing brings out.

use std::time::Duration;

use headwater::store::{StoreOptions, SyncPolicy};

use crate::disk::{Faults, Lie};
use crate::rng::Rng;

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    CreateStream,
    UpdateStream,
    DeleteStream,
    Publish,
    PublishBatch,
    DeleteMessage,
    Purge,
    CreateConsumer,
    DeleteConsumer,
    Pull,
    Acknowledge,
    GetMessage,
}

/// How often each deed is done at most, compared to the others.
const DEEDS: [(Deed, u64); 12] = [
    (Deed::CreateStream, 4),
    (Deed::UpdateStream, 2),
    (Deed::DeleteStream, 1),
    (Deed::Publish, 60),
    (Deed::PublishBatch, 8),
    (Deed::DeleteMessage, 8),
    (Deed::Purge, 2),
    (Deed::CreateConsumer, 6),
    (Deed::DeleteConsumer, 2),
    (Deed::Pull, 25),
    (Deed::Acknowledge, 40),
    (Deed::GetMessage, 6),
];

/// Deeds a run without which would be about nothing.
const NEVER_MISSING: [Deed; 5] =
    [Deed::CreateStream, Deed::Publish, Deed::CreateConsumer, Deed::Pull, Deed::Acknowledge];

/// A kind of run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The store's settings.
    pub options: StoreOptions,
    /// Size of the disk.
    pub capacity_bytes: u64,
    /// How the disk fails, at times.
    pub faults: Faults,
    /// One step in so many, the disk begins or stops to fail.
    pub faults_change: u64,
    /// What clients do, and how often.
    pub deeds: Vec<(Deed, u64)>,
    /// One step in so many is a crash.
    pub crashes: u64,
    /// Whether the power may go, or only processes die.
    pub power_cuts: bool,
    /// One step in so many, a bit flips while the broker is down.
    pub flips: u64,
    /// One step in so many commits what waits.
    pub commits: u64,
    /// One step in so many keeps house.
    pub upkeep: u64,
    /// One step in so many lets time pass.
    pub time: u64,
    /// How long at most, in nanoseconds.
    pub longest_pause: u64,
    /// Streams at a time, and consumers of one.
    pub streams_max: u64,
    pub consumers_max: u64,
    /// Largest payload.
    pub payload_bytes_max: u64,
}

impl Plan {
    /// The run of a seed.
    pub fn draw(rng: &mut Rng, lie: Lie) -> Self {
        let faulty = rng.percent(35);
        let relaxed = lie == Lie::None && rng.percent(8);
        let mut faults = if faulty { faults(rng) } else { Faults::default() };
        if relaxed {
            // What is acknowledged before it is synced goes with the sync that fails.
            faults.syncs = 0;
        }
        let segment_bytes = *rng.pick(&[4096, 8192, 8192, 16_384, 65_536]);
        Self {
            options: options(rng, segment_bytes, relaxed),
            capacity_bytes: if rng.percent(15) {
                u64::from(segment_bytes) * rng.between(4, 12)
            } else {
                1 << 30
            },
            faults,
            faults_change: 60,
            deeds: deeds(rng),
            crashes: rng.between(40, 400),
            power_cuts: !relaxed,
            flips: if lie == Lie::None && rng.percent(10) { 3 } else { 0 },
            commits: rng.between(2, 12),
            upkeep: rng.between(10, 100),
            time: rng.between(4, 30),
            longest_pause: *rng.pick(&[1_000_000, 50_000_000, 2_000_000_000, 30_000_000_000]),
            streams_max: rng.between(1, 4),
            consumers_max: rng.between(1, 4),
            payload_bytes_max: *rng.pick(&[10, 100, 1000, u64::from(segment_bytes) / 3]),
        }
    }
}

fn options(rng: &mut Rng, segment_bytes: u32, relaxed: bool) -> StoreOptions {
    StoreOptions {
        sync: if relaxed { SyncPolicy::Interval(Duration::from_secs(1)) } else { SyncPolicy::Always },
        segment_bytes,
        tail_cache_bytes_max: *rng.pick(&[0, 4096, 1 << 20]),
        compact_below_percent: *rng.pick(&[0, 30, 50, 90]),
        catalog: false,
        threads: false,
        ..StoreOptions::default()
    }
}

fn faults(rng: &mut Rng) -> Faults {
    let mut rate = || *rng.pick(&[0, 0, 20, 100, 500]);
    Faults { reads: rate(), writes: rate(), syncs: rate(), others: rate(), power_goes_in: 0 }
}

fn deeds(rng: &mut Rng) -> Vec<(Deed, u64)> {
    let often = |rng: &mut Rng, deed, most| match rng.below(4) {
        0 if !NEVER_MISSING.contains(&deed) => 0,
        0 | 1 => 1 + most / 4,
        _ => most,
    };
    DEEDS.iter().map(|(deed, most)| (*deed, often(rng, *deed, *most))).collect()
}
