//! The loads, grouped as the tables show them.

mod ceiling;
mod compaction;
mod core;
mod fronts;
mod idle;
mod jetstream;
mod kv;
mod recovery;
mod round_trip;
mod setup;
mod space;

use std::io;

use crate::contender::{Server, Sync};
use crate::figures::Run;
use crate::front::Front;

pub use jetstream::exact_publishes;

/// Something to do to a server.
pub struct Load {
    /// Heading of its table.
    pub group: &'static str,
    /// What it is called.
    pub name: String,
    /// How nats-server syncs in it.
    pub theirs: Sync,
    /// How Headwater syncs in it.
    pub ours: Sync,
    /// How its clients come in.
    pub front: Front,
    /// Messages in a full run.
    pub messages: u64,
    /// Does it.
    pub run: Box<Work>,
}

/// What a load does: to this server, with about so many messages.
type Work = dyn Fn(&mut Server, u64) -> io::Result<Run>;

/// All of them, in the order they are run and shown.
pub fn all() -> Vec<Load> {
    let mut loads = core::loads();
    loads.extend(fronts::loads());
    loads.extend(round_trip::loads());
    loads.extend(jetstream::loads());
    loads.extend(kv::loads());
    loads.extend(recovery::loads());
    loads.extend(idle::loads());
    loads.extend(compaction::loads());
    loads.extend(space::loads());
    loads.extend(ceiling::loads());
    loads
}

impl Load {
    /// A load without streams.
    fn core(
        group: &'static str,
        name: impl Into<String>,
        messages: u64,
        run: impl Fn(&mut Server, u64) -> io::Result<Run> + 'static,
    ) -> Self {
        Self::stream(group, name, (Sync::Relaxed, Sync::Relaxed), messages, run)
    }

    /// A load with streams, with how (nats-server, Headwater) sync.
    fn stream(
        group: &'static str,
        name: impl Into<String>,
        (theirs, ours): (Sync, Sync),
        messages: u64,
        run: impl Fn(&mut Server, u64) -> io::Result<Run> + 'static,
    ) -> Self {
        let (name, front) = (name.into(), Front::Plain);
        Self { group, name, theirs, ours, front, messages, run: Box::new(run) }
    }

    /// The same, with clients that come in through `front`.
    fn over(self, front: Front) -> Self {
        Self { front, ..self }
    }
}
