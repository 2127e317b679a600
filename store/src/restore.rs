//! From a checkpoint in the catalogue back to streams.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::StoreError;
use super::catalog::Catalog;
use super::checkpoint::{CatalogPages, RestoredRecords};
use super::checkpoint_record::{ConsumerRecord, Root, StreamRecord, root_key, stream_key};
use super::index::pages::StoredPage;
use super::index::{SeqIndex, SubjectIndex, Subjects};
use super::journal::files::SegmentFiles;
use super::journal::model::{Model, ModelConsumer, ModelStream, NO_STATE};
use super::journal::record::Record;
use super::journal::usage::Placed;
use super::stream_index::StreamIndex;

/// What the last complete checkpoint says.
pub struct Restored {
    /// The root.
    pub root: Root,
    /// Where each stream's record is stored.
    pub records: RestoredRecords,
    /// All streams, up to where the replay goes on.
    pub model: Model,
}

/// Reads the last complete checkpoint; `None` when there is none that can be used.
pub fn restore(catalog: &Arc<Catalog>, files: &SegmentFiles) -> Result<Option<Restored>, StoreError> {
    let Some(root) = newest_root(catalog)? else { return Ok(None) };
    let mut model = Model {
        deletions: root.deletions.clone(),
        tombstone_bytes: root.tombstones.clone(),
        compactions: root.compactions.iter().copied().collect(),
        last_stream: root.last_stream,
        ..Model::default()
    };
    let mut records = HashMap::new();
    for (number, stored) in &root.streams {
        let Some(record) = stream_record(catalog, *number, *stored)? else { return Ok(None) };
        records.insert(*number, (*stored, record.state));
        let Some(stream) = stream(catalog, files, *number, record)? else { return Ok(None) };
        model.streams.insert(*number, stream);
    }
    catalog.pages().set_used(model.streams.values().flat_map(|stream| stream.index.stored()));
    Ok(Some(Restored { root, records, model }))
}

fn newest_root(catalog: &Catalog) -> Result<Option<Root>, StoreError> {
    let mut newest: Option<Root> = None;
    for turn in 0..2 {
        let root = catalog.get(&root_key(turn))?.and_then(|bytes| Root::decode(&bytes));
        if let Some(root) =
            root.filter(|root| newest.as_ref().is_none_or(|newest| newest.number < root.number))
        {
            newest = Some(root);
        }
    }
    Ok(newest)
}

fn stream_record(
    catalog: &Catalog,
    number: u32,
    stored: StoredPage,
) -> Result<Option<StreamRecord>, StoreError> {
    let bytes = catalog.get(&stream_key(number, stored.checkpoint))?;
    Ok(bytes.filter(|bytes| stored.holds(bytes)).and_then(|bytes| StreamRecord::decode(&bytes)))
}

fn stream(
    catalog: &Arc<Catalog>,
    files: &SegmentFiles,
    number: u32,
    record: StreamRecord,
) -> Result<Option<ModelStream>, StoreError> {
    let Some(index) = index(catalog, number, &record)? else { return Ok(None) };
    let mut consumers = std::collections::BTreeMap::new();
    for consumer in record.consumers {
        consumers.insert(consumer.name.clone(), model_consumer(files, consumer));
    }
    Ok(Some(ModelStream {
        account: record.account,
        name: record.name,
        meta: record.meta.into(),
        put: record.put,
        index,
        state: record.state,
        consumers,
        loaded_up_to: record.up_to,
        ..ModelStream::new(number, record.oldest)
    }))
}

fn index(
    catalog: &Arc<Catalog>,
    number: u32,
    record: &StreamRecord,
) -> Result<Option<StreamIndex>, StoreError> {
    let source = Arc::new(CatalogPages::new(Arc::clone(catalog), number));
    let Some(seq_chunks) = chunks(catalog, &record.seq_chunks) else { return Ok(None) };
    let Some(subject_chunks) = chunks(catalog, &record.subject_chunks) else { return Ok(None) };
    let Some(seqs) = SeqIndex::restored(source.clone(), &seq_chunks) else { return Ok(None) };
    let Some(subjects) = SubjectIndex::restored(source, record.subjects, &subject_chunks) else {
        return Ok(None);
    };
    let mut index = StreamIndex::over(number, seqs, Subjects::new(subjects));
    index.live = record.live.iter().copied().collect();
    index.messages = record.messages;
    index.bytes = record.bytes;
    index.first_seq = record.first_seq;
    index.last_seq = record.last_seq;
    index.last_ts = record.last_ts;
    index.headers_up_to = record.headers_up_to;
    index.changed = false;
    Ok(Some(index))
}

type Chunks = Vec<(u64, StoredPage, Box<[u8]>)>;

/// The directory of an index; `None` when a part of it is damaged.
fn chunks(catalog: &Catalog, listed: &[(u64, StoredPage)]) -> Option<Chunks> {
    let mut chunks = Vec::with_capacity(listed.len());
    for (chunk, stored) in listed {
        let bytes = catalog.pages().read(*stored).ok()?;
        chunks.push((*chunk, *stored, bytes.into_boxed_slice()));
    }
    Some(chunks)
}

fn model_consumer(files: &SegmentFiles, record: ConsumerRecord) -> ModelConsumer {
    let body = |placed: Placed| read(files, placed).map(|record| (record.payload(), placed));
    ModelConsumer {
        config: record.config.map(|placed| body(placed).unwrap_or((Bytes::new(), placed))),
        state: record.state.map(|placed| (read(files, placed).and_then(state), placed)),
        deltas: record.deltas.into_iter().filter_map(body).collect(),
        oldest: record.oldest,
    }
}

fn state(record: Record) -> Option<Bytes> {
    (record.header.seq != NO_STATE).then(|| record.payload())
}

/// A record of the journal; a damaged one is lost, which is said in the log.
fn read(files: &SegmentFiles, placed: Placed) -> Option<Record> {
    let read = files.get(placed.at.segment).and_then(|segment| {
        let bytes = segment.read(placed.at.offset, placed.len as usize)?;
        Ok(segment.record(bytes))
    });
    let record = read.ok().flatten();
    if record.is_none() {
        log::error!(
            "journal: a consumer's record in segment {} at {} is lost",
            placed.at.segment,
            placed.at.offset
        );
    }
    record
}
