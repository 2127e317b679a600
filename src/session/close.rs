//! The end of a connection.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;

use super::Session;
use super::input::Input;
use crate::router::outbound::BufferPool;
use crate::router::{CloseReason, Receiver};
use crate::server::{CLOSED_SUBJECTS_MAX, ClosedClient};

/// How long the last words to a client may take.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a client that was sent away may take to hang up.
const LINGER_TIMEOUT: Duration = Duration::from_millis(500);

/// How much a client that was sent away may still send before the connection is cut.
const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Session {
    /// Ends the connection: first for the broker, then politely for the client.
    pub(super) async fn end(&mut self, reason: CloseReason) {
        self.outbound().seal();
        self.deregister(reason);
        let heard = !matches!(
            reason,
            CloseReason::SlowConsumerPendingBytes
                | CloseReason::SlowConsumerWriteDeadline
                | CloseReason::WriteError
        );
        if heard {
            self.say_last_words().await;
        }
        self.outbound().detach();
        self.transport.end_writing(reason).await;
        if heard
            && !matches!(
                reason,
                CloseReason::ClientClosed | CloseReason::ReadError | CloseReason::ServerShutdown
            )
        {
            self.linger().await;
        }
    }

    /// Takes the client out of everything. Does nothing the second time.
    fn deregister(&mut self, reason: CloseReason) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.dispatch.flush();
        let client = self.client.snapshot();
        let subscriptions = self.subscriber().subscriptions();
        let subjects =
            subscriptions.iter().take(CLOSED_SUBJECTS_MAX).map(|sub| sub.subject().into()).collect();
        self.unsubscribe_all();
        if self.counted {
            self.account.disconnect();
        }
        self.server.counters().count_close(reason);
        self.log_slow_consumer(reason);
        let stop = self.server.clock().now();
        let gone = ClosedClient { client, stop, reason, subjects };
        self.server.hooks().iter().for_each(|hook| hook.client_gone(&gone));
        self.server.clients().remove(&self.client, gone);
        log::debug!("{} - Client connection closed: {reason}", self.client.log_name());
    }

    pub(super) fn log_slow_consumer(&self, reason: CloseReason) {
        let name = || self.client.log_name();
        match reason {
            CloseReason::SlowConsumerPendingBytes => {
                let max = self.options.outbound_bytes_max;
                log::info!("{} - Slow Consumer Detected: MaxPending of {max} Exceeded", name());
            }
            CloseReason::SlowConsumerWriteDeadline => {
                let (deadline, pending) = (self.options.write_deadline, self.outbound().pending_bytes());
                log::info!(
                    "{} - Slow Consumer Detected: WriteDeadline of {deadline:?} exceeded with {pending} total bytes.",
                    name()
                );
            }
            _ => {}
        }
    }

    async fn say_last_words(&mut self) {
        let outbound = self.client.subscriber().outbound();
        outbound.flush();
        let transport = &mut self.transport;
        let flushed = poll_fn(|cx| {
            outbound.register_owner(cx.waker());
            let blocked = outbound.poll_owner(cx, transport).blocked;
            if outbound.is_broken() || outbound.pending_bytes() == 0 {
                return Poll::Ready(());
            }
            if !blocked {
                // Another task is writing and will be done in a moment.
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        });
        // A client that does not listen misses them.
        let _ = timeout(LAST_WORDS_TIMEOUT, flushed).await;
    }

    /// Waits for the client to hang up. Closing with unread input would have the system cut the connection, and the client might
    /// never see why.
    async fn linger(&mut self) {
        self.input = Input::default();
        let mut total = 0;
        let hung_up = async {
            while total < LINGER_BYTES_MAX {
                match poll_fn(|cx| self.poll_discard(cx)).await {
                    Ok(bytes) if bytes > 0 => total += bytes,
                    _ => return,
                }
            }
        };
        let _ = timeout(LINGER_TIMEOUT, hung_up).await;
    }

    /// Reads without holding a buffer while nothing comes: thousands may be sent away at once.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut discarded = BufferPool::take(DISCARD_BYTES);
        discarded.reserve(DISCARD_BYTES);
        let read = self.transport.poll_read(cx, &mut discarded);
        BufferPool::put(discarded);
        read
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Only when the task did not come to its end: it panicked, or the runtime stopped.
        self.deregister(CloseReason::ClientClosed);
    }
}

/// How a failed read is called.
pub(super) fn reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => CloseReason::ClientClosed,
        _ => CloseReason::ReadError,
    }
}

/// Read at a time from a client that is not listened to any more.
const DISCARD_BYTES: usize = 16 * 1024;
