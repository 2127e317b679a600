//! What stands for the monitoring listeners in a program that is built without them.

use std::sync::Arc;

use crate::broker::BrokerError;
use crate::config::Config;
use crate::monitor::Source;

/// Monitoring that never runs.
pub enum Monitoring {}

impl Monitoring {
    /// Refuses a configuration that names a listener.
    pub async fn start(config: &Config, _source: Arc<dyn Source>) -> Result<Option<Self>, BrokerError> {
        let monitor = &config.monitor;
        match monitor.http_port.or(monitor.https_port) {
            None => Ok(None),
            Some(port) => Err(BrokerError::Monitoring(format!(
                "port {port} is configured, and this program was built without monitoring listeners"
            ))),
        }
    }

    /// Where it listens.
    pub fn urls(&self) -> Vec<String> {
        match *self {}
    }
}
