//! The tables: a line per load, theirs, ours and the ratio.

use serde::Serialize;

use crate::figures::Run;
use crate::loads::Load;

/// A load's medians.
#[derive(Serialize)]
pub struct Row {
    /// Heading it stands under.
    pub group: &'static str,
    /// The load.
    pub name: String,
    /// nats-server's.
    pub theirs: Run,
    /// Headwater's.
    pub ours: Run,
}

impl Row {
    /// The medians of one load.
    pub fn new(load: &Load, theirs: Run, ours: Run) -> Self {
        Self { group: load.group, name: load.name.clone(), theirs, ours }
    }

    /// How many times as fast Headwater is; of a load's own figure, how many times smaller.
    pub fn speedup(&self) -> f64 {
        match (self.theirs.special, self.ours.special) {
            (Some((_, theirs)), Some((_, ours))) => theirs / ours,
            _ => self.ours.per_second / self.theirs.per_second,
        }
    }
}

/// Prints all tables, as Markdown.
pub fn print(rows: &[Row]) {
    let mut groups: Vec<&str> = rows.iter().map(|row| row.group).collect();
    groups.dedup();
    for group in groups {
        let of_group = || rows.iter().filter(|row| row.group == group);
        println!("\n### {group}\n");
        if of_group().any(|row| row.ours.special.is_some()) {
            print_special(of_group());
        } else {
            print_throughput(of_group());
        }
    }
}

fn print_special<'a>(rows: impl Iterator<Item = &'a Row>) {
    println!("| | unit | nats-server | Headwater | ratio |\n|---|---|---|---|---|");
    for row in rows {
        let (unit, ours) = row.ours.special.unwrap_or(("", 0.0));
        let (_, theirs) = row.theirs.special.unwrap_or(("", 0.0));
        println!("| {} | {unit} | {theirs:.1} | {ours:.1} | {} |", row.name, ratio(ours, theirs));
    }
}

fn print_throughput<'a>(rows: impl Iterator<Item = &'a Row>) {
    println!(
        "| theirs, ours, ratio | messages/s | server CPU, s per million | p50 µs | p99 µs | p99.9 µs | peak RSS, MiB | written B per message |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows {
        let (theirs, ours) = (&row.theirs, &row.ours);
        let latency = |of: fn(&crate::figures::Latency) -> f64| match &ours.latency {
            Some(ours) => pair(theirs.latency.as_ref().map_or(0.0, of), of(ours), 0),
            None => "–".to_owned(),
        };
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            pair(theirs.per_second, ours.per_second, 0),
            pair(theirs.cpu_seconds_per_million, ours.cpu_seconds_per_million, 2),
            latency(|it| it.p50_us),
            latency(|it| it.p99_us),
            latency(|it| it.p999_us),
            pair(theirs.rss_peak_bytes / 1048576.0, ours.rss_peak_bytes / 1048576.0, 0),
            pair(theirs.written_bytes_per_message, ours.written_bytes_per_message, 0),
        );
    }
}

fn pair(theirs: f64, ours: f64, decimals: usize) -> String {
    format!("{theirs:.decimals$}, {ours:.decimals$}, **{}**", ratio(ours, theirs))
}

/// Ours as a multiple of theirs.
fn ratio(ours: f64, theirs: f64) -> String {
    if theirs > 0.0 { format!("{:.2}×", ours / theirs) } else { "–".to_owned() }
}
