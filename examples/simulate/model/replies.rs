//! What answers promise.

use serde_json::Value;

use super::message::Presence;
use super::{Deletion, Model, Request};
use crate::broken::{Broken, Checked, check};
use crate::world::Received;

impl Model {
    /// An answer has come.
    pub(super) fn receive_reply(&mut self, request: Request, received: &Received) -> Checked {
        if let Request::Acknowledge { stream, consumer, created, seq } = request {
            if let Some(consumer) = self.consumer_made(stream, &consumer, created) {
                consumer.note_confirmation(seq);
            }
            return Ok(());
        }
        let body: Value = serde_json::from_slice(&received.payload).unwrap_or(Value::Null);
        let refused = body.get("error").is_some();
        match request {
            Request::Publish { stream, attempts, given } if refused => {
                self.check_refusal(stream, &attempts, given, &body)
            }
            Request::Publish { stream, attempts, given } => {
                self.check_pub_ack(stream, &attempts, given, &body)
            }
            _ if refused => Ok(()),
            other => self.succeeded(other, &body),
        }
    }

    fn succeeded(&mut self, request: Request, body: &Value) -> Checked {
        match request {
            Request::CreateStream { stream, revision } | Request::UpdateStream { stream, revision } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.promise_config(revision);
                }
            }
            Request::DeleteStream { stream } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.deletion = Deletion::Promised;
                }
            }
            Request::DeleteMessage { stream, seq } => self.promise_gone(stream, &[seq])?,
            Request::Purge { stream, seqs } => {
                let purged = body.get("purged").and_then(Value::as_u64);
                let promised = || format!("the purge took messages {seqs:?}");
                check(purged == Some(seqs.len() as u64), promised, || format!("it says {purged:?}"))?;
                self.promise_gone(stream, &seqs)?;
            }
            Request::CreateConsumer { stream, name, created, revision } => {
                if let Some(consumer) = self.consumer_made(stream, &name, created) {
                    consumer.promise_config(revision);
                }
            }
            Request::DeleteConsumer { stream, name, created } => {
                if let Some(consumer) = self.consumer_made(stream, &name, created) {
                    consumer.deletion = Deletion::Promised;
                }
            }
            Request::GetMessage { stream } => self.message_answered(stream, body)?,
            Request::Publish { .. } | Request::Acknowledge { .. } => {}
        }
        Ok(())
    }

    fn promise_gone(&mut self, stream: u32, seqs: &[u64]) -> Checked {
        let in_the_dark = self.in_the_dark;
        let Some(stream) = self.streams.get_mut(&stream) else { return Ok(()) };
        let is_file = stream.is_file();
        for seq in seqs {
            let name = &stream.name;
            let Some(stored) = stream.messages.get_mut(seq) else { continue };
            let promised = || format!("{name}: message {seq} is deleted");
            // What a stream in memory removes needs no disk, and so no power, for its answer.
            let unseen = in_the_dark && !is_file;
            check(unseen || !stored.is_live(), promised, || "it is there".to_owned())?;
            stored.presence = Presence::Gone { cause: None, promised: true };
            stream.promised_seq = stream.promised_seq.max(*seq);
        }
        Ok(())
    }

    fn message_answered(&mut self, stream: u32, body: &Value) -> Checked {
        let seq = body.pointer("/message/seq").and_then(Value::as_u64);
        let seq = seq.ok_or_else(|| Broken::new("an answer names the message", body.to_string()))?;
        let Some(stream) = self.streams.get_mut(&stream) else { return Ok(()) };
        let known = stream.messages.contains_key(&seq);
        check(known, || format!("{}: message {seq} was never stored", stream.name), || body.to_string())?;
        stream.promise(seq);
        Ok(())
    }

    /// What was refused is not stored, but for what a failing disk may have taken or not.
    fn check_refusal(&self, stream: u32, attempts: &[u64], given: Option<u64>, body: &Value) -> Checked {
        let Some(stream) = self.streams.get(&stream) else { return Ok(()) };
        let unknown = body.pointer("/error/code").and_then(Value::as_u64) == Some(503);
        let Some(seq) = given.filter(|_| !unknown) else { return Ok(()) };
        let stored =
            stream.messages.get(&seq).is_some_and(|stored| stored.attempt == attempts.first().copied());
        let promised = || format!("{}: the publish was refused: {body}", stream.name);
        check(!stored, promised, || format!("it is stored as message {seq}"))
    }

    fn check_pub_ack(&mut self, stream: u32, attempts: &[u64], given: Option<u64>, body: &Value) -> Checked {
        let Some(stream) = self.streams.get_mut(&stream) else { return Ok(()) };
        // The first messages of a batch are answered with nothing.
        let Some(seq) = body.get("seq").and_then(Value::as_u64) else { return Ok(()) };
        if body.get("duplicate").and_then(Value::as_bool) == Some(true) {
            let known = stream.messages.contains_key(&seq);
            check(known, || format!("{}: message {seq} was stored", stream.name), || body.to_string())?;
            stream.promise(seq);
            return Ok(());
        }
        if stream.went_unseen(seq) {
            return Ok(());
        }
        let first = given.unwrap_or(0);
        let last = first + (attempts.len() as u64).saturating_sub(1);
        let promised = || format!("{}: attempts {attempts:?} got {first} to {last}", stream.name);
        check(seq == last, promised, || format!("the answer says {body}"))?;
        for (seq, attempt) in (first..=last).zip(attempts) {
            let of = stream.messages.get(&seq).and_then(|stored| stored.attempt);
            let promised = || format!("{}: message {seq} is attempt {attempt}", stream.name);
            check(of == Some(*attempt), promised, || format!("it is attempt {of:?}"))?;
            stream.promise(seq);
        }
        Ok(())
    }
}
