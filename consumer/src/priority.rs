//! Pinning a client of a priority group, and letting it go (ADR-42).

use bytes::Bytes;
use headwater_protocol::jetstream::consumer_config::PriorityPolicy;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};

use super::config::check_group_name;
use super::effect::{Advisory, Effect};
use super::machine::ConsumerMachine;
use super::turn::Turn;
use super::waiting::WaitingRequest;

const PIN_ID_CHARACTERS: usize = 22;

impl ConsumerMachine {
    /// `CONSUMER.UNPIN`: lets the pinned client go.
    pub fn unpin(&mut self, turn: &mut Turn<'_>, group: &str) -> Result<(), ApiError> {
        check_group_name(group)?;
        if !self.settings.groups.iter().any(|own| own == group) {
            return Err(ErrorCode::ConsumerInvalidPriorityGroup.error());
        }
        self.pin.release();
        turn.push(Effect::Advisory(Advisory::Unpinned { group: group.to_owned(), reason: "admin" }));
        Ok(())
    }

    /// The pin id that goes with a message for this request, which is pinned if nobody is.
    pub(super) fn pin_for(&mut self, turn: &mut Turn<'_>, request: &mut WaitingRequest) -> Option<Bytes> {
        if self.settings.priority != PriorityPolicy::PinnedClient {
            return None;
        }
        if self.pin.id().is_none() && !request.group().is_empty() {
            let id = self.rng.base62(PIN_ID_CHARACTERS);
            let pin_id = Bytes::from(id.clone().into_bytes());
            self.pin.assign(pin_id.clone(), turn.now, self.settings.pinned_ttl);
            let group = request.group().to_owned();
            turn.push(Effect::Advisory(Advisory::Pinned { group, pin_id }));
            if let Some(priority) = &mut request.priority {
                priority.id = id;
            }
        }
        self.pin.id().cloned()
    }

    /// Lets a client go that has not asked for too long.
    pub(super) fn check_pin_timeout(&mut self, turn: &mut Turn<'_>) {
        if self.pin.until().is_some_and(|until| until <= turn.now) {
            self.pin.release();
            let group = self.settings.groups.first().cloned().unwrap_or_default();
            turn.push(Effect::Advisory(Advisory::Unpinned { group, reason: "timeout" }));
        }
    }
}
