//! Whether a request becomes a WebSocket, and what it is answered.

use std::fmt;

use data_encoding::BASE64;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::request::Request;
use super::settings::{Cookies, OriginError, WebSocketOptions};

/// What the accepting side adds to the key before it hashes it (RFC 6455, section 1.3).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The one extension there is.
const DEFLATE: &str = "permessage-deflate";

/// What both sides have agreed on.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// The response.
    pub(super) response: Vec<u8>,
    pub(super) is_compressed: bool,
    pub(super) is_masked: bool,
    pub(super) cookies: LoginCookies,
    /// Who a proxy in between says is connecting.
    pub(super) forwarded_for: Option<String>,
}

/// Credentials that came as cookies; they stand in for those that CONNECT leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoginCookies {
    /// A user JWT.
    pub jwt: Option<String>,
    /// A user name.
    pub user: Option<String>,
    /// A password.
    pub password: Option<String>,
    /// A token.
    pub token: Option<String>,
}

/// Why a request is turned down.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Method,
    /// Only for leaf nodes or MQTT, which are not served here.
    Path,
    Header(&'static str),
    Origin(OriginError),
}

impl Refusal {
    /// The response.
    pub(super) fn response(&self) -> Vec<u8> {
        let (status, text) = match self {
            Self::Method => (405, "Method Not Allowed"),
            Self::Path => (404, "Not Found"),
            Self::Header(_) => (400, "Bad Request"),
            Self::Origin(_) => (403, "Forbidden"),
        };
        let length = text.len() + 1;
        format!(
            "HTTP/1.1 {status} {text}\r\nContent-Type: text/plain; charset=utf-8\r\nSec-Websocket-Version: 13\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}\n"
        )
        .into_bytes()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("request method must be GET"),
            Self::Path => f.write_str("only NATS clients are served here"),
            Self::Header(problem) => f.write_str(problem),
            Self::Origin(error) => write!(f, "origin not allowed: {error}"),
        }
    }
}

/// Decides about a request that came over a connection that is encrypted, or not.
pub(super) fn upgrade(
    request: &Request,
    options: &WebSocketOptions,
    is_encrypted: bool,
) -> Result<Upgrade, Refusal> {
    let key = checked_key(request)?;
    let host = request.header("host").unwrap_or_default();
    let origin = request.header("origin").or_else(|| request.header("sec-websocket-origin"));
    options.origins.check(origin, host, is_encrypted).map_err(Refusal::Origin)?;
    let is_compressed = options.compression && offers_deflate(request);
    let is_masked = request.header("nats-no-masking") != Some("true");
    let forwarded = request.header("x-forwarded-for");
    let is_address = |text: &&str| text.parse::<std::net::IpAddr>().is_ok();
    Ok(Upgrade {
        response: response(key, is_compressed, is_masked, &options.headers),
        is_compressed,
        is_masked,
        cookies: login_cookies(request, &options.cookies),
        forwarded_for: forwarded.filter(is_address).map(str::to_owned),
    })
}

/// Checks what RFC 6455, section 4.2.1, asks of a request; returns its key.
fn checked_key(request: &Request) -> Result<&str, Refusal> {
    if request.method != "GET" {
        return Err(Refusal::Method);
    }
    let path = request.path.split('?').next().unwrap_or_default();
    if path.ends_with("/leafnode") || path.ends_with("/mqtt") {
        return Err(Refusal::Path);
    }
    if request.header("host").unwrap_or_default().is_empty() {
        return Err(Refusal::Header("'Host' missing in request"));
    }
    if !request.lists("upgrade", "websocket") {
        return Err(Refusal::Header("invalid value for header 'Upgrade'"));
    }
    if !request.lists("connection", "upgrade") {
        return Err(Refusal::Header("invalid value for header 'Connection'"));
    }
    let key = request.header("sec-websocket-key").ok_or(Refusal::Header("key missing"))?;
    if BASE64.decode(key.as_bytes()).map_or(0, |key| key.len()) != 16 {
        return Err(Refusal::Header("invalid websocket key"));
    }
    if !request.lists("sec-websocket-version", "13") {
        return Err(Refusal::Header("invalid version"));
    }
    Ok(key)
}

fn offers_deflate(request: &Request) -> bool {
    let names = request.list("sec-websocket-extensions").filter_map(|offer| offer.split(';').next());
    names.map(str::trim).any(|name| name.eq_ignore_ascii_case(DEFLATE))
}

fn response(key: &str, is_compressed: bool, is_masked: bool, headers: &str) -> Vec<u8> {
    let accept = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{KEY_SUFFIX}").as_bytes());
    let mut response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        BASE64.encode(accept.as_ref())
    );
    if is_compressed {
        response.push_str(
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n",
        );
    }
    if !is_masked {
        response.push_str("Nats-No-Masking: true\r\n");
    }
    response.push_str(headers);
    response.push_str("\r\n");
    response.into_bytes()
}

fn login_cookies(request: &Request, names: &Cookies) -> LoginCookies {
    let value = |name: &Option<String>| {
        let name = name.as_deref()?;
        request.cookies().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    LoginCookies {
        jwt: value(&names.jwt),
        user: value(&names.user),
        password: value(&names.password),
        token: value(&names.token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455.
    const GOOD: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Origin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Extensions: x, permessage-deflate; client_max_window_bits\r\nCookie: t=secret; u=joe\r\n\r\n";

    fn options() -> WebSocketOptions {
        WebSocketOptions {
            compression: true,
            cookies: Cookies { token: Some("t".to_owned()), ..Cookies::default() },
            headers: "X-Own: 1\r\n".to_owned(),
            ..WebSocketOptions::default()
        }
    }

    fn ask(text: &str) -> Result<Upgrade, Refusal> {
        upgrade(&Request::parse(text.as_bytes()).unwrap().unwrap(), &options(), false)
    }

    #[test]
    fn a_good_request_is_upgraded() {
        let upgraded = ask(GOOD).unwrap();
        let response = String::from_utf8(upgraded.response).unwrap();
        assert!(response.starts_with("HTTP/1.1 101 "));
        assert!(response.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(response.contains("permessage-deflate; server_no_context_takeover"));
        assert!(response.ends_with("X-Own: 1\r\n\r\n"));
        assert!(upgraded.is_compressed && upgraded.is_masked);
        assert_eq!(
            upgraded.cookies,
            LoginCookies { token: Some("secret".to_owned()), ..LoginCookies::default() }
        );
    }

    #[test]
    fn compression_has_to_be_offered() {
        let upgraded = ask(&GOOD.replace("permessage-deflate", "other")).unwrap();
        assert!(!upgraded.is_compressed);
    }

    #[test]
    fn a_bad_request_is_turned_down() {
        let cases = [
            ("GET", "POST", 405),
            ("/chat", "/a/leafnode", 404),
            ("Host: server.example.com", "Host:", 400),
            ("Upgrade: websocket", "Upgrade: h2c", 400),
            ("Connection: Upgrade", "Connection: close", 400),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "A: b", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhl", 400),
            ("Version: 13", "Version: 8", 400),
        ];
        for (good, bad, status) in cases {
            let refusal = ask(&GOOD.replace(good, bad)).unwrap_err();
            let response = String::from_utf8(refusal.response()).unwrap();
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{bad}: {response}");
        }
    }
}
