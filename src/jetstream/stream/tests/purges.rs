//! What a filtered purge removes (ADR-10), against a list.

use bytes::Bytes;
use headwater_protocol::subject::matches;
use proptest::prelude::*;

use super::{Rig, config};
use crate::jetstream::stream::Purge;

proptest! {
    #[test]
    fn a_filtered_purge_removes_the_oldest_matches_and_nothing_else(
        subjects in proptest::collection::vec("s\\.[ab]\\.[a-e]", 1..40),
        filter in "s\\.([ab*])\\.([a-e*]|>)",
        below in proptest::option::of(0u64..50),
        keep in proptest::option::of(0u64..8),
    ) {
        let mut rig = Rig::new(config());
        for subject in &subjects {
            rig.store(subject, &[]);
        }
        let matching: Vec<u64> = (1..)
            .zip(&subjects)
            .filter(|(seq, _)| below.is_none_or(|below| *seq < below))
            .filter(|(_, subject)| matches(filter.as_bytes(), subject.as_bytes()))
            .map(|(seq, _)| seq)
            .collect();
        let gone = &matching[..matching.len().saturating_sub(keep.unwrap_or(0) as usize)];
        let left: Vec<u64> = (1..=subjects.len() as u64).filter(|seq| !gone.contains(seq)).collect();
        let purge = Purge { filter: Some(Bytes::from(filter)), below, keep };
        let (purged, _) = rig.machine.purge(&mut rig.log, &purge).unwrap();
        prop_assert_eq!(purged, gone.len() as u64);
        prop_assert_eq!(rig.live(), left);
    }
}
