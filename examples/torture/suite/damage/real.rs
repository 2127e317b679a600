//! Damage under the real binary, seen by a client.

use std::path::Path;
use std::time::Duration;

use super::strike::{Blow, Strike};
use crate::suite::judge::{Depth, judge};
use crate::suite::ledger::Ledger;
use crate::suite::load::{Load, set_up};
use crate::suite::rng::Rng;
use crate::suite::scratch::{self, Image};
use crate::suite::server::Launch;

/// How long the clients fill the store.
const LOAD_TIME: Duration = Duration::from_millis(400);

/// Flips a bit at so many places of a store that the broker closed in order, and starts the broker on each; returns how often a
/// message was lost.
pub fn flips(binary: &Path, seed: u64, positions: u64) -> Result<u64, String> {
    let dir = scratch::directory();
    let launch = Launch::new(binary, dir.path());
    let ledger = fill(&launch, seed)?;
    let image = scratch::image(&launch.store());
    let (mut rng, mut lost) = (Rng::new(seed), 0);
    for position in 0..positions {
        let strike = strike(&image, position, &mut rng);
        scratch::restore(&launch.store(), &strike.apply(&image));
        lost +=
            one(&launch, &ledger).map_err(|error| format!("position {position} ({strike:?}): {error}"))?;
    }
    Ok(lost)
}

fn fill(launch: &Launch, seed: u64) -> Result<Ledger, String> {
    let (server, load) = (launch.start()?, Load::default());
    set_up(launch.port, 1000).map_err(|error| error.to_string())?;
    load.run(launch.port, seed, || std::thread::sleep(LOAD_TIME));
    server.stop()?;
    Ok(load.ledger.into_inner())
}

/// Somewhere in what is used of some file.
fn strike(image: &Image, position: u64, rng: &mut Rng) -> Strike {
    let prefix = if position % 4 == 0 { "jetstream/catalog/" } else { "jetstream/journal/" };
    let used = |bytes: &[u8]| {
        bytes[..bytes.len().saturating_sub(64)].iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64
    };
    let files: Vec<(&String, u64)> = image
        .iter()
        .filter(|(path, _)| path.starts_with(prefix))
        .map(|(path, bytes)| (path, used(bytes)))
        .filter(|(_, used)| *used > 0)
        .collect();
    let (file, used) = rng.pick(&files);
    let file = (*file).clone();
    Strike { file, at: rng.below(*used), blow: Blow::Flip(rng.below(8) as u8), catalog: true }
}

fn one(launch: &Launch, ledger: &Ledger) -> Result<u64, String> {
    let logged = launch.log().len();
    let _server = launch.start()?;
    let broken = judge(launch.port, ledger, Depth::All).map_err(|error| error.to_string())?;
    let told = launch.log()[logged..].contains("[ERR] journal:");
    match (broken.len(), told) {
        (0, _) => Ok(0),
        (1, true) => Ok(1),
        (1, false) => Err(format!("{} and not a word in the log", broken[0])),
        _ => Err(broken.join("; ")),
    }
}
