//! Segments that the catalogue refers to and that are gone: what lay in them is lost, everything else goes on.

use super::StoreError;
use super::journal::RecordReader;
use super::journal::files::SegmentFiles;
use super::journal::model::{Model, ModelConsumer, ModelStream};
use super::journal::quarantine::Quarantine;
use super::journal::usage::Placed;
use super::report::RecoveryReport;
use super::stream_index::StreamIndex;

/// Takes out of the model what lay in segments that are gone, and notes it.
pub fn take_out(
    model: &mut Model,
    files: &SegmentFiles,
    quarantine: &Quarantine,
    report: &mut RecoveryReport,
) -> Result<(), StoreError> {
    for (number, stream) in &mut model.streams {
        let gone: Vec<u32> = stream.segments().filter(|id| !files.exists(*id)).collect();
        if gone.is_empty() {
            continue;
        }
        gone.into_iter().for_each(|id| note_segment(id, files, report));
        let lost = stream.index.lose_segments(&|id| files.exists(id), files)?;
        quarantine.count_lost(*number, lost.len() as u64);
        lost.into_iter().for_each(|seq| report.note_lost(*number, seq));
        let held = |placed: &Placed| files.exists(placed.at.segment);
        stream.put = stream.put.filter(held);
        stream.state = stream.state.filter(held);
        stream.consumers.values_mut().for_each(|consumer| consumer.lose(&held));
        model.unsure.insert(*number);
    }
    model.deletions.retain(|deletion| files.exists(deletion.placed.at.segment));
    Ok(())
}

fn note_segment(id: u32, files: &SegmentFiles, report: &mut RecoveryReport) {
    files.note_id(id);
    if !report.lost_segments.contains(&id) {
        report.lost_segments.push(id);
    }
}

impl StreamIndex {
    /// Takes out the messages in segments that are gone, and learns the subjects of the others anew; returns what it took
    /// out. Reads every message's subject.
    fn lose_segments(
        &mut self,
        exists: &dyn Fn(u32) -> bool,
        journal: &dyn RecordReader,
    ) -> Result<Vec<u64>, StoreError> {
        let mut lost = Vec::new();
        self.changed = true;
        self.subjects.clear();
        let mut from = self.first_seq;
        while let Some((seq, entry)) = self.seqs.next_where(from, self.last_seq, |_| true)? {
            from = seq + 1;
            if !exists(entry.at.segment) {
                self.seqs.remove(seq)?;
                self.forget_bytes(&entry);
                self.forget_message(&entry);
                lost.push(seq);
            } else if let Some(subject) = self.subject_of(seq, &entry, journal) {
                self.subjects.add(&subject, seq)?;
            }
        }
        self.live.retain(|segment, _| exists(*segment));
        self.find_first(self.first_seq)?;
        Ok(lost)
    }
}

impl ModelStream {
    /// Every segment that something of the stream is known to lie in, some more than once.
    fn segments(&self) -> impl Iterator<Item = u32> + '_ {
        let placed = self.put.into_iter().chain(self.state);
        let placed = placed.chain(self.consumers.values().flat_map(ModelConsumer::records));
        self.index.live.keys().copied().chain(placed.map(|placed| placed.at.segment))
    }
}

impl ModelConsumer {
    /// A state whose changes are lost, or the other way round, is still the best there is.
    fn lose(&mut self, held: &dyn Fn(&Placed) -> bool) {
        self.config.take_if(|(_, placed)| !held(placed));
        self.state.take_if(|(_, placed)| !held(placed));
        self.deltas.retain(|(_, placed)| held(placed));
    }
}
