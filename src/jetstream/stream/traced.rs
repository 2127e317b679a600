//! Publishes that are traced, and those that are only traced: checked like any other, and told as nats-server tells them.

use headwater_protocol::jetstream::error::ApiError;

use super::batch::fast_reply::is_fast;
use super::expectations::expected_seq;
use super::publish::Checked;
use super::publish_headers::PublishHeaders;
use super::refusal::Refusal;
use super::turn::{Answer, Turn};
use super::{Ingest, StreamMachine};
use crate::store::StoreError;
use crate::trace::Storing;

/// What an id that was seen before is told as.
const DUPLICATE: &str = "msgid is duplicate";

/// What a message that is too large is told as, whatever it is too large for.
const TOO_LARGE: &str = "maximum payload exceeded";

impl StreamMachine {
    /// Takes one publish like [`publish`](Self::publish), and says what has become of it.
    pub fn publish_traced(&mut self, turn: &mut Turn<'_>, message: &Ingest<'_>, reply: &[u8]) -> Storing {
        let no_interest = !self.is_wanted(turn, message.subject);
        let outcome = self.take(turn, message, reply);
        let storing = storing(&outcome, message, no_interest);
        match outcome {
            Ok(None) => {}
            Ok(Some(answer)) => self.tell(turn, reply, || answer),
            Err(refusal) => self.tell(turn, reply, || Answer::Refused(Box::new(refusal.into()))),
        }
        storing
    }

    /// Says what would become of a publish. The publisher is told if that is nothing. A message of a batch is looked at as if it
    /// came alone, and does not count in the batch.
    pub fn only_trace(&mut self, turn: &mut Turn<'_>, message: &Ingest<'_>, reply: &[u8]) -> Storing {
        let asked = PublishHeaders::read(message.headers);
        let checked =
            self.check_batches(&asked, reply).and_then(|()| self.check_terms(turn, message, &asked));
        let outcome = checked.map(|checked| match checked {
            Checked::Accepted(accepted) => (accepted.wanted, None),
            Checked::Duplicate { seq } => (true, Some(Answer::Duplicate { seq })),
        });
        match outcome {
            Ok((wanted, None)) => storing(&Ok(None), message, !wanted),
            Ok((_, Some(answer))) => {
                let storing = storing(&Ok(Some(answer.clone())), message, false);
                self.tell(turn, reply, || answer);
                storing
            }
            Err(refusal) => {
                let error = told(&refusal, &asked);
                self.tell(turn, reply, || Answer::Refused(Box::new(refusal.into())));
                Storing { error, ..Storing::default() }
            }
        }
    }

    fn check_batches(&self, asked: &PublishHeaders<'_>, reply: &[u8]) -> Result<(), Refusal> {
        if is_fast(reply) && !self.config.allow_batched {
            return Err(Refusal::FastDisabled);
        }
        if !asked.batch_id.is_empty() && !self.config.allow_atomic {
            return Err(Refusal::AtomicDisabled);
        }
        Ok(())
    }
}

fn storing(outcome: &Result<Option<Answer>, Refusal>, message: &Ingest<'_>, no_interest: bool) -> Storing {
    let subject = message.subject.to_vec();
    match outcome {
        Ok(Some(Answer::Duplicate { .. })) => Storing { error: DUPLICATE.to_owned(), ..Storing::default() },
        Ok(_) => Storing { subject, no_interest, error: String::new() },
        Err(refusal) => {
            let error = told(refusal, &PublishHeaders::read(message.headers));
            let subject = if is_found_late(refusal) { subject } else { Vec::new() };
            Storing { subject, no_interest: false, error }
        }
    }
}

/// Whether nats-server finds it out only when it stores the message.
fn is_found_late(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::MaxMsgs
            | Refusal::MaxBytes
            | Refusal::MaxMsgsPerSubject
            | Refusal::AccountResources
            | Refusal::TtlInvalid
            | Refusal::Store(_)
    )
}

/// Why a message is refused, in the words of nats-server's own code where they are not those of its API.
fn told(refusal: &Refusal, asked: &PublishHeaders<'_>) -> String {
    match refusal {
        Refusal::ExpectedStream => "expected stream does not match".to_owned(),
        Refusal::TtlDisabled => "message TTL disabled".to_owned(),
        Refusal::WrongLastSeq(actual) => {
            format!("last sequence mismatch: {} vs {actual}", number(asked.expected_last_seq))
        }
        Refusal::WrongLastSubjectSeq(actual) => {
            let wanted = number(asked.expected_last_subject_seq);
            format!("last sequence by subject mismatch: {wanted} vs {actual}")
        }
        Refusal::WrongLastMsgId(actual) => {
            let wanted = String::from_utf8_lossy(asked.expected_last_msg_id);
            format!("last msgid mismatch: {wanted:?} vs {actual:?}")
        }
        Refusal::RollupNotPermitted => "rollup not permitted".to_owned(),
        Refusal::RollupInvalid(value) => format!("rollup value invalid: {value:?}"),
        Refusal::MessageTooLarge | Refusal::HeadersTooLarge => TOO_LARGE.to_owned(),
        Refusal::MaxMsgs => "maximum messages exceeded".to_owned(),
        Refusal::MaxBytes => "maximum bytes exceeded".to_owned(),
        Refusal::MaxMsgsPerSubject => "maximum messages per subject exceeded".to_owned(),
        Refusal::Store(StoreError::TooLarge) => "message to large".to_owned(),
        other => ApiError::from(other.clone()).to_string(),
    }
}

fn number(text: &[u8]) -> u64 {
    expected_seq(text).unwrap_or_default()
}
