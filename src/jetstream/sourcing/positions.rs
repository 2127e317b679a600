//! Where sources go on after a restart, or after they were configured anew.

use headwater_protocol::headers::{self, names};

use super::ledger::{Place, Record};
use super::origin::Origin;
use super::source_header::CameFrom;
use crate::store::{MessageLog, StoreError};

/// Finds how far each of `origins` has come: what stored messages tell, newest first, then what was written down. A source
/// that nothing is known of is left out.
pub fn find<'a>(
    log: &dyn MessageLog,
    record: &Record,
    origins: impl IntoIterator<Item = &'a Origin>,
) -> Result<Vec<Place>, StoreError> {
    let mut wanted: Vec<&Origin> = origins.into_iter().collect();
    let written_down =
        |origin: &Origin| record.places.iter().find(|place| place.source == **origin.index_name()).cloned();
    // Of a source that was written down, no message before that knows better.
    let all_written_down = wanted.iter().all(|origin| written_down(origin).is_some());
    let known_through = if all_written_down { record.through } else { 0 };
    let mut found = Vec::new();
    let mut next = log.last_match(log.state().last_seq, &[])?;
    while let Some(seq) = next.filter(|seq| *seq > known_through && !wanted.is_empty()) {
        read_message(log, seq, record, &mut wanted, &mut found)?;
        next = log.last_match(seq.saturating_sub(1), &[])?;
    }
    found.extend(wanted.into_iter().filter_map(written_down).filter(|place| place.seq > 0));
    Ok(found)
}

/// A damaged message tells nothing.
fn read_message(
    log: &dyn MessageLog,
    seq: u64,
    record: &Record,
    wanted: &mut Vec<&Origin>,
    found: &mut Vec<Place>,
) -> Result<(), StoreError> {
    let message = match log.load(seq) {
        Ok(Some(message)) => message,
        Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(came_from) = headers::get(message.headers(), names::STREAM_SOURCE).and_then(CameFrom::parse)
    else {
        return Ok(());
    };
    wanted.retain(|origin| {
        let source = &**origin.index_name();
        // What was written down after this message was stored knows better.
        let outdated = seq <= record.through && record.places.iter().any(|place| place.source == source);
        if outdated || !came_from.is_of(origin) {
            return true;
        }
        let identity = came_from.identity.to_owned();
        found.push(Place { source: source.to_owned(), seq: came_from.seq, identity });
        false
    });
    Ok(())
}
