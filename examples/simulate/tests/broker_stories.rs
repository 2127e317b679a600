//! What seeds have found in streams and consumers, told shortly.

use headwater::store::StoreOptions;
use headwater::store::disk::Disk;

use crate::disk::{Lie, SimDisk};
use crate::rng::Rng;
use crate::world::World;

fn world() -> World {
    let options =
        StoreOptions { segment_bytes: 8192, catalog: false, threads: false, ..StoreOptions::default() };
    let disk = SimDisk::new(Rng::new(1), 1 << 30, Lie::None);
    let mut world = World::new(disk, options, Rng::new(2));
    world.start().unwrap();
    world
}

fn create(world: &World, config: &str) {
    world.publish(
        "$JS.API.STREAM.CREATE.S",
        "",
        b"",
        format!(r#"{{"name":"S","subjects":["s.>"],{config}}}"#).as_bytes(),
    );
    commit(world);
}

fn commit(world: &World) {
    world.with_store(|store| store.commit()).unwrap().unwrap();
}

fn live(world: &World) -> Vec<u64> {
    let host = world.host("S").unwrap();
    let state = host.lock();
    (1..=state.log.state().last_seq).filter(|seq| state.log.meta(*seq).is_some()).collect()
}

/// Zeroes the last bytes of the journal, as if the power had gone before they were written.
fn tear_off(world: &World, bytes: usize) {
    let file = world.disk.open("journal/0000000001.seg").unwrap();
    let mut held = vec![0; 8192];
    file.read_at(&mut held, 0).unwrap();
    let end = (held.iter().rposition(|byte| *byte != 0).unwrap() + 1).next_multiple_of(8);
    file.write_at(&vec![0; bytes], (end - bytes) as u64).unwrap();
}

/// A publish survived and the removal of what it pushed out did not: nothing removed it until the next publish.
#[test]
fn a_stream_is_within_its_limits_after_a_crash() {
    for limit in [r#""max_msgs":1"#, r#""max_msgs_per_subject":1"#, r#""max_bytes":40"#] {
        let mut world = world();
        create(&world, limit);
        for _ in 0..2 {
            world.publish("s.a", "", b"", b"x");
            commit(&world);
        }
        world.kill();
        tear_off(&world, 48);
        world.start().unwrap();
        assert_eq!(live(&world), [2], "{limit}");
    }
}
