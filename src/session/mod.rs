//! One client connection: its task, and one file per verb.
//!
//! The task waits for whatever comes first – bytes, a deadline, room to write, the end – in [`Session::poll_event`]. A read
//! brings a batch of operations; they are handled synchronously, straight from the read buffer, and when the batch is done
//! everyone who got something is flushed. Only CONNECT may have to wait (for a slow password hash), so it leaves the batch.

mod client;
mod close;
mod connect;
mod filter;
mod input;
mod message_trace;
mod operations;
mod permits;
mod ping;
mod publish;
mod reload;
mod reserve;
mod stall;
mod subscribe;
mod timers;
mod trace;
mod unsubscribe;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use headwater_protocol::client::{ConnectOptions, Parser};
use rustls_pki_types::CertificateDer;
use tokio::time::Sleep;

pub use self::client::{Client, ClientSnapshot, TlsFacts};
use self::filter::Rights;
use self::input::Input;
use self::permits::Permits;
pub use self::reserve::bound_inbox;
use self::stall::Pause;
use self::timers::{Due, TimerSettings, Timers};
use crate::account::Account;
use crate::auth::LoginLimits;
use crate::callout::Delegated;
use crate::net::transport::Transport;
use crate::net::websocket::LoginCookies;
use crate::router::outbound::Pushed;
use crate::router::{
    ClientInfo, CloseReason, ConnectionKind, Dispatch, Outbound, Receiver, RouteCache, Subscriber,
};
use crate::server::{Epoch, Options, Server};

/// What the listener found out while it set the connection up.
pub struct Established {
    /// The connection.
    pub transport: Transport,
    /// The nonce that INFO carried, or empty.
    pub nonce: Box<str>,
    /// The verified certificates of the client, its own first.
    pub certificates: Box<[CertificateDer<'static>]>,
    /// Whether the client has to log in.
    pub login_required: bool,
    /// Credentials that came before CONNECT.
    pub cookies: Option<Box<LoginCookies>>,
}

/// The task of one client connection.
pub struct Session {
    server: Arc<Server>,
    client: Arc<Client>,
    options: Arc<Options>,
    transport: Transport,
    nonce: Box<str>,
    certificates: Box<[CertificateDer<'static>]>,
    cookies: Option<Box<LoginCookies>>,
    parser: Parser,
    input: Input,
    account: Arc<Account>,
    /// Whether the account has counted this connection.
    counted: bool,
    info: Arc<ClientInfo>,
    /// `None` allows all.
    rights: Option<Arc<Rights>>,
    permits: Permits,
    login_limits: LoginLimits,
    /// Set if somebody else has let the client in.
    delegated: Option<Delegated>,
    epoch: Epoch,
    connect: Box<ConnectOptions>,
    settings: Settings,
    dispatch: Dispatch,
    routes: RouteCache,
    batch: Batch,
    pause: Option<Pause>,
    timers: Timers,
    timer: Pin<Box<Sleep>>,
    timer_at: Instant,
    output_blocked: bool,
    ended: bool,
}

/// What CONNECT has settled, where every message looks.
#[derive(Debug, Clone, Copy)]
struct Settings {
    verbose: bool,
    pedantic: bool,
    no_responders: bool,
    /// Whether the client has to send CONNECT first.
    login_required: bool,
    /// CONNECT has been seen.
    connected: bool,
    first_pong_sent: bool,
    async_info: bool,
    system_account: bool,
    traced: bool,
    subscriptions_max: usize,
}

/// What the current batch of operations has brought.
#[derive(Debug, Default, Clone, Copy)]
struct Batch {
    messages: u64,
    bytes: u64,
}

/// What the task is woken for.
enum Event {
    Input,
    Due(Due),
    Reload,
    End(CloseReason),
}

impl Session {
    /// A session for a client that is registered with the server.
    pub fn new(server: Arc<Server>, client: Arc<Client>, established: Established) -> Self {
        let options = server.options();
        let account = server.accounts().global().clone();
        let info = client.info();
        let timers =
            Timers::new(timer_settings(&options, established.login_required, &client), Instant::now());
        let timer_at = timers.next();
        let mut session = Self {
            parser: Parser::new(options.control_line_bytes_max, options.payload_bytes_max),
            dispatch: Dispatch::from_client(info.clone(), true),
            settings: Settings::before_connect(established.login_required, options.subscriptions_max),
            timer: Box::pin(tokio::time::sleep_until(timer_at.into())),
            timer_at,
            timers,
            transport: established.transport,
            nonce: established.nonce,
            certificates: established.certificates,
            cookies: established.cookies,
            input: Input::default(),
            counted: false,
            rights: None,
            permits: Permits::default(),
            login_limits: LoginLimits::default(),
            delegated: None,
            epoch: server.epoch(),
            connect: Box::default(),
            routes: RouteCache::default(),
            batch: Batch::default(),
            pause: None,
            output_blocked: false,
            ended: false,
            server,
            client,
            options,
            account,
            info,
        };
        session.settings.traced = session.trace_wanted();
        session
            .subscriber()
            .set_trace_name(session.settings.traced.then(|| session.client.log_name().into()));
        if !established.login_required {
            session.bind_to_global();
        }
        session
    }

    /// Serves the client until the connection ends.
    pub async fn run(mut self) {
        let reason = self.serve().await;
        self.end(reason).await;
    }

    async fn serve(&mut self) -> CloseReason {
        loop {
            let outcome = match poll_fn(|cx| self.poll_event(cx)).await {
                Event::Input => self.handle_input().await,
                Event::Due(due) => self.handle_due(due),
                Event::Reload => self.reload().await,
                Event::End(reason) => Err(reason),
            };
            if let Err(reason) = outcome {
                return reason;
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.outbound().register_owner(cx.waker());
        self.poll_output(cx);
        if let Some(reason) = self.outbound().close_reason() {
            return Poll::Ready(Event::End(reason));
        }
        if self.is_outdated() {
            return Poll::Ready(Event::Reload);
        }
        if self.poll_pause(cx).is_ready() {
            if self.input.is_unfinished() {
                return Poll::Ready(Event::Input);
            }
            match self.input.poll_read(cx, &mut self.transport) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Event::End(CloseReason::ClientClosed)),
                Poll::Ready(Ok(_)) => return Poll::Ready(Event::Input),
                Poll::Ready(Err(error)) => return Poll::Ready(Event::End(close::reason_of(&error))),
                Poll::Pending => {}
            }
        }
        self.poll_timer(cx).map(Event::Due)
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) {
        let progress = self.client.subscriber().outbound().poll_owner(cx, &mut self.transport);
        if progress.blocked || self.output_blocked {
            self.timers.output(progress.blocked, progress.written > 0, Instant::now());
            self.output_blocked = progress.blocked;
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        let next = self.timers.next();
        if next < self.timer_at {
            self.arm(next);
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let due = self.timers.due(Instant::now());
        self.arm(self.timers.next());
        Poll::Ready(due)
    }

    fn arm(&mut self, at: Instant) {
        self.timer.as_mut().reset(at.into());
        self.timer_at = at;
    }

    fn handle_due(&mut self, due: Due) -> Result<(), CloseReason> {
        match due {
            Due::Nothing => {}
            Due::Ping => {
                // Only a quiet connection is asked for a sign of life.
                self.give_memory_back();
                self.send_ping();
            }
            Due::Stale => return Err(self.fail("Stale Connection", CloseReason::StaleConnection)),
            Due::LoginTimeout => {
                return Err(self.fail("Authentication Timeout", CloseReason::AuthenticationTimeout));
            }
            Due::LoginExpired => {
                return Err(self.fail("User Authentication Expired", CloseReason::AuthenticationExpired));
            }
            Due::WriteDeadline if self.options.write_timeout_retries => self.keep_trying(),
            Due::WriteDeadline => return Err(CloseReason::SlowConsumerWriteDeadline),
        }
        self.dispatch.flush();
        Ok(())
    }

    /// A client that takes nothing is slow, but its connection is kept; what waits for it is bounded as ever.
    fn keep_trying(&mut self) {
        self.server.counters().slow_consumers.fetch_add(1, Ordering::Relaxed);
        self.log_slow_consumer(CloseReason::SlowConsumerWriteDeadline);
        self.timers.output(true, true, Instant::now());
    }

    fn give_memory_back(&mut self) {
        self.routes.clear();
        self.permits.clear();
        self.dispatch.give_memory_back();
    }

    /// Queues a protocol line to the client; it is sent when the batch ends.
    fn send(&mut self, line: &[u8]) {
        let subscriber = self.client.subscriber();
        if let Pushed::Queued { flush_later: true, .. } = subscriber.outbound().push_line(line) {
            self.dispatch.touch(subscriber.clone());
        }
    }

    fn send_ok(&mut self) {
        self.trace_out("OK", b"");
        self.send(b"+OK\r\n");
    }

    fn send_error(&mut self, text: &str) {
        self.trace_out("-ERR", text.as_bytes());
        let mut line = Vec::with_capacity(text.len() + 9);
        headwater_protocol::client::encode_err(&mut line, text);
        self.send(&line);
    }

    /// Tells the client why the connection ends; the caller ends it.
    fn fail(&mut self, text: &str, reason: CloseReason) -> CloseReason {
        self.send_error(text);
        reason
    }

    fn subscriber(&self) -> &Arc<Subscriber> {
        self.client.subscriber()
    }

    fn outbound(&self) -> &Outbound {
        self.client.subscriber().outbound()
    }
}

impl Settings {
    /// Without CONNECT a client is treated as one that sent `{}`.
    fn before_connect(login_required: bool, subscriptions_max: usize) -> Self {
        Self {
            verbose: true,
            pedantic: true,
            no_responders: false,
            login_required,
            connected: false,
            first_pong_sent: false,
            async_info: false,
            system_account: false,
            traced: false,
            subscriptions_max: if subscriptions_max == 0 { usize::MAX } else { subscriptions_max },
        }
    }
}

fn timer_settings(options: &Options, login_required: bool, client: &Client) -> TimerSettings {
    let websocket = options.websocket.as_deref().filter(|_| client.kind() == ConnectionKind::WebSocket);
    let auth_timeout = websocket.and_then(|websocket| websocket.auth_timeout).unwrap_or(options.auth_timeout);
    TimerSettings {
        ping_interval: websocket
            .and_then(|websocket| websocket.ping_interval)
            .unwrap_or(options.ping_interval),
        pings_out_max: options.pings_out_max,
        write_deadline: options.write_deadline,
        short_first_ping: !options.disable_short_first_ping,
        login_timeout: login_required.then_some(auth_timeout),
        jitter: crate::router::SubjectHash::of(&client.cid().to_le_bytes()) as u8,
    }
}
