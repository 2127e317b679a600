//! Which messages the outside may see: those the store has settled.

use std::collections::VecDeque;

use crate::store::Lsn;

/// Follows the store's position to the highest sequence that is settled.
#[derive(Debug)]
pub struct Visible {
    last_seq: u64,
    /// What [`advance`](Self::advance) has told of.
    told_seq: u64,
    unsettled: VecDeque<(Lsn, u64)>,
}

impl Visible {
    /// Everything up to `last_seq` is settled.
    pub fn up_to(last_seq: u64) -> Self {
        Self { last_seq, told_seq: last_seq, unsettled: VecDeque::new() }
    }

    /// `seq` was stored and is settled once the store has passed `lsn`.
    pub fn stored(&mut self, seq: u64, lsn: Lsn) {
        if lsn == Lsn::ZERO && self.unsettled.is_empty() {
            self.last_seq = seq;
        } else {
            self.unsettled.push_back((lsn, seq));
        }
    }

    /// The store has come to `settled`; returns whether more may be seen than at the last call.
    pub fn advance(&mut self, settled: Lsn) -> bool {
        while let Some(&(lsn, seq)) = self.unsettled.front() {
            if lsn > settled {
                break;
            }
            self.last_seq = seq;
            self.unsettled.pop_front();
        }
        std::mem::replace(&mut self.told_seq, self.last_seq) < self.last_seq
    }

    /// The highest sequence that may be seen.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Whether something is still on its way to the disk.
    pub fn waits(&self) -> bool {
        !self.unsettled.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_seen_when_the_store_has_passed_it_and_not_before() {
        let mut visible = Visible::up_to(5);
        visible.stored(6, Lsn(100));
        visible.stored(7, Lsn(200));
        assert!(!visible.advance(Lsn(99)));
        assert_eq!(visible.last_seq(), 5);
        assert!(visible.advance(Lsn(100)));
        assert_eq!(visible.last_seq(), 6);
        assert!(visible.waits());
        assert!(visible.advance(Lsn(1_000)));
        assert_eq!(visible.last_seq(), 7);
        assert!(!visible.waits());
    }

    #[test]
    fn a_memory_stream_shows_its_messages_at_once() {
        let mut visible = Visible::up_to(0);
        visible.stored(1, Lsn::ZERO);
        assert_eq!(visible.last_seq(), 1);
        assert!(visible.advance(Lsn::ZERO));
        assert!(!visible.advance(Lsn::ZERO));
    }
}
