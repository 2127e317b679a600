//! `msg_trace`: which messages with W3C trace headers an account has traced.

/// Where an account's traces go that a `traceparent` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceTerms {
    /// A subject of the account.
    pub destination: Box<str>,
    /// So many of a hundred are traced.
    pub sampling_percent: u8,
}

impl TraceTerms {
    /// Whether one message is among those that are traced. `random` gives a number below its argument.
    pub fn samples(&self, random: impl FnOnce(usize) -> usize) -> bool {
        // One more than configured, as nats-server has it.
        matches!(self.sampling_percent, 0 | 100..) || random(100) <= usize::from(self.sampling_percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_percent_and_what_makes_no_sense_trace_all() {
        let samples = |sampling_percent, random| {
            TraceTerms { destination: "d".into(), sampling_percent }.samples(|_| random)
        };
        assert!(samples(100, 99) && samples(0, 99) && samples(200, 99));
        assert!(samples(10, 10) && !samples(10, 11));
    }
}
