//! A broker in this process: a start takes milliseconds.

use std::path::Path;

use headwater::broker::Broker;
use headwater::cli::{self, Invocation};
use tokio::runtime::Runtime;

/// A running broker; dropping it stops it.
pub struct Embedded {
    runtime: Runtime,
    broker: Option<Broker>,
    port: u16,
}

impl Embedded {
    /// A broker on a free port with its store in `store`.
    pub fn start(store: &Path) -> Result<Self, String> {
        let store = store.to_string_lossy().into_owned();
        let args = ["-a", "127.0.0.1", "-p", "-1", "-js", "-sd", &store].map(str::to_owned);
        let Invocation::Run(start) = cli::parse(args) else { return Err("the flags are refused".into()) };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let broker = runtime.block_on(Broker::start(&start.config)).map_err(|error| error.to_string())?;
        let port = broker.client_addr().port();
        Ok(Self { runtime, broker: Some(broker), port })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.shutdown());
        }
    }
}
