//! The store: what it writes, what damage it has found.

use super::text::{Kind, Labels, Text};
use crate::monitor::source::Source;
use crate::store::StoreStats;

/// Name without prefix, kind, help, value.
type Row = (&'static str, Kind, &'static str, fn(&StoreStats) -> u64);

const ROWS: [Row; 23] = [
    ("commits_total", Kind::Counter, "Commits written to the journal.", |stats| stats.commits),
    ("fsyncs_total", Kind::Counter, "fdatasync calls on the journal.", |stats| stats.syncs),
    ("written_bytes_total", Kind::Counter, "Bytes written to the journal.", |stats| stats.bytes_written),
    ("index_written_bytes_total", Kind::Counter, "Bytes written to the catalogue.", |stats| {
        stats.index_bytes_written
    }),
    ("payload_bytes_total", Kind::Counter, "Bytes of the payloads stored.", |stats| stats.payload_bytes),
    ("records_total", Kind::Counter, "Records appended.", |stats| stats.records),
    ("compacted_bytes_total", Kind::Counter, "Bytes copied forward.", |stats| stats.bytes_compacted),
    ("segments_reclaimed_total", Kind::Counter, "Segments given back.", |stats| stats.segments_reclaimed),
    ("checkpoints_total", Kind::Counter, "Checkpoints completed.", |stats| stats.checkpoints),
    ("damaged_reads_total", Kind::Counter, "Records found damaged while reading.", |stats| {
        stats.damaged_reads
    }),
    ("damage_regions_total", Kind::Counter, "Damaged places found in the journal.", |stats| {
        stats.damage_regions
    }),
    ("damaged_bytes_total", Kind::Counter, "Bytes of them.", |stats| stats.damaged_bytes),
    ("messages_lost_total", Kind::Counter, "Messages known to be lost with them.", |stats| {
        stats.messages_lost
    }),
    ("lost_segments_total", Kind::Counter, "Segments of the journal found missing.", |stats| {
        stats.lost_segments
    }),
    ("repaired_records_total", Kind::Counter, "Records with a flipped bit that was flipped back.", |stats| {
        stats.repaired_records
    }),
    ("reopened_total", Kind::Counter, "Times the store was opened anew after a disk error.", |stats| {
        stats.reopened
    }),
    ("quarantine_files", Kind::Gauge, "Files in the quarantine.", |stats| stats.quarantine_files),
    ("pending_bytes", Kind::Gauge, "Bytes appended and not yet written.", |stats| stats.pending_bytes),
    ("segments", Kind::Gauge, "Segments on disk.", |stats| stats.segments),
    ("live_bytes", Kind::Gauge, "Bytes of live records.", |stats| stats.live_bytes),
    ("journal_bytes", Kind::Gauge, "Bytes of all segments.", |stats| stats.journal_bytes),
    ("disk_full", Kind::Gauge, "1 while messages are refused for lack of space.", |stats| {
        u64::from(stats.disk_full)
    }),
    ("up", Kind::Gauge, "1 if there is a store.", |_| 1),
];

pub(super) fn write(text: &mut Text, source: &dyn Source) {
    let Some(store) = source.jetstream().and_then(|jetstream| jetstream.store()) else { return };
    let none = Labels::default();
    for (name, kind, help, value) in ROWS {
        text.single(&format!("headwater_store_{name}"), kind, help, &none, value(&store.stats));
    }
    text.metric("headwater_store_state", Kind::Gauge, "1 for the state the store is in.");
    text.sample(&none.with("state", store.state), 1);
    let help = "Messages of a stream known to be lost to damage.";
    text.metric("headwater_stream_messages_lost_total", Kind::Counter, help);
    for lost in &store.lost {
        let labels = Labels::default().with("account", &lost.account).with("stream_name", &lost.stream);
        text.sample(&labels, lost.messages);
    }
}
