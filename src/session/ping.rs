//! PING and PONG, both ways.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Session;

impl Session {
    pub(super) fn ping(&mut self) {
        self.trace_out("PONG", b"");
        self.send(b"PONG\r\n");
        if self.settings.connected && !self.settings.first_pong_sent {
            self.settings.first_pong_sent = true;
            if self.settings.async_info {
                self.send_connect_info();
            }
        }
    }

    pub(super) fn pong(&mut self) {
        if let Some(rtt) = self.timers.pong(Instant::now()) {
            let nanos = u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX);
            self.client.rtt().store(nanos.max(1), Ordering::Relaxed);
        }
    }

    pub(super) fn send_ping(&mut self) {
        self.trace_out("PING", b"");
        self.send(b"PING\r\n");
    }

    /// Tells the client which account it is in.
    fn send_connect_info(&mut self) {
        let mut info = self.server.info_for(&self.client, "");
        info.connect_info = true;
        info.remote_account = self.account.name().to_string();
        info.acc_is_sys = self.settings.system_account;
        info.max_payload = i32::try_from(self.parser.payload_bytes_max).unwrap_or(i32::MAX);
        let mut line = Vec::new();
        headwater_protocol::client::encode_info(&mut line, &info);
        self.send(&line);
    }
}
