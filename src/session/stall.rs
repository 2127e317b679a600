//! Holding a client back before more is read from it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Session;
use crate::router::{Gate, Receiver};

/// How long a producer waits at a time for a receiver with too much waiting.
const STALL_STEP: Duration = Duration::from_millis(2);

/// How many times it waits at most, per read.
const STALL_STEPS_MAX: u32 = 5;

/// What a client waits for before more is read from it.
pub(super) type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Session {
    /// Ready when nothing holds the client back.
    pub(super) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }

    /// Holds the client back if the batch that just ended asks for it.
    pub(super) fn pause_after_batch(&mut self) {
        let gates = self.dispatch.take_gates();
        let crowded = self.dispatch.take_crowded().filter(|_| !self.options.no_fast_producer_stall);
        if crowded.is_some() {
            self.client.count_stall();
            self.server.counters().stalls.fetch_add(1, Ordering::Relaxed);
        }
        if !gates.is_empty() || crowded.is_some() {
            self.pause = Some(Box::pin(wait(gates, crowded)));
        }
    }
}

async fn wait(gates: Vec<Arc<Gate>>, crowded: Option<Arc<dyn Receiver>>) {
    for gate in gates {
        gate.wait().await;
    }
    let Some(receiver) = crowded else { return };
    for _ in 0..STALL_STEPS_MAX {
        tokio::time::sleep(STALL_STEP).await;
        if !receiver.outbound().is_crowded() {
            return;
        }
    }
}
