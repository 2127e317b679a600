//! Clients that do anything at any time.

mod consumers;
mod publish;
mod streams;

use serde::Serialize;

use crate::model::Request;
use crate::plan::Deed;
use crate::run::Run;

impl Run {
    /// Does one thing that a client may do.
    pub fn do_something(&mut self) {
        match self.choose_deed() {
            Deed::CreateStream => self.create_stream(),
            Deed::UpdateStream => self.update_stream(),
            Deed::DeleteStream => self.delete_stream(),
            Deed::Publish => self.publish_one(),
            Deed::PublishBatch => self.publish_batch(),
            Deed::DeleteMessage => self.delete_message(),
            Deed::Purge => self.purge(),
            Deed::CreateConsumer => self.create_consumer(),
            Deed::DeleteConsumer => self.delete_consumer(),
            Deed::Pull => self.pull(),
            Deed::Acknowledge => self.acknowledge(),
            Deed::GetMessage => self.get_message(),
        }
    }

    fn choose_deed(&mut self) -> Deed {
        let total: u64 = self.plan.deeds.iter().map(|(_, weight)| weight).sum();
        let mut left = self.rng.below(total);
        for (deed, weight) in &self.plan.deeds {
            if left < *weight {
                return *deed;
            }
            left -= weight;
        }
        Deed::Publish
    }

    /// Sends an API request; its answer is expected as `request`.
    fn call(&mut self, subject: &str, body: &[u8], request: Request) {
        let reply = self.model.expect(request);
        self.note(|| format!("{subject} {} → {reply}", String::from_utf8_lossy(body)));
        self.world.publish(&format!("$JS.API.{subject}"), &reply, b"", body);
    }

    /// A stream in service, if there is any.
    fn any_stream(&mut self) -> Option<u32> {
        let streams = self.model.in_service();
        (!streams.is_empty()).then(|| *self.rng.pick(&streams))
    }

    /// A stream in service, and a live message of it.
    fn any_message(&mut self) -> Option<(u32, u64)> {
        let stream = self.any_stream()?;
        let live: Vec<u64> = self.model.streams.get(&stream)?.live().map(|(seq, _)| seq).collect();
        (!live.is_empty()).then(|| (stream, *self.rng.pick(&live)))
    }
}

/// A body as clients write it.
fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}
