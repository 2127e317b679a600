//! The stream's own task: runs the pump when a commit, a deadline or another task says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::StreamHost;
use crate::clock::UnixNanos;
use crate::router::Dispatch;

/// The longest the task sleeps before it looks at the clock again: the wall clock may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(5);

/// Runs until the stream is closed and has sent everything it promised.
pub(super) async fn run(host: Arc<StreamHost>) {
    loop {
        tokio::select! {
            biased;
            () = host.wake.notified() => {}
            () = tokio::time::sleep(host.time_to_deadline()) => {}
        }
        let (receiver, gates) = {
            let mut cx = Dispatch::internal();
            host.pump(&mut cx);
            cx.flush();
            (cx.take_crowded(), cx.take_gates())
        };
        if host.is_done() {
            return;
        }
        for gate in gates {
            // Another stream that takes over from this one has to wait for the disk. Who else is served here does not wait long.
            drop(tokio::time::timeout(HELD_PAUSE_MAX, gate.wait()).await);
        }
        if receiver.is_some() {
            // The receiver is behind; what is not pushed at it now stays in the stream.
            tokio::time::sleep(CROWDED_PAUSE).await;
        }
    }
}

/// The longest that deliveries pause because the disk is behind.
const HELD_PAUSE_MAX: Duration = Duration::from_millis(20);
/// How long deliveries pause when a receiver has nearly too much waiting.
const CROWDED_PAUSE: Duration = Duration::from_millis(2);

impl StreamHost {
    /// The timer task looks at the stream at `deadline`, or earlier.
    pub(super) fn arm(&self, deadline: UnixNanos) {
        let armed = self.armed.swap(deadline, Ordering::SeqCst);
        if deadline < armed {
            self.wake.notify_one();
        }
    }

    fn time_to_deadline(&self) -> Duration {
        let nanos = self.armed.load(Ordering::SeqCst).saturating_sub(self.env.now());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)).min(SLEEP_MAX)
    }

    fn is_done(&self) -> bool {
        self.is_closed() && self.lock().replies.is_empty()
    }
}
