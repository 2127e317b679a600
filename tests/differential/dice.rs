//! Random choices that are the same every time.

/// SplitMix64, and what was chosen once for all.
pub struct Dice {
    state: u64,
    pub fixed: Vec<(&'static str, &'static str)>,
    pub ack_policy: &'static str,
    pub filters: &'static [&'static str],
    /// Messages are purged and rolled up.
    pub purges: bool,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, fixed: Vec::new(), ack_policy: "explicit", filters: &[], purges: false }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True in `of` cases of a hundred.
    pub fn chance(&mut self, of: u64) -> bool {
        self.below(100) < of
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
