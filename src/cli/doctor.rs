//! `headwater doctor DIR [--repair] [--json] [--config FILE]`: looks at a store while no broker runs, and puts it in order on request.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::Answer;
use crate::assemble::store_options;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::jetstream::settle_doubts;
use crate::store::doctor::{Examination, Finding, examine, repair, store_dir};
use crate::store::{Encryption, StoreError};

const USAGE: &str = "\
Usage: headwater doctor DIR [--repair] [--json] [--config FILE]

Checks the JetStream store in DIR (a broker's store_dir) while no broker runs. Says what is damaged and what is
lost; changes nothing unless told to --repair: damage is then set aside in quarantine/, the catalogue is rebuilt
if need be, and the store is closed in order. The key of an encrypted store is taken from the broker's
configuration, --config FILE.

Exit codes: 0 healthy (or repaired), 1 damage was found, 2 the store could not be checked
";

/// What the store's doctor was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorRequest {
    dir: PathBuf,
    repair: bool,
    json: bool,
    config: Option<String>,
}

impl DoctorRequest {
    /// Reads the words behind `doctor`.
    pub(super) fn parse(words: &[String]) -> Result<Self, Answer> {
        let mut request = Self { dir: PathBuf::new(), repair: false, json: false, config: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.trim_start_matches('-') {
                "repair" if word.starts_with('-') => request.repair = true,
                "json" if word.starts_with('-') => request.json = true,
                "c" | "config" if word.starts_with('-') => {
                    request.config = Some(words.next().ok_or_else(usage)?.clone());
                }
                _ if word.starts_with('-') || !request.dir.as_os_str().is_empty() => return Err(usage()),
                _ => request.dir = word.into(),
            }
        }
        if request.dir.as_os_str().is_empty() { Err(usage()) } else { Ok(request) }
    }

    /// Does it.
    pub fn run(&self) -> Answer {
        match self.treat() {
            Ok(examination) => self.told(&examination),
            Err(error) => failure(&format!("{}: {error}\n", self.dir.display())),
        }
    }

    fn treat(&self) -> Result<Examination, StoreError> {
        let dir = store_dir(&self.dir).ok_or_else(|| StoreError::Io("there is no store here".into()))?;
        let encryption = self.encryption()?;
        let examination = examine(&dir, encryption.as_ref())?;
        if self.repair { repaired(&dir, encryption.as_ref(), examination) } else { Ok(examination) }
    }

    fn encryption(&self) -> Result<Option<Encryption>, StoreError> {
        let Some(file) = &self.config else { return Ok(None) };
        let config = Config::from_file(file).map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(store_options(&config).encryption)
    }

    fn told(&self, examination: &Examination) -> Answer {
        let stdout = if self.json {
            serde_json::to_string_pretty(examination).unwrap_or_default() + "\n"
        } else {
            text(examination)
        };
        Answer { stdout, exit_code: u8::from(!examination.healthy), ..Answer::default() }
    }
}

/// What was wrong stays in the findings; whether all is well now is looked at once more.
fn repaired(
    dir: &Path,
    encryption: Option<&Encryption>,
    before: Examination,
) -> Result<Examination, StoreError> {
    let now = SystemClock.now();
    let repairs = repair(dir, encryption, &before, &|stream| drop(settle_doubts(stream, now)))?;
    let after = examine(dir, encryption)?;
    let findings = if after.healthy { before.findings } else { after.findings };
    Ok(Examination { findings, repairs, ..after })
}

fn usage() -> Answer {
    failure(USAGE)
}

fn failure(text: &str) -> Answer {
    Answer { stderr: text.to_owned(), exit_code: 2, ..Answer::default() }
}

fn text(examination: &Examination) -> String {
    let mut text = String::new();
    for finding in &examination.findings {
        let _ = writeln!(text, "{}", line(finding));
    }
    let others = examination.notes.iter().map(|note| ("note", note));
    for (what, line) in others.chain(examination.repairs.iter().map(|done| ("repaired", done))) {
        let _ = writeln!(text, "{what}: {line}");
    }
    let state = if examination.healthy { "healthy" } else { "damaged" };
    let Examination { segments, records, messages, .. } = examination;
    let _ = writeln!(text, "{state}: {segments} segments, {records} records, {messages} messages");
    text
}

fn line(finding: &Finding) -> String {
    let mut line = finding.file.clone();
    if let (Some(offset), Some(bytes)) = (finding.offset, finding.bytes) {
        let _ = write!(line, " at {offset}, {bytes} bytes");
    }
    let _ = write!(line, ": {}", finding.problem);
    if let Some(stream) = &finding.stream {
        let _ = write!(line, ", stream {stream}");
    }
    if let Some(sequence) = finding.sequence {
        let _ = write!(line, ", sequence {sequence}");
    }
    if finding.set_aside {
        line.push_str(" (set aside)");
    }
    line
}
