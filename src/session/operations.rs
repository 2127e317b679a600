//! From bytes to operations.

use std::time::Instant;

use headwater_protocol::client::{ClientOp, ConnectOptions, ParseError, Step};

use super::{Batch, Session};
use crate::router::outbound::OUTBOUND;
use crate::router::{CloseReason, Message};

/// A CONNECT that was read, with what it says.
type Connect = Box<ConnectOptions>;

impl Session {
    /// Handles everything that has come in.
    pub(super) async fn handle_input(&mut self) -> Result<(), CloseReason> {
        self.timers.input(Instant::now());
        let large = self.input.is_large();
        let outcome = self.handle_operations().await;
        self.end_batch();
        if large {
            // So that a flood does not keep the thread from everyone else.
            tokio::task::yield_now().await;
        }
        outcome
    }

    async fn handle_operations(&mut self) -> Result<(), CloseReason> {
        while let Some(connect) = self.handle_until_connect()? {
            self.log_in(*connect).await?;
        }
        Ok(())
    }

    /// Handles operations up to the next CONNECT, which is returned, or to the end of the input.
    fn handle_until_connect(&mut self) -> Result<Option<Connect>, CloseReason> {
        let bytes = self.input.take();
        let mut consumed = 0;
        let mut needed = None;
        let mut unfinished = false;
        let mut outcome = Ok(None);
        while let Some(rest) = bytes.get(consumed..).filter(|rest| !rest.is_empty()) {
            match self.handle_next(rest) {
                Ok(Next::Done(bytes)) => {
                    consumed += bytes;
                    if OUTBOUND.is_over() && self.batch.messages > 0 {
                        unfinished = true;
                        break;
                    }
                }
                Ok(Next::Connect(options, bytes)) => {
                    consumed += bytes;
                    outcome = Ok(Some(options));
                    break;
                }
                Ok(Next::Incomplete(all)) => {
                    needed = all;
                    break;
                }
                Err(reason) => {
                    outcome = Err(reason);
                    break;
                }
            }
        }
        self.input.put_back(bytes, consumed, needed);
        if unfinished {
            self.input.set_unfinished();
        }
        outcome
    }

    #[inline]
    fn handle_next(&mut self, rest: &[u8]) -> Result<Next, CloseReason> {
        if self.settings.login_required && !matches!(rest.first(), Some(b'C' | b'c')) {
            self.log_in_without_connect()?;
        }
        match self.parser.next(rest) {
            Ok(Step::Op { op: ClientOp::Connect(json), consumed }) => {
                self.read_connect(json).map(|options| Next::Connect(options, consumed))
            }
            Ok(Step::Op { op, consumed }) => self.handle(op).map(|()| Next::Done(consumed)),
            Ok(Step::Incomplete { needed }) => Ok(Next::Incomplete(needed)),
            Err(error) => Err(self.parse_error(error, rest)),
        }
    }

    #[inline]
    fn handle(&mut self, op: ClientOp<'_>) -> Result<(), CloseReason> {
        if self.settings.traced {
            self.trace_in(&op);
        }
        match op {
            ClientOp::Pub { subject, reply, size_text, payload } => {
                let message = Message { subject, reply: reply.unwrap_or_default(), headers: b"", payload };
                self.publish(&message, (b"", size_text));
            }
            ClientOp::HPub { subject, reply, header_size_text, total_text, headers, payload } => {
                let message = Message { subject, reply: reply.unwrap_or_default(), headers, payload };
                self.publish(&message, (header_size_text, total_text));
            }
            ClientOp::Sub { subject, queue, sid } => self.subscribe(subject, queue, sid),
            ClientOp::Unsub { sid, max } => self.unsubscribe(sid, max),
            ClientOp::Ping => self.ping(),
            ClientOp::Pong => self.pong(),
            ClientOp::Err => return Err(CloseReason::ParseError),
            ClientOp::Info | ClientOp::Ok | ClientOp::Connect(_) => {}
        }
        Ok(())
    }

    fn parse_error(&mut self, error: ParseError, rest: &[u8]) -> CloseReason {
        if error == ParseError::PayloadTooLarge {
            self.trace_too_large(rest, &error);
        }
        if let Some(text) = error.reply() {
            self.send_error(text);
        }
        let snippet = String::from_utf8_lossy(rest.get(..rest.len().min(SNIPPET_BYTES)).unwrap_or_default());
        log::error!("{} - Client parser ERROR, {error}: proto='{:?}...'", self.client.log_name(), snippet);
        match error {
            ParseError::PayloadTooLarge => CloseReason::MaxPayloadExceeded,
            ParseError::ControlLineTooLong => CloseReason::MaxControlLineExceeded,
            _ => CloseReason::ProtocolViolation,
        }
    }

    fn end_batch(&mut self) {
        // Counted first: who sees the answers finds the numbers up to date.
        let Batch { messages, bytes } = std::mem::take(&mut self.batch);
        self.client.count_in(messages, bytes, self.server.clock().now());
        self.dispatch.flush();
        self.pause_after_batch(messages > 0);
    }
}

/// What became of the bytes at the start of the input.
enum Next {
    /// An operation of so many bytes was handled.
    Done(usize),
    /// A CONNECT of so many bytes was read.
    Connect(Connect, usize),
    /// More must come; how many bytes in all, if known.
    Incomplete(Option<usize>),
}

/// How much of what was not understood is logged.
const SNIPPET_BYTES: usize = 32;
