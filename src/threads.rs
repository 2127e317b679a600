//! How many threads serve clients.

use std::io;
use std::num::NonZero;
use std::thread;

use tokio::runtime::{Builder, Runtime};

/// The runtime that serves: a thread for each processor this process may use.
pub fn runtime() -> io::Result<Runtime> {
    runtime_for(thread::available_parallelism().map_or(1, NonZero::get))
}

/// The runtime for so many processors. Where there is one, a second thread would only take turns with the first: sessions then
/// run on the thread that waits for the sockets.
pub fn runtime_for(processors: usize) -> io::Result<Runtime> {
    let mut builder = match processors {
        0 | 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}
