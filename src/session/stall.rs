//! Holding a client back before more is read from it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Session;
use super::reserve::{Reserved, reserve, try_reserve};
use crate::router::outbound::OUTBOUND;
use crate::router::{Gate, Receiver};

/// How long a producer waits at a time for a receiver with too much waiting.
const STALL_STEP: Duration = Duration::from_millis(2);

/// How many times it waits at most, per read, unless memory is short.
const STALL_STEPS_MAX: u32 = 5;

/// What a client waits for before more is read from it, and what comes of it.
pub(super) type Pause = Pin<Box<dyn Future<Output = Option<Reserved>> + Send>>;

impl Session {
    /// Ready when nothing holds the client back.
    pub(super) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            let reserved = ready!(pause.as_mut().poll(cx));
            self.pause = None;
            reserved.into_iter().for_each(|reserved| self.input.reserve(reserved));
        }
        Poll::Ready(())
    }

    /// Holds the client back if the batch that just ended asks for it, or if memory is short and it has `published`.
    pub(super) fn pause_after_batch(&mut self, published: bool) {
        let gates = self.dispatch.take_gates();
        let crowded = self.dispatch.take_crowded().filter(|_| !self.options.no_fast_producer_stall);
        if crowded.is_some() {
            self.client.count_stall();
            self.server.counters().stalls.fetch_add(1, Ordering::Relaxed);
        }
        let over = published && OUTBOUND.is_over();
        let spent = self.input.take_spent();
        let large = self.reserve_now();
        if !gates.is_empty() || crowded.is_some() || over || large.is_some() {
            self.pause = Some(Box::pin(async move {
                wait(gates, crowded, over).await;
                // Kept so long, because what was read is now in the receivers' queues.
                drop(spent);
                match large {
                    Some(bytes) => reserve(bytes).await,
                    None => None,
                }
            }));
        }
    }
}

impl Session {
    /// Reserves memory for a large message that has begun to come in; how much, if that has to wait.
    fn reserve_now(&mut self) -> Option<usize> {
        let wanted = self.input.wants_reservation()?;
        let Some(reserved) = try_reserve(wanted) else { return Some(wanted) };
        self.input.reserve(reserved);
        None
    }
}

async fn wait(gates: Vec<Arc<Gate>>, crowded: Option<Arc<dyn Receiver>>, over: bool) {
    for gate in gates {
        gate.wait().await;
    }
    if let Some(receiver) = crowded {
        wait_for_receiver(&*receiver).await;
    }
    if over {
        OUTBOUND.wait().await;
    }
}

async fn wait_for_receiver(receiver: &dyn Receiver) {
    for _ in 0..STALL_STEPS_MAX {
        tokio::time::sleep(STALL_STEP).await;
        if !receiver.outbound().is_crowded() {
            return;
        }
    }
    // Ends at the latest when the receiver runs into its write deadline, which empties its queue.
    while receiver.outbound().is_beyond_share() {
        tokio::time::sleep(STALL_STEP).await;
    }
}
