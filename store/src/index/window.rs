//! The matches of one stretch of a stream, listed: what comes next and how many there are is then known without a search.

use super::postings::Postings;

/// Matches a window lists; 8 KiB.
const LISTED_MAX: usize = 1024;

/// The sequences of all messages in a stretch that match. New messages lie behind it; what is removed must be told.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// Ascending once gathered.
    seqs: Vec<u64>,
    from: u64,
    /// The first sequence that nothing is known of.
    end: u64,
}

impl Window {
    /// A window that begins at `from` and goes no further than to `last`, the newest message there is.
    pub fn new(from: u64, last: u64) -> Self {
        Self { seqs: Vec::new(), from, end: last.saturating_add(1).max(from) }
    }

    /// Takes in the messages of a subject that matches. Of one with too many to be listed the first is known at most.
    pub fn take_in(&mut self, postings: &Postings) {
        match postings {
            Postings::Listed(seqs) => seqs.iter().for_each(|seq| self.push(*seq)),
            Postings::Bounded(bounds) if bounds.last.seq < self.from => {}
            Postings::Bounded(bounds) if bounds.first.exact && bounds.first.seq >= self.from => {
                self.push(bounds.first.seq);
                self.end = self.end.min(bounds.first.seq.saturating_add(1));
            }
            Postings::Bounded(bounds) => self.end = self.end.min(bounds.first.seq.max(self.from)),
        }
    }

    /// Everything was taken in.
    pub fn finish(&mut self) {
        self.cut();
        self.seqs.sort_unstable();
        self.seqs.shrink_to_fit();
    }

    /// Whether it knows which messages at `seq` match.
    pub fn covers(&self, seq: u64) -> bool {
        (self.from..self.end).contains(&seq)
    }

    /// The first sequence behind it.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The first match at or after `from`, which it covers.
    pub fn next(&self, from: u64) -> Option<u64> {
        self.seqs.get(self.seqs.partition_point(|seq| *seq < from)).copied()
    }

    /// How many matches lie in it from `from`, which it covers, to `up_to`.
    pub fn count(&self, from: u64, up_to: u64) -> u64 {
        let below = |end: u64| self.seqs.partition_point(|seq| *seq < end);
        below(up_to.saturating_add(1)).saturating_sub(below(from)) as u64
    }

    /// A message was removed.
    pub fn remove(&mut self, seq: u64) {
        if self.covers(seq) {
            if let Ok(at) = self.seqs.binary_search(&seq) {
                self.seqs.remove(at);
            }
        }
    }

    fn push(&mut self, seq: u64) {
        if self.covers(seq) {
            self.seqs.push(seq);
            if self.seqs.len() >= 2 * LISTED_MAX {
                self.cut();
            }
        }
    }

    /// Leaves out what is beyond the end, and brings the end to where as many are listed as may be.
    fn cut(&mut self) {
        if self.seqs.len() > LISTED_MAX {
            let (_, last, _) = self.seqs.select_nth_unstable(LISTED_MAX - 1);
            self.end = self.end.min(last.saturating_add(1));
        }
        let end = self.end;
        self.seqs.retain(|seq| *seq < end);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn a_window_knows_all_of_what_it_covers(
            subjects in proptest::collection::vec(proptest::collection::btree_set(1u64..4000, 1..120), 0..60),
            from in 0u64..4000,
            removed in proptest::collection::btree_set(1u64..4000, 0..50),
        ) {
            let mut window = Window::new(from, 4000);
            let mut model = BTreeSet::new();
            let mut postings_of = |seqs: &BTreeSet<u64>| {
                let seqs: BTreeSet<u64> = seqs.difference(&model).copied().collect();
                model.extend(&seqs);
                let mut postings = Postings::one(*seqs.first()?);
                seqs.into_iter().skip(1).for_each(|seq| postings.add(seq));
                Some(postings)
            };
            let postings: Vec<Postings> = subjects.iter().filter_map(&mut postings_of).collect();
            postings.iter().for_each(|postings| window.take_in(postings));
            window.finish();
            prop_assert!(window.seqs.len() <= LISTED_MAX);
            for seq in removed {
                window.remove(seq);
                model.remove(&seq);
            }
            let known: Vec<u64> = model.range(from..window.end().max(from)).copied().collect();
            prop_assert_eq!(&window.seqs, &known);
            for at in (from..window.end()).step_by(97) {
                prop_assert_eq!(window.next(at), model.range(at..window.end()).next().copied());
                prop_assert_eq!(window.count(at, at + 500), model.range(at..window.end().min(at + 501)).count() as u64);
            }
        }
    }

    #[test]
    fn a_window_over_few_matches_covers_the_stream_to_its_end() {
        let mut window = Window::new(0, 1_000_000);
        (1..=LISTED_MAX as u64).for_each(|n| window.take_in(&Postings::one(n * 900)));
        window.finish();
        assert_eq!(window.end(), 1_000_001);
        assert_eq!(window.count(0, u64::MAX), LISTED_MAX as u64);
    }
}
