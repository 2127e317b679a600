//! The request: all that is known about a client, signed by the server.

use headwater_protocol::client::ConnectOptions;
use rustls_pki_types::CertificateDer;
use serde_json::{Map, Value, json};

use super::Asker;
use super::terms::Terms;
use crate::auth::Credentials;
use crate::jwt;
use crate::router::ConnectionKind;
use crate::server::Server;
use crate::{ids, version};

const AUDIENCE: &str = "nats-authorization-request";

/// Bytes of base64 in a line of PEM.
const PEM_LINE_BYTES: usize = 64;

/// The request as a token.
pub(super) fn token(
    server: &Server,
    terms: &Terms,
    asker: &Asker<'_>,
    user: &str,
    xkey: Option<&str>,
) -> Option<String> {
    let now = server.clock().now() / 1_000_000_000;
    let patience = i64::try_from(server.options().auth_timeout.as_secs()).unwrap_or(i64::MAX);
    let mut nats = json!({
        "server_id": server_id(server, xkey),
        "user_nkey": user,
        "client_info": client_info(asker),
        "connect_opts": connect_options(asker.connect),
        "type": "authorization_request",
        "version": 2,
    });
    if let (Some(tls), Some(nats)) = (client_tls(asker), nats.as_object_mut()) {
        nats.insert("client_tls".to_owned(), tls);
    }
    let claims = json!({
        "aud": AUDIENCE,
        "exp": now.saturating_add(patience),
        "iat": now,
        "iss": server.id(),
        "jti": ids::nuid(),
        "sub": terms.issuer,
        "nats": nats,
    });
    jwt::sign(claims.to_string().as_bytes(), server.key())
}

fn server_id(server: &Server, xkey: Option<&str>) -> Value {
    let options = server.options();
    let mut about = filled(&[
        ("name", server.name()),
        ("host", &options.host),
        ("id", server.id()),
        ("version", version::NATS_VERSION),
        ("xkey", xkey.unwrap_or_default()),
    ]);
    if !options.tags.is_empty() {
        about.insert("tags".to_owned(), json!(options.tags));
    }
    about.into()
}

fn client_info(asker: &Asker<'_>) -> Value {
    let credentials = Credentials::from(asker.connect);
    let (kind, client_type) = match asker.kind {
        ConnectionKind::Nats => ("Client", "nats"),
        ConnectionKind::WebSocket => ("Client", "websocket"),
        ConnectionKind::Mqtt => ("Client", "mqtt"),
        ConnectionKind::Leafnode => ("Leafnode", ""),
    };
    let signs = !credentials.signature.is_empty();
    let mut about = filled(&[
        ("host", &asker.addr.ip().to_string()),
        ("user", credentials.shown_user()),
        ("name", asker.connect.name.as_deref().unwrap_or_default()),
        ("kind", kind),
        ("type", client_type),
        ("nonce", if signs { asker.nonce } else { "" }),
    ]);
    about.insert("id".to_owned(), asker.cid.into());
    about.into()
}

fn connect_options(connect: &ConnectOptions) -> Value {
    let credentials = Credentials::from(connect);
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let mut about = filled(&[
        ("jwt", credentials.jwt),
        ("nkey", credentials.nkey),
        ("sig", credentials.signature),
        ("auth_token", credentials.token),
        ("user", credentials.user),
        ("pass", credentials.password),
        ("name", &text(&connect.name)),
        ("lang", &text(&connect.lang)),
        ("version", &text(&connect.version)),
    ]);
    about.insert("protocol".to_owned(), connect.protocol.unwrap_or(0).into());
    about.into()
}

fn client_tls(asker: &Asker<'_>) -> Option<Value> {
    let facts = asker.tls.as_ref()?;
    let mut about = filled(&[("version", facts.version), ("cipher", facts.cipher)]);
    if !asker.certificates.is_empty() {
        let chain: Vec<String> = asker.certificates.iter().map(pem).collect();
        about.insert("verified_chains".to_owned(), json!([chain]));
    }
    Some(about.into())
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = data_encoding::BASE64.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE_BYTES));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// Members that have something in them.
fn filled(members: &[(&str, &str)]) -> Map<String, Value> {
    let members = members.iter().filter(|(_, text)| !text.is_empty());
    members.map(|(name, text)| ((*name).to_owned(), Value::from(*text))).collect()
}
