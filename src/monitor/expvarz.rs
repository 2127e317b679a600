//! `/debug/vars`: what Go programs export of themselves, as far as there is anything like it.

use serde::Serialize;

use super::source::Source;

/// The answer.
#[derive(Debug, Serialize)]
pub struct Expvarz {
    /// The program's name; its arguments may hold secrets.
    pub cmdline: [&'static str; 1],
    pub memstats: MemStats,
}

/// Memory in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MemStats {
    pub alloc: u64,
    pub sys: u64,
}

/// Shows the process.
pub fn expvarz(source: &dyn Source) -> Expvarz {
    let resident = source.process().resident_bytes;
    Expvarz { cmdline: ["headwater"], memstats: MemStats { alloc: resident, sys: resident } }
}
