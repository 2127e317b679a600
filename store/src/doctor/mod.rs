//! Looking at a closed store: what is wrong with it, what that costs, and putting it in order.
//!
//! Looking changes nothing: the journal is read through a disk that drops what is written, the catalogue is copied first.

mod untouched;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use self::untouched::{CatalogCopy, Untouched};
use super::catalog::Catalog;
use super::journal::files::{JOURNAL_DIR, path as segment_path};
use super::journal::quarantine::{QUARANTINE_DIR, name as quarantined};
use super::journal::record::{Kind, Location};
use super::report::Region;
use super::sealing::{damaged_key_files, is_encrypted};
use super::{Encryption, RecoveredStream, RecoveryReport, Store, StoreError, StoreOptions};

/// Findings listed at most.
const FINDINGS_MAX: usize = 10_000;

/// What a look at a store has brought to light.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Nothing is damaged, or all that is has been set aside.
    pub healthy: bool,
    /// Segments of the journal.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// Messages in all streams.
    pub messages: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
    /// What was done about it.
    pub repairs: Vec<String>,
}

/// Something that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, relative to the store's directory.
    pub file: String,
    #[serde(skip)]
    at: Option<Location>,
    /// Where in it, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// How many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u32>,
    /// What is wrong and what it costs.
    pub problem: String,
    /// The stream it concerns, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The message that is lost, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// A copy is in quarantine already; nothing is left to do.
    pub set_aside: bool,
}

/// The store's directory in `dir`: that itself, or `jetstream` below the broker's `store_dir`.
pub fn store_dir(dir: &Path) -> Option<PathBuf> {
    [dir.join("jetstream"), dir.to_path_buf()].into_iter().find(|dir| dir.join(JOURNAL_DIR).is_dir())
}

/// Looks at the store in `dir`, and changes nothing. Fails when a broker has it open, or when it cannot be read.
/// An encrypted store needs `encryption`; others pass it over.
pub fn examine(dir: &Path, encryption: Option<&Encryption>) -> Result<Examination, StoreError> {
    let disk = Arc::new(Untouched::new(dir)?);
    let is_encrypted = is_encrypted(&*disk)?;
    let encryption = encryption.filter(|_| is_encrypted);
    let (store, streams, report) = Store::open_on(disk.clone(), options(false, encryption))?;
    let mut examination = Examination {
        segments: report.segments,
        records: report.records,
        messages: streams.iter().map(|stream| stream.log.state().messages).sum(),
        ..Examination::default()
    };
    examination.journal(dir, &streams, &report);
    for file in damaged_key_files(&*disk)?.into_iter().filter(|_| is_encrypted) {
        examination
            .find(file, "the store's key cannot be read here; it is kept in two files, and the other has it");
    }
    let states: Vec<_> = streams.iter().map(|stream| (stream.id, stream.log.state())).collect();
    drop((streams, store));
    if dir.join("catalog").exists() {
        let copy = CatalogCopy::new(dir)?;
        disk.use_catalog(copy.path());
        let (store, streams, report) = Store::open_on(disk, options(true, encryption))?;
        examination.catalog(&streams, &report);
        let agrees = streams.iter().map(|stream| (stream.id, stream.log.state())).eq(states);
        if !agrees && !report.catalog_rebuilt {
            let note = "the catalogue knows of removals that the journal has lost; the broker goes by it";
            examination.notes.push(note.to_owned());
        }
        drop((streams, store));
    }
    examination.healthy = examination.findings.iter().all(|finding| finding.set_aside);
    Ok(examination)
}

/// Puts the store in `dir` in order after `examination`: damage is set aside, what is lost is taken out of its stream, the
/// catalogue is made anew if need be, and the store is closed in order. Says what it did. `settle` as with
/// [`Store::recover_with`]: what is closed in order is in doubt no more.
pub fn repair(
    dir: &Path,
    encryption: Option<&Encryption>,
    examination: &Examination,
    settle: &dyn Fn(&mut RecoveredStream),
) -> Result<Vec<String>, StoreError> {
    let encryption = if is_encrypted(&Untouched::new(dir)?)? { encryption } else { None };
    let mut done = Vec::new();
    if examination.findings.iter().any(|finding| finding.file == "catalog") {
        Catalog::set_aside(&dir.join("catalog"))?;
        done.push("catalogue set aside and rebuilt from the journal".to_owned());
    }
    let (store, mut streams, report) = Store::open_with(dir, options(true, encryption), settle)?;
    for name in &report.unreadable_files {
        done.push(move_aside(dir, name)?);
    }
    let mut removed = 0;
    for stream in &mut streams {
        for seq in unreadable(stream)? {
            stream.log.remove(seq)?;
            removed += 1;
        }
    }
    if removed > 0 {
        done.push(format!("{removed} unreadable messages taken out of their streams"));
    }
    for finding in examination.findings.iter().filter(|finding| !finding.set_aside) {
        if let (Some(at), Some(len)) = (finding.at, finding.bytes) {
            store.set_aside(at, len)?;
            done.push(format!("{len} bytes at {} of {} set aside", at.offset, finding.file));
        }
    }
    store.try_close()?;
    done.push("closed in order".to_owned());
    Ok(done)
}

fn options(catalog: bool, encryption: Option<&Encryption>) -> StoreOptions {
    StoreOptions { threads: false, catalog, encryption: encryption.cloned(), ..StoreOptions::default() }
}

fn move_aside(dir: &Path, name: &str) -> Result<String, StoreError> {
    let failed = |error: std::io::Error| StoreError::Io(format!("set aside {name}: {error}"));
    fs::create_dir_all(dir.join(QUARANTINE_DIR)).map_err(failed)?;
    fs::rename(dir.join(JOURNAL_DIR).join(name), dir.join(QUARANTINE_DIR).join(name)).map_err(failed)?;
    Ok(format!("{JOURNAL_DIR}/{name} moved to {QUARANTINE_DIR}/{name}"))
}

/// The messages of a stream that are known and cannot be read.
fn unreadable(stream: &RecoveredStream) -> Result<Vec<u64>, StoreError> {
    let mut unreadable = Vec::new();
    let mut next = stream.log.next_match(0, &[])?;
    while let Some(seq) = next {
        match stream.log.load(seq) {
            Err(StoreError::Damaged { .. }) => unreadable.push(seq),
            Err(other) => return Err(other),
            Ok(_) => {}
        }
        next = stream.log.next_match(seq + 1, &[])?;
    }
    Ok(unreadable)
}

impl Examination {
    fn find(&mut self, file: &str, problem: &str) {
        self.add(Finding { file: file.into(), problem: problem.into(), ..Finding::default() });
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    fn journal(&mut self, dir: &Path, streams: &[RecoveredStream], report: &RecoveryReport) {
        for region in report.regions.iter().filter(|region| region.durable) {
            self.add(finding(dir, streams, region));
        }
        for name in &report.unreadable_files {
            self.find(&format!("{JOURNAL_DIR}/{name}"), "not readable as a segment; what was in it is lost");
        }
        for id in &report.lost_segments {
            self.find(&segment_path(*id), "the segment is missing or unreadable; what was in it is lost");
        }
        for stream in streams.iter().filter(|stream| stream.name.is_empty()) {
            self.find(JOURNAL_DIR, &format!("the name of stream number {} is lost", stream.id.0));
        }
        if report.repaired_records > 0 {
            let repaired = format!("{} records have a flipped bit and can be read", report.repaired_records);
            self.notes.push(repaired);
        }
        if report.torn_bytes + report.records_discarded > 0 {
            let torn = "the last commit was never finished; nothing of it was acknowledged";
            self.notes.push(torn.to_owned());
        }
    }

    fn catalog(&mut self, streams: &[RecoveredStream], report: &RecoveryReport) {
        if report.catalog_rebuilt {
            return self.find("catalog", "it cannot be used; the journal has everything that is in it");
        }
        for id in &report.lost_segments {
            self.find(&segment_path(*id), "the segment is missing or unreadable; what was in it is lost");
        }
        let known: HashSet<(Option<String>, Option<u64>)> =
            self.findings.iter().map(|finding| (finding.stream.clone(), finding.sequence)).collect();
        let lost = report.lost_messages.iter().map(|(number, seq)| (*number, *seq));
        let lost: Vec<(u32, u64)> = lost.chain(self.unreadable_in(streams)).collect();
        for (number, seq) in lost {
            let stream = name_of(streams, number);
            if !known.contains(&(Some(stream.clone()), Some(seq))) {
                self.add(Finding {
                    file: JOURNAL_DIR.into(),
                    problem: "a message is lost".into(),
                    stream: Some(stream),
                    sequence: Some(seq),
                    ..Finding::default()
                });
            }
        }
    }

    /// The messages that the catalogue knows and the journal has not.
    fn unreadable_in(&mut self, streams: &[RecoveredStream]) -> Vec<(u32, u64)> {
        let mut lost = Vec::new();
        for stream in streams {
            match unreadable(stream) {
                Ok(seqs) => lost.extend(seqs.into_iter().map(|seq| (stream.id.0, seq))),
                Err(error) => return self.fail(&error),
            }
        }
        lost
    }

    fn fail(&mut self, error: &StoreError) -> Vec<(u32, u64)> {
        self.find("catalog", &format!("it cannot be used: {error}"));
        Vec::new()
    }
}

fn finding(dir: &Path, streams: &[RecoveredStream], region: &Region) -> Finding {
    let (problem, stream, sequence) = match &region.lost {
        Some((kind, stream, seq)) => {
            let sequence = (*kind == Kind::Message).then_some(*seq);
            (format!("damaged: {kind:?}"), Some(name_of(streams, *stream)), sequence)
        }
        None => ("damaged: what was here is not known".to_owned(), None, None),
    };
    Finding {
        file: segment_path(region.at.segment),
        at: Some(region.at),
        offset: Some(region.at.offset),
        bytes: Some(region.len),
        problem,
        stream,
        sequence,
        set_aside: dir.join(quarantined(region.at)).exists(),
    }
}

fn name_of(streams: &[RecoveredStream], number: u32) -> String {
    let found = streams.iter().find(|stream| stream.id.0 == number && !stream.name.is_empty());
    found.map_or_else(|| format!("number {number}"), |stream| format!("{} > {}", stream.account, stream.name))
}
