//! The reply subject of a flow control request.
//!
//! ```text
//! v1  $JS.FC.<stream>.<consumer>.<id>
//! v2  $JS.FC.<domain>.<account hash>.<stream>.<consumer>.<id>
//! ```

/// What all flow control subjects begin with.
pub const FLOW_CONTROL_PREFIX: &[u8] = b"$JS.FC.";

/// A parsed flow control subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowControlToken<'a> {
    /// The stream.
    pub stream: &'a [u8],
    /// The consumer.
    pub consumer: &'a [u8],
    /// Which of its requests this answers.
    pub id: &'a [u8],
}

impl<'a> FlowControlToken<'a> {
    /// Reads either form; `None` if `subject` is neither.
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let mut tokens = subject.strip_prefix(FLOW_CONTROL_PREFIX)?.split(|byte| *byte == b'.');
        let mut next = || tokens.next();
        let (first, second, third) = (next()?, next()?, next()?);
        match (next(), next(), next()) {
            (None, ..) => Some(Self { stream: first, consumer: second, id: third }),
            (Some(consumer), Some(id), None) => Some(Self { stream: third, consumer, id }),
            _ => None,
        }
    }

    /// Appends the subject in the first form.
    pub fn write_v1(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(FLOW_CONTROL_PREFIX);
        for token in [self.stream, self.consumer] {
            out.extend_from_slice(token);
            out.push(b'.');
        }
        out.extend_from_slice(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: FlowControlToken<'_> = FlowControlToken { stream: b"S", consumer: b"C", id: b"aB3x" };

    #[test]
    fn both_forms_are_read() {
        let mut written = Vec::new();
        TOKEN.write_v1(&mut written);
        assert_eq!(written, b"$JS.FC.S.C.aB3x");
        assert_eq!(FlowControlToken::parse(&written), Some(TOKEN));
        assert_eq!(FlowControlToken::parse(b"$JS.FC.hub.12345678.S.C.aB3x"), Some(TOKEN));
    }

    #[test]
    fn other_subjects_are_no_flow_control() {
        for subject in ["$JS.FC.", "$JS.FC.S.C", "$JS.FC.d.S.C.id", "$JS.FC.d.h.S.C.id.x", "$JS.ACK.S.C.id"] {
            assert_eq!(FlowControlToken::parse(subject.as_bytes()), None, "{subject}");
        }
    }
}
