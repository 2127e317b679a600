//! CONNECT: who the client is and how it wants to be treated.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use headwater_protocol::client::ConnectOptions;

use super::{Session, timer_settings};
use crate::account::Account;
use crate::auth::{
    AuthError, Authenticator, ConnectionType, Credentials, Login, LoginLimits, Peer, TokenIdentity,
};
use crate::callout::{self, Asker};
use crate::router::{ClientInfo, CloseReason, ConnectionKind, Dispatch};
use crate::server::ClosedClient;

/// Versions of the protocol that a client may ask for.
const PROTOCOL_MAX: i32 = 1;

impl Session {
    /// Reads the JSON of a CONNECT. One that cannot be read ends the connection without a word.
    pub(super) fn read_connect(&mut self, json: &[u8]) -> Result<Box<ConnectOptions>, CloseReason> {
        let options = ConnectOptions::parse(json).map_err(|error| {
            log::error!("{} - {error}", self.client.log_name());
            CloseReason::ProtocolViolation
        })?;
        self.trace_connect(&options);
        Ok(Box::new(options))
    }

    /// Logs the client in with what a CONNECT says. A later CONNECT starts afresh, in whatever account it leads to.
    pub(super) async fn log_in(&mut self, later: ConnectOptions) -> Result<(), CloseReason> {
        if self.settings.connected {
            self.unsubscribe_all();
        }
        self.connect.update(later);
        self.add_cookies();
        let login = self.authenticate().await;
        self.accept_login(login)?;
        self.check_protocol()?;
        self.apply_connect();
        if self.settings.verbose {
            self.send_ok();
        }
        Ok(())
    }

    /// Treats a client that starts without CONNECT as one that names nobody, which `no_auth_user` may allow.
    pub(super) fn log_in_without_connect(&mut self) -> Result<(), CloseReason> {
        let anonymous = ConnectOptions::default();
        let login = self.authenticator().check(&Credentials::from(&anonymous), &self.peer());
        self.accept_login(login)
    }

    /// Binds a client that does not have to log in to the global account.
    pub(super) fn bind_to_global(&mut self) {
        let account = self.server.accounts().global().clone();
        // Its limit cannot be configured, so it always has room.
        self.counted = account.connect();
        self.client.bind(self.info.clone(), Some(account), "".into());
    }

    pub(super) async fn authenticate(&mut self) -> Result<Login, AuthError> {
        let own = self.authenticate_here().await;
        callout::decide(&self.server, own, &self.asker()).await
    }

    /// All that a service which decides about logins is told.
    fn asker(&self) -> Asker<'_> {
        Asker {
            cid: self.client.cid(),
            kind: self.client.kind(),
            addr: self.client.addr(),
            connect: &self.connect,
            nonce: &self.nonce,
            certificates: &self.certificates,
            tls: self.client.snapshot().tls,
        }
    }

    async fn authenticate_here(&mut self) -> Result<Login, AuthError> {
        if let Some(operator) = self.server.operator() {
            return operator.login(&Credentials::from(&*self.connect), &self.peer()).await;
        }
        let authenticator = self.authenticator();
        if !authenticator.is_slow(&Credentials::from(&*self.connect)) {
            return authenticator.check(&Credentials::from(&*self.connect), &self.peer());
        }
        let Ok(_permit) = self.server.slow_logins().acquire().await else {
            return Err(AuthError::WrongSecret);
        };
        let (connect, nonce) = (self.connect.clone(), self.nonce.clone());
        let (certificates, kind, addr) = (self.certificates.clone(), self.client.kind(), self.client.addr());
        let check = move || {
            let peer = Peer {
                nonce: nonce.as_bytes(),
                client_certs: &certificates,
                connection_type: connection_type(kind),
                addr: Some(addr),
            };
            authenticator.check(&Credentials::from(&*connect), &peer)
        };
        tokio::task::spawn_blocking(check).await.unwrap_or(Err(AuthError::WrongSecret))
    }

    fn authenticator(&self) -> Arc<Authenticator> {
        self.server.authenticator_for(self.client.kind())
    }

    /// Credentials that CONNECT leaves out may have come as cookies.
    fn add_cookies(&mut self) {
        let Some(cookies) = self.cookies.as_deref() else { return };
        let connect = &mut *self.connect;
        let slots = [
            (&mut connect.jwt, &cookies.jwt),
            (&mut connect.user, &cookies.user),
            (&mut connect.pass, &cookies.password),
            (&mut connect.auth_token, &cookies.token),
        ];
        for (slot, cookie) in slots {
            if slot.as_ref().is_none_or(String::is_empty) {
                slot.clone_from(cookie);
            }
        }
    }

    fn accept_login(&mut self, login: Result<Login, AuthError>) -> Result<(), CloseReason> {
        let names_account = self.connect.account.as_ref().is_some_and(|account| !account.is_empty());
        let login = match login {
            Ok(login) if !names_account && self.connect.new_account != Some(true) => login,
            Ok(_) => return Err(self.refuse_login("an account cannot be chosen")),
            Err(error) => return Err(self.refuse_login(&error.to_string())),
        };
        let account = self.server.account(&login.account);
        self.move_to(account.clone())?;
        self.settings.login_required = false;
        self.settings.system_account = Arc::ptr_eq(&account, self.server.accounts().system());
        self.adopt_rights(&login);
        self.adopt_login_limits(login.limits);
        self.delegated = login.delegated.clone();
        self.introduce(&login, account);
        let now = Instant::now();
        self.server.hooks().iter().for_each(|hook| hook.client_connected(&self.client));
        self.timers.logged_in(timer_settings(&self.options, false, &self.client), now);
        self.adopt_expiry(&login);
        Ok(())
    }

    /// Has the connection end with the login.
    pub(super) fn adopt_expiry(&mut self, login: &Login) {
        let now = self.server.clock().now();
        let expiry = login.expires.map(|at| Instant::now() + duration_until(at, now));
        self.timers.expire_at(expiry);
    }

    pub(super) fn refuse_login(&mut self, cause: &str) -> CloseReason {
        log::error!("{} - authentication error: {cause}", self.client.log_name());
        if self.client.account().is_none() {
            self.introduce_refused();
        }
        self.fail("Authorization Violation", CloseReason::AuthenticationViolation)
    }

    /// Lets the rest of the broker know who wanted in.
    fn introduce_refused(&mut self) {
        let user =
            [&self.connect.user, &self.connect.nkey].into_iter().flatten().find(|user| !user.is_empty());
        let token = self.connect.auth_token.as_ref().filter(|token| !token.is_empty()).map(|_| "[REDACTED]");
        let user = user.map(String::as_str).or(token).unwrap_or_default();
        self.info = Arc::new(self.described(user, None, "".into()));
        self.client.bind(self.info.clone(), None, "".into());
        let (client, stop) = (self.client.snapshot(), self.server.clock().now());
        let reason = CloseReason::AuthenticationViolation;
        let refused = ClosedClient { client, stop, reason, subjects: Vec::new() };
        self.server.hooks().iter().for_each(|hook| hook.login_refused(&refused));
    }

    /// Leaves the account the client was in, and enters another.
    fn move_to(&mut self, account: Arc<Account>) -> Result<(), CloseReason> {
        self.unsubscribe_all();
        if std::mem::take(&mut self.counted) {
            self.account.disconnect();
        }
        if !account.connect() {
            let text = "maximum account active connections exceeded";
            log::error!("{} - {text}", self.client.log_name());
            return Err(self.fail(text, CloseReason::MaxAccountConnectionsExceeded));
        }
        self.counted = true;
        self.routes.clear();
        self.account = account;
        Ok(())
    }

    /// Lets the rest of the broker know who the client is.
    fn introduce(&mut self, login: &Login, account: Arc<Account>) {
        self.estimate_rtt();
        let connect = &self.connect;
        let info = Arc::new(self.described(&login.user, login.token.clone(), account.name().clone()));
        self.client.bind(info.clone(), Some(account), login.label.clone());
        self.subscriber().set_trace_name(self.settings.traced.then(|| self.client.log_name().into()));
        self.info = info;
        self.dispatch = Dispatch::from_client(self.info.clone(), connect.wants_echo());
        self.dispatch.skip_crowded(self.options.no_fast_producer_stall);
    }

    fn described(&self, user: &str, token: Option<Arc<TokenIdentity>>, account: Arc<str>) -> ClientInfo {
        let text = |field: &Option<String>| field.as_deref().unwrap_or_default().into();
        let connect = &self.connect;
        ClientInfo {
            cid: self.info.cid,
            kind: self.info.kind,
            host: self.info.host.clone(),
            port: self.info.port,
            start: self.info.start,
            account,
            user: user.into(),
            name: text(&connect.name),
            lang: text(&connect.lang),
            version: text(&connect.version),
            no_responders: connect.wants_no_responders(),
            token,
            rtt: self.info.rtt.clone(),
        }
    }

    /// Until a round trip is measured, the time from the connection to CONNECT stands for it.
    fn estimate_rtt(&self) {
        let elapsed = self.server.clock().now().saturating_sub(self.info.start).max(1);
        let rtt = u64::try_from(elapsed).unwrap_or(1);
        let _ = self.info.rtt.compare_exchange(0, rtt, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn check_protocol(&mut self) -> Result<(), CloseReason> {
        if !(0..=PROTOCOL_MAX).contains(&self.connect.protocol.unwrap_or(0)) {
            return Err(self.fail("invalid client protocol", CloseReason::BadClientProtocolVersion));
        }
        if self.connect.wants_no_responders() && !self.headers_agreed() {
            let text = "no responders requires headers support";
            return Err(self.fail(text, CloseReason::NoRespondersRequiresHeaders));
        }
        Ok(())
    }

    fn apply_connect(&mut self) {
        let headers = self.headers_agreed();
        self.subscriber().set_options(self.connect.wants_echo(), headers);
        self.parser.headers_allowed = headers;
        self.parser.payload_bytes_max = self.payload_bytes_max();
        let subscriptions_max = self.subscriptions_max();
        let settings = &mut self.settings;
        settings.verbose = self.connect.is_verbose();
        settings.pedantic = self.connect.is_pedantic();
        settings.no_responders = self.connect.wants_no_responders();
        settings.async_info = self.connect.protocol.unwrap_or(0) >= 1;
        settings.connected = true;
        settings.subscriptions_max = subscriptions_max;
        self.client.set_async_info(settings.async_info);
    }

    pub(super) fn payload_bytes_max(&self) -> usize {
        let limits = [self.account.payload_bytes_max(), self.login_limits.payload_bytes_max];
        limits.into_iter().flatten().fold(self.options.payload_bytes_max, usize::min)
    }

    pub(super) fn subscriptions_max(&self) -> usize {
        let server = Some(self.options.subscriptions_max).filter(|max| *max > 0);
        let limits = [server, self.account.subscriptions_max(), self.login_limits.subscriptions_max];
        limits.into_iter().flatten().fold(usize::MAX, usize::min)
    }

    pub(super) fn adopt_login_limits(&mut self, limits: LoginLimits) {
        self.login_limits = limits;
        self.parser.payload_bytes_max = self.payload_bytes_max();
        self.settings.subscriptions_max = self.subscriptions_max();
    }

    fn headers_agreed(&self) -> bool {
        self.connect.wants_headers() && !self.options.no_header_support
    }

    fn peer(&self) -> Peer<'_> {
        Peer {
            nonce: self.nonce.as_bytes(),
            client_certs: &self.certificates,
            connection_type: connection_type(self.client.kind()),
            addr: Some(self.client.addr()),
        }
    }
}

fn connection_type(kind: ConnectionKind) -> ConnectionType {
    match kind {
        ConnectionKind::Nats => ConnectionType::Standard,
        ConnectionKind::WebSocket => ConnectionType::Websocket,
        ConnectionKind::Mqtt => ConnectionType::Mqtt,
        ConnectionKind::Leafnode => ConnectionType::Leafnode,
    }
}

fn duration_until(at: i64, now: i64) -> Duration {
    Duration::from_nanos(u64::try_from(at.saturating_sub(now)).unwrap_or(0))
}
