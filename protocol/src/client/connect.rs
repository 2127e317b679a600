//! The JSON of `CONNECT`: who the client is and how it wants to be treated.

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// The JSON of a `CONNECT` cannot be read. The connection is closed without a word.
#[derive(Debug)]
pub struct ConnectError(serde_json::Error);

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad CONNECT: {}", self.0)
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Declares the fields once: the struct, what a later `CONNECT` changes, and how names are matched.
macro_rules! connect_options {
    ($($(#[$doc:meta])* $field:ident: $type:ty, $name:literal;)*) => {
        /// What the client said about itself. `None` where it said nothing, or `null`.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
        pub struct ConnectOptions {
            $(
                $(#[$doc])*
                #[serde(rename = $name, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
        }

        impl ConnectOptions {
            /// Takes over what a later `CONNECT` on the same connection says, and keeps the rest.
            pub fn update(&mut self, later: ConnectOptions) {
                $(if later.$field.is_some() { self.$field = later.$field; })*
            }

            fn read_field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
                match name {
                    $($name => if let Some(value) = map.next_value()? { self.$field = Some(value) },)*
                    _ => { map.next_value::<IgnoredAny>()?; }
                }
                Ok(())
            }
        }
    };
}

connect_options! {
    /// Whether operations are answered with `+OK`.
    verbose: bool, "verbose";
    /// Whether publish subjects are checked.
    pedantic: bool, "pedantic";
    /// Whether the client wants TLS.
    tls_required: bool, "tls_required";
    /// Token, instead of a user.
    auth_token: String, "auth_token";
    /// User name, or a token.
    user: String, "user";
    /// Password.
    pass: String, "pass";
    /// The client's name for itself.
    name: String, "name";
    /// What the client library is written in.
    lang: String, "lang";
    /// The client library's version.
    version: String, "version";
    /// 1 if the client understands `INFO` at any time.
    protocol: i32, "protocol";
    /// Whether the client gets its own messages.
    echo: bool, "echo";
    /// Whether the client understands headers.
    headers: bool, "headers";
    /// Whether requests nobody listens to are answered with 503.
    no_responders: bool, "no_responders";
    /// User JWT.
    jwt: String, "jwt";
    /// Public nkey.
    nkey: String, "nkey";
    /// The signed nonce, base64.
    sig: String, "sig";
    /// Always refused.
    account: String, "account";
    /// Always refused.
    new_account: bool, "new_account";
    /// The nonce signed by a proxy.
    proxy_sig: String, "proxy_sig";
}

impl ConnectOptions {
    /// Reads the JSON of a `CONNECT`. Field names match in any case, unknown fields and `null` mean nothing.
    pub fn parse(json: &[u8]) -> Result<Self, ConnectError> {
        // Bytes that are no UTF-8 become replacement characters, as Go does it.
        let text = String::from_utf8_lossy(json);
        let options: Option<ConnectOptions> = serde_json::from_str(&text).map_err(ConnectError)?;
        Ok(options.unwrap_or_default())
    }

    /// What [`super::encode_connect`] writes.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and booleans always have a JSON form.
        serde_json::to_vec(self).unwrap_or_else(|_| b"{}".to_vec())
    }

    /// Whether operations are answered with `+OK`: yes unless the client says no.
    pub fn is_verbose(&self) -> bool {
        self.verbose.unwrap_or(true)
    }

    /// Whether publish subjects are checked: yes unless the client says no.
    pub fn is_pedantic(&self) -> bool {
        self.pedantic.unwrap_or(true)
    }

    /// Whether the client gets its own messages: yes unless it says no.
    pub fn wants_echo(&self) -> bool {
        self.echo.unwrap_or(true)
    }

    /// Whether the client understands headers: no unless it says yes.
    pub fn wants_headers(&self) -> bool {
        self.headers.unwrap_or(false)
    }

    /// Whether the client wants a 503 for requests nobody listens to: no unless it says yes.
    pub fn wants_no_responders(&self) -> bool {
        self.no_responders.unwrap_or(false)
    }
}

impl<'de> Deserialize<'de> for ConnectOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OptionsVisitor)
    }
}

struct OptionsVisitor;

impl<'de> Visitor<'de> for OptionsVisitor {
    type Value = ConnectOptions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ConnectOptions, A::Error> {
        let mut options = ConnectOptions::default();
        while let Some(mut name) = map.next_key::<String>()? {
            name.make_ascii_lowercase();
            options.read_field(&name, &mut map)?;
        }
        Ok(options)
    }
}
