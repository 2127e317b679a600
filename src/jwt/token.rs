//! The envelope: `base64url(header).base64url(claims).base64url(signature)`.

use data_encoding::{BASE64URL_NOPAD, Encoding};
use nkeys::KeyPair;
use serde_json::{Map, Value};

use super::doc::Doc;
use super::error::JwtError;

/// The longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 1024 * 1024;

/// The way to sign, and what it was called in version 1.
const ALGORITHM: &str = "ed25519-nkey";
const ALGORITHM_OLD: &str = "ed25519";

/// The newest version.
const VERSION: i64 = 2;

const HEADER: &[u8] = br#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

const BASE64: &Encoding = &BASE64URL_NOPAD;

/// What kind of keys may sign a token, by the letter they begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Operator,
    Account,
    User,
    Activation,
    AuthorizationResponse,
    /// Whatever somebody signed.
    Generic,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Account => "account",
            Self::User => "user",
            Self::Activation => "activation",
            Self::AuthorizationResponse => "authorization_response",
            Self::Generic => "generic",
        }
    }

    fn may_be_signed_by(self, issuer: &str) -> bool {
        let prefixes: &[char] = match self {
            Self::Operator => &['O'],
            Self::Account | Self::Activation => &['A', 'O'],
            Self::User | Self::AuthorizationResponse => &['A'],
            Self::Generic => return true,
        };
        issuer.starts_with(prefixes)
    }
}

/// The claims of a token whose signature fits what it says about its issuer.
pub(super) fn decode(token: &str, kind: Kind) -> Result<Value, JwtError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(JwtError::TooLarge);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(body), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JwtError::Parts);
    };
    check_header(&json(header, "header")?)?;
    let mut claims = json(body, "claim")?;
    let issuer = Doc(Some(&claims)).text("iss")?;
    // A type outside `nats` is a token of version 1, which signs its claims without the header.
    let is_old = Doc(Some(&claims)).at("type").exists();
    let whole = token.get(..header.len() + 1 + body.len()).unwrap_or_default();
    verify(&issuer, if is_old { body } else { whole }, signature)?;
    if is_old {
        modernize(&mut claims)?;
    }
    if kind != Kind::Generic {
        check_kind(Doc(Some(&claims)), kind, is_old)?;
    }
    if kind.may_be_signed_by(&issuer) { Ok(claims) } else { Err(JwtError::Issuer) }
}

/// A token that says `claims`, which has to be a JSON object with an issuer, signed by `key`.
pub fn sign(claims: &[u8], key: &KeyPair) -> Option<String> {
    let mut token = BASE64.encode(HEADER);
    token.push('.');
    BASE64.encode_append(claims, &mut token);
    let signature = key.sign(token.as_bytes()).ok()?;
    token.push('.');
    BASE64.encode_append(&signature, &mut token);
    Some(token)
}

/// Whether `key` is a public nkey of the kind that begins with this letter.
pub fn is_public_key(key: &str, prefix: char) -> bool {
    key.starts_with(prefix) && KeyPair::from_public_key(key).is_ok()
}

fn check_header(header: &Value) -> Result<(), JwtError> {
    let header = Doc(Some(header));
    let algorithm = header.str("alg")?;
    let is_ours = [ALGORITHM, ALGORITHM_OLD].iter().any(|name| algorithm.eq_ignore_ascii_case(name));
    let known = is_ours && header.str("typ")?.eq_ignore_ascii_case("jwt");
    if known { Ok(()) } else { Err(JwtError::Algorithm) }
}

fn check_kind(claims: Doc<'_>, kind: Kind, is_old: bool) -> Result<(), JwtError> {
    let nats = claims.object("nats")?;
    if !is_old && nats.number("version")? != VERSION {
        return Err(JwtError::Version);
    }
    if nats.str("type")? == kind.name() { Ok(()) } else { Err(JwtError::Kind(kind.name())) }
}

/// Puts what version 1 said elsewhere where version 2 says it. What users do not say about limits was no limit then.
fn modernize(claims: &mut Value) -> Result<(), JwtError> {
    let outer = claims.as_object_mut().ok_or(JwtError::Encoding("claim"))?;
    let moved = ["type", "tags", "issuer_account"].map(|name| (name, outer.remove(name)));
    let nats = outer.entry("nats").or_insert_with(|| Value::Object(Map::new()));
    let nats = nats.as_object_mut().ok_or(JwtError::Field("nats"))?;
    if let Some(kind) = nats.remove("type") {
        nats.insert("kind".to_owned(), kind);
    }
    let is_user = matches!(&moved[0].1, Some(Value::String(kind)) if kind == Kind::User.name());
    if is_user {
        for limit in ["subs", "data", "payload"] {
            nats.entry(limit).or_insert_with(|| Value::from(-1));
        }
    }
    for (name, value) in moved {
        value.into_iter().for_each(|value| _ = nats.insert(name.to_owned(), value));
    }
    Ok(())
}

fn verify(issuer: &str, signed: &str, signature: &str) -> Result<(), JwtError> {
    let key = KeyPair::from_public_key(issuer).map_err(|_| JwtError::Signature)?;
    let signature = BASE64.decode(signature.as_bytes()).map_err(|_| JwtError::Encoding("signature"))?;
    key.verify(signed.as_bytes(), &signature).map_err(|_| JwtError::Signature)
}

fn json(part: &str, name: &'static str) -> Result<Value, JwtError> {
    let bytes = BASE64.decode(part.as_bytes()).map_err(|_| JwtError::Encoding(name))?;
    serde_json::from_slice(&bytes).map_err(|_| JwtError::Encoding(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account_token(claims: &str, key: &KeyPair) -> String {
        sign(claims.replace("KEY", &key.public_key()).as_bytes(), key).unwrap()
    }

    const CLAIMS: &str = r#"{"iss":"KEY","sub":"KEY","nats":{"type":"account","version":2}}"#;

    #[test]
    fn a_token_says_what_was_signed() {
        let key = KeyPair::new_account();
        let claims = decode(&account_token(CLAIMS, &key), Kind::Account).unwrap();
        assert_eq!(claims["sub"], key.public_key());
    }

    #[test]
    fn a_changed_token_is_refused() {
        let token = account_token(CLAIMS, &KeyPair::new_account());
        let other = account_token(CLAIMS, &KeyPair::new_account());
        let [header, body, _] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let signature = other.rsplit('.').next().unwrap();
        let forged = format!("{header}.{body}.{signature}");
        assert_eq!(decode(&forged, Kind::Account), Err(JwtError::Signature));
        assert_eq!(decode(&format!("{header}.{body}"), Kind::Account), Err(JwtError::Parts));
        assert_eq!(decode(&format!("{token}.x"), Kind::Account), Err(JwtError::Parts));
    }

    #[test]
    fn a_token_without_a_signature_algorithm_is_refused() {
        let header = BASE64.encode(br#"{"typ":"JWT","alg":"none"}"#);
        let body = BASE64.encode(CLAIMS.as_bytes());
        assert_eq!(decode(&format!("{header}.{body}."), Kind::Account), Err(JwtError::Algorithm));
    }

    #[test]
    fn a_token_of_another_kind_version_or_issuer_is_refused() {
        let key = KeyPair::new_account();
        assert_eq!(decode(&account_token(CLAIMS, &key), Kind::User), Err(JwtError::Kind("user")));
        let old = CLAIMS.replace(r#""version":2"#, r#""version":3"#);
        assert_eq!(decode(&account_token(&old, &key), Kind::Account), Err(JwtError::Version));
        assert_eq!(
            decode(&account_token(CLAIMS, &KeyPair::new_user()), Kind::Account),
            Err(JwtError::Issuer)
        );
    }

    #[test]
    fn a_token_of_version_1_says_the_same_elsewhere() {
        let key = KeyPair::new_account();
        let claims = r#"{"iss":"KEY","sub":"U","type":"user","issuer_account":"A","nats":{"max":1}}"#;
        let header = BASE64.encode(br#"{"typ":"jwt","alg":"ed25519"}"#);
        let body = BASE64.encode(claims.replace("KEY", &key.public_key()).as_bytes());
        let signature = BASE64.encode(&key.sign(body.as_bytes()).unwrap());
        let claims = decode(&format!("{header}.{body}.{signature}"), Kind::User).unwrap();
        let nats = &claims["nats"];
        assert_eq!((&nats["issuer_account"], &nats["subs"]), (&"A".into(), &(-1).into()));
    }

    #[test]
    fn a_token_is_not_longer_than_it_may_be() {
        let token = "a".repeat(TOKEN_BYTES_MAX + 1);
        assert_eq!(decode(&token, Kind::Account), Err(JwtError::TooLarge));
    }
}
