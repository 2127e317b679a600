//! Taking a restored stream into its account.

use std::sync::Arc;

use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::ConsumerAction;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::timestamp::Timestamp;

use super::super::{RestoreError, because};
use super::building::{Building, RestoredConsumer, of_store};
use crate::ids;
use crate::jetstream::account::JsAccount;
use crate::jetstream::consumer::config::{CreateSubject, Decision, Situation, check_names, decide};
use crate::jetstream::consumer::{ConsumerMachine, Identity, StreamTraits};
use crate::jetstream::consumers::{Consumers, Hosted, counts};
use crate::jetstream::host::{StreamHost, StreamState, keeps};
use crate::jetstream::sourcing::ledger::Record;
use crate::jetstream::stream::StreamMachine;
use crate::jetstream::{metadata, record};
use crate::store::MessageLog;

impl JsAccount {
    /// Whether a stream of this configuration may be restored; the configuration, completed.
    pub fn check_restore(&self, config: StreamConfig) -> Result<StreamConfig, ApiError> {
        let mut config = self.complete(config, false)?;
        self.check_stream_count()?;
        self.check_room(&config, 0)?;
        if self.stream(&config.name).is_some() {
            return Err(ErrorCode::StreamNameExistRestoreFailed.error());
        }
        metadata::stamp_stream(&mut config);
        Ok(config)
    }

    /// Gives a restored stream its name and puts it into service.
    pub fn adopt_restored(self: &Arc<Self>, mut building: Building) -> Result<Arc<StreamHost>, RestoreError> {
        let _changing = self.changing.lock();
        let of_api = RestoreError::Api;
        if self.stream(building.name()).is_some() {
            return Err(of_api(ErrorCode::StreamNameExistRestoreFailed.error()));
        }
        self.check_stream_count().map_err(of_api)?;
        self.check_overlap(&building.config)
            .map_err(|error| because(format!("error adding stream: {}", error.description)))?;
        let machine = building.machine()?;
        let consumers = building.hosted_consumers()?;
        let meta = record::encode(building.created, &building.config);
        let (store, id, name) = (&self.env.store, building.id, building.name());
        let lsn = store.adopt_stream(id, self.account.name(), name, &meta).map_err(of_store)?;
        let Some(log) = building.log.take() else { return Err(because("the stream is complete")) };
        let mut state = StreamState::new(machine, log, consumers, building.created);
        state.wrote(lsn);
        let host = StreamHost::start(id, self.account.clone(), self.env.clone(), state);
        // How far its sources had come is known only as far as its messages tell.
        host.lock().configure_inflow(&host, Some(&Record::default())).map_err(of_store)?;
        host.after_recovery();
        host.capture();
        self.put(host.clone());
        host.start_inflow();
        Ok(host)
    }
}

impl Building {
    /// A consumer's configuration as it would be if the consumer were made anew.
    pub(super) fn checked(&self, name: &str, mut config: ConsumerConfig) -> Result<ConsumerConfig, ApiError> {
        check_names(CreateSubject::Named { consumer: name, filter: "" }, &mut config)?;
        let situation = Situation {
            bounds: self.account.consumer_bounds(),
            counted: self.consumers.iter().filter(|consumer| counts(&consumer.config)).count(),
            others: &|| self.consumers.iter().map(|consumer| &consumer.config).collect(),
            ..Situation::of_first(&self.config)
        };
        let (Decision::Create(mut config) | Decision::Update(mut config)) =
            decide(config, ConsumerAction::CreateOrUpdate, false, &situation)?;
        metadata::stamp_consumer(&mut config);
        Ok(config)
    }

    /// The stream's machine; what the configuration has no room for is removed.
    fn machine(&mut self) -> Result<StreamMachine, RestoreError> {
        let (now, bounds) = (self.account.env.now(), self.account.bounds());
        let Some(log) = &mut self.log else { return Err(because("the stream is complete")) };
        let mut machine =
            StreamMachine::recover(self.config.clone(), bounds, log.as_ref(), now).map_err(of_store)?;
        machine.reconfigure(self.config.clone(), log.as_mut(), now).map_err(of_store)?;
        Ok(machine)
    }

    fn hosted_consumers(&mut self) -> Result<Consumers, RestoreError> {
        let mut hosted = Consumers::default();
        let consumers = std::mem::take(&mut self.consumers);
        let Some(log) = &self.log else { return Ok(hosted) };
        for consumer in consumers {
            let name = consumer.name.clone();
            let restored = self.hosted_consumer(log.as_ref(), consumer);
            hosted.add(restored.map_err(|error| because(format!("consumer {name:?}: {error}")))?);
        }
        Ok(hosted)
    }

    fn hosted_consumer(&self, log: &dyn MessageLog, consumer: RestoredConsumer) -> Result<Hosted, String> {
        let env = &self.account.env;
        let RestoredConsumer { name, config, created, state } = consumer;
        let created = created.unwrap_or(Timestamp(env.now()));
        let kept = keeps(log.kind(), &config);
        if kept {
            let record = record::encode(created, &config);
            env.store.put_consumer(self.id, &name, &record).map_err(|error| error.to_string())?;
        }
        let traits = StreamTraits::of(&self.config, env.settings.payload_bytes_max);
        let identity = Identity { name: name.clone(), created: created.0, seed: ids::random_u64() };
        let restored = if state.is_empty() {
            ConsumerMachine::new(identity, config, traits, log, env.now()).map_err(|error| error.to_string())
        } else {
            ConsumerMachine::restore(identity, config, traits, &state, [], log, env.now())
                .map_err(|error| error.to_string())
        };
        let mut machine = restored?;
        if kept {
            let state = machine.snapshot();
            env.store.put_consumer_state(self.id, &name, &state).map_err(|error| error.to_string())?;
        } else {
            machine.set_volatile();
        }
        Ok(Hosted::new(&self.config.name, machine))
    }
}
