//! A connected client under new settings.

use std::sync::Arc;

use super::filter::Rights;
use super::publish::quoted;
use super::{Session, timer_settings};
use crate::auth::{AuthError, Login};
use crate::callout::Delegated;
use crate::router::{CloseReason, Subscription};

impl Session {
    /// Whether the server's settings have changed since this session last looked.
    #[inline]
    pub(super) fn is_outdated(&self) -> bool {
        self.server.epoch() != self.epoch || self.client.recheck_wanted()
    }

    /// Adopts the new settings.
    pub(super) async fn reload(&mut self) -> Result<(), CloseReason> {
        let epoch = self.server.epoch();
        let users_changed = epoch.users != self.epoch.users;
        self.epoch = epoch;
        let recheck = self.client.take_recheck();
        self.adopt_limits();
        let asked_elsewhere = self.delegated.clone().filter(|_| !users_changed && recheck);
        if let Some(delegated) = asked_elsewhere {
            self.check_delegated(&delegated)?;
        } else if users_changed || recheck {
            self.prove_again().await?;
        }
        self.dispatch.flush();
        Ok(())
    }

    fn adopt_limits(&mut self) {
        self.options = self.server.options();
        self.parser.control_line_bytes_max = self.options.control_line_bytes_max;
        self.parser.payload_bytes_max = self.payload_bytes_max();
        self.settings.subscriptions_max = self.subscriptions_max();
        self.outbound().set_bytes_max(self.options.outbound_bytes_max);
        self.timers.adjust(timer_settings(&self.options, false, &self.client));
        self.dispatch.skip_crowded(self.options.no_fast_producer_stall);
        self.settings.traced = self.trace_wanted();
        let name = self.settings.traced.then(|| self.client.log_name().into());
        self.subscriber().set_trace_name(name);
    }

    /// The account has changed of a client that somebody else has let in: who is revoked leaves, nobody is asked about again.
    fn check_delegated(&mut self, delegated: &Delegated) -> Result<(), CloseReason> {
        let held = self.server.operator().and_then(|operator| operator.held(self.account.name()));
        match held.is_some_and(|held| held.claims.is_revoked(&delegated.user, delegated.issued_at)) {
            true => Err(self.fail("User Authentication Revoked", CloseReason::Revocation)),
            false => Ok(()),
        }
    }

    /// Checks the credentials once more. A client that belongs to another account now has to connect again to get there.
    async fn prove_again(&mut self) -> Result<(), CloseReason> {
        if self.settings.login_required {
            // It has not logged in yet.
            return Ok(());
        }
        let login = match self.authenticate().await {
            Ok(login) => login,
            Err(AuthError::Revoked) => {
                return Err(self.fail("User Authentication Revoked", CloseReason::Revocation));
            }
            Err(error) => return Err(self.refuse_login(&error.to_string())),
        };
        if *login.account != **self.account.name() {
            return Err(CloseReason::ClientClosed);
        }
        self.adopt_rights(&login);
        self.adopt_login_limits(login.limits);
        self.adopt_expiry(&login);
        for subscription in self.subscriber().subscriptions() {
            if !self.may_subscribe(subscription.subject(), subscription.queue()) {
                self.revoke(&subscription);
            }
        }
        Ok(())
    }

    /// Takes over what the login allows.
    pub(super) fn adopt_rights(&mut self, login: &Login) {
        let clock = self.server.clock();
        self.rights = login.permissions.clone().map(|rights| Arc::new(Rights::new(rights, clock.clone())));
        self.permits.clear();
        let tracking = self.rights.clone().filter(|rights| rights.tracks_responses());
        self.subscriber().set_filter(tracking.map(|rights| rights as _));
    }

    fn revoke(&mut self, subscription: &Arc<Subscription>) {
        self.subscriber().forget(subscription);
        self.account.unsubscribe(subscription);
        let (subject, sid) = (quoted(subscription.subject()), quoted(subscription.sid()));
        let queue =
            subscription.queue().map(quoted).map_or(String::new(), |queue| format!(" using queue {queue}"));
        log::info!(
            "Removed sub {subject}{queue} (sid {sid}) for {} - not authorized",
            self.client.log_name()
        );
        self.send_error(&format!("Permissions Violation for Subscription to {subject}{queue} (sid {sid})"));
    }
}
