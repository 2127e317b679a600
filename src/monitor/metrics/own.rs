//! The program and its process.

use super::text::{Kind, Labels, Text, seconds};
use crate::monitor::process;
use crate::monitor::source::Source;
use crate::version::{NATS_VERSION, VERSION};

pub(super) fn write(text: &mut Text, source: &dyn Source) {
    let none = Labels::default();
    let build = none.clone().with("version", VERSION).with("nats_version", NATS_VERSION);
    text.single("headwater_build_info", Kind::Gauge, "The version, as labels.", &build, 1);
    let start = seconds(source.server().start);
    text.single("process_start_time_seconds", Kind::Gauge, "When it started, Unix time.", &none, start);
    let cpu = process::cpu_nanos() as f64 / 1e9;
    text.single("process_cpu_seconds_total", Kind::Counter, "Processor time used.", &none, cpu);
    let help = "Memory in use.";
    let resident = source.process().resident_bytes;
    text.single("process_resident_memory_bytes", Kind::Gauge, help, &none, resident);
    text.single("process_open_fds", Kind::Gauge, "Open files and sockets.", &none, process::open_files());
}
