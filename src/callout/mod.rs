//! Auth callout (ADR-26): a service in some account decides who may log in.
//!
//! The server sends it a request it has signed, with all it knows about the client, and a user key made up for this one login.
//! The answer is a signed user token for that key, or an error. Request and answer may be encrypted (`xkey`).

mod ask;
mod request;
mod response;
mod terms;

use std::net::SocketAddr;
use std::sync::Arc;

use headwater_protocol::client::ConnectOptions;
use rustls_pki_types::CertificateDer;

pub use self::response::Delegated;
pub use self::terms::CalloutSettings;

use self::terms::{Place, Terms};
use crate::account::GLOBAL_ACCOUNT;
use crate::auth::{AuthError, Credentials, Login};
use crate::router::ConnectionKind;
use crate::server::Server;
use crate::session::TlsFacts;

/// Where requests go; the clients of that account may not publish there.
pub const SUBJECT: &str = "$SYS.REQ.USER.AUTH";

/// All that is known about a client that wants to log in.
pub struct Asker<'a> {
    pub cid: u64,
    pub kind: ConnectionKind,
    pub addr: SocketAddr,
    pub connect: &'a ConnectOptions,
    pub nonce: &'a str,
    pub certificates: &'a [CertificateDer<'static>],
    pub tls: Option<TlsFacts>,
}

/// The last word about a login, after what the server itself has found out: the service's, if it is to be asked.
pub async fn decide(
    server: &Arc<Server>,
    own: Result<Login, AuthError>,
    asker: &Asker<'_>,
) -> Result<Login, AuthError> {
    let Some(terms) = terms(server, &own) else { return own };
    let login = match is_let_in(&terms, &own, asker) {
        true => own?,
        false => ask::ask(server, &terms, asker).await?,
    };
    match *login.account == **terms.account.name() {
        true => login.denying_publish(SUBJECT),
        false => Ok(login),
    }
}

/// Whom to ask, if anybody.
fn terms(server: &Arc<Server>, own: &Result<Login, AuthError>) -> Option<Terms> {
    match server.operator() {
        Some(operator) => {
            let login = own.as_ref().ok()?;
            let held = operator.held(&login.account)?;
            let is_delegated = !held.claims.external_auth.auth_users.is_empty();
            is_delegated.then(|| Terms::of_account(server.account(&login.account), &held.claims))
        }
        None => {
            let options = server.options();
            let callout = options.auth.callout.as_ref()?;
            let account = own.as_ref().map_or(GLOBAL_ACCOUNT, |login| &login.account);
            callout.concerns(account).then(|| Terms::configured(server, callout))
        }
    }
}

/// The users of the service itself are not asked about.
fn is_let_in(terms: &Terms, own: &Result<Login, AuthError>, asker: &Asker<'_>) -> bool {
    let name = match (&terms.place, own) {
        (Place::Operator, Ok(login)) => login.user.to_string(),
        _ => Credentials::from(asker.connect).shown_user().to_owned(),
    };
    terms.auth_users.contains(&name)
}
