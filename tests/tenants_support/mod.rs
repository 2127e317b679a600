//! Operators, accounts and users with keys made on the spot.
#![allow(dead_code)] // Not every test file uses everything.

use headwater::jwt::sign;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator, who signs accounts.
pub struct TestOperator {
    pub key: KeyPair,
    pub system: KeyPair,
}

impl TestOperator {
    pub fn new() -> Self {
        Self { key: KeyPair::new_operator(), system: KeyPair::new_account() }
    }

    /// The operator's token.
    pub fn token(&self) -> String {
        let system = self.system.public_key();
        token(&self.key, &self.key.public_key(), "operator", json!({ "system_account": system }), json!({}))
    }

    /// A token for an account, with what `nats` says beside the usual limits.
    pub fn account(&self, account: &KeyPair, nats: Value) -> String {
        self.account_until(account, nats, json!({}))
    }

    /// As [`account`](Self::account), with further claims such as `exp`.
    pub fn account_until(&self, account: &KeyPair, nats: Value, claims: Value) -> String {
        let mut all = json!({ "limits": limits() });
        merge(&mut all, nats);
        token(&self.key, &account.public_key(), "account", all, claims)
    }

    /// A configuration with these accounts in memory, and the system account.
    pub fn memory(&self, accounts: &[&str]) -> String {
        format!("{}resolver: MEMORY\n{}", self.head(), self.preload(accounts))
    }

    /// A configuration with a directory of accounts.
    pub fn directory(&self, dir: &std::path::Path, accounts: &[&str]) -> String {
        let resolver = format!("resolver {{ type: full, dir: {dir:?}, allow_delete: true }}\n");
        format!("{}{resolver}{}", self.head(), self.preload(accounts))
    }

    pub fn head(&self) -> String {
        format!("operator: {:?}\nsystem_account: {}\n", self.token(), self.system.public_key())
    }

    fn preload(&self, accounts: &[&str]) -> String {
        let system = self.account(&self.system, json!({}));
        let all = accounts.iter().copied().chain([system.as_str()]);
        let entry = |token: &str| format!("{}: {token}\n", subject_of(token));
        format!("resolver_preload {{\n{}}}\n", all.map(entry).collect::<String>())
    }
}

/// Limits that limit nothing.
pub fn limits() -> Value {
    json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1
    })
}

/// A user with a key of its own.
pub struct TestUser {
    pub key: KeyPair,
    pub token: String,
}

impl TestUser {
    /// A user of the account that has signed it.
    pub fn of(account: &KeyPair, nats: Value) -> Self {
        Self::until(account, nats, json!({}))
    }

    /// As [`of`](Self::of), with further claims such as `exp`.
    pub fn until(signer: &KeyPair, nats: Value, claims: Value) -> Self {
        let key = KeyPair::new_user();
        let mut all = json!({ "subs": -1, "data": -1, "payload": -1 });
        merge(&mut all, nats);
        let token = token(signer, &key.public_key(), "user", all, claims);
        Self { key, token }
    }

    /// A user in a scope, who says nothing itself.
    pub fn scoped(signer: &KeyPair, account: &KeyPair, nats: Value, claims: Value) -> Self {
        let key = KeyPair::new_user();
        let mut all = json!({ "issuer_account": account.public_key() });
        merge(&mut all, nats);
        let token = token(signer, &key.public_key(), "user", all, claims);
        Self { key, token }
    }

    /// The CONNECT that answers this nonce.
    pub fn connect(&self, nonce: &str) -> String {
        let signature = data_encoding::BASE64URL_NOPAD.encode(&self.key.sign(nonce.as_bytes()).unwrap());
        let connect = json!({
            "jwt": self.token, "sig": signature,
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "protocol": 1
        });
        format!("CONNECT {connect}\r\n")
    }
}

/// A token of this kind.
pub fn token(signer: &KeyPair, subject: &str, kind: &str, nats: Value, claims: Value) -> String {
    let mut body = json!({ "type": kind, "version": 2 });
    merge(&mut body, nats);
    let mut all = json!({ "iss": signer.public_key(), "sub": subject, "iat": now(), "nats": body });
    merge(&mut all, claims);
    sign(all.to_string().as_bytes(), signer).unwrap()
}

/// The moment, in Unix seconds.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs() as i64
}

/// Whom a token is about.
pub fn subject_of(token: &str) -> String {
    let body = token.split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(body.as_bytes()).unwrap()).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

fn merge(into: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("not an object") };
    into.as_object_mut().unwrap().extend(more);
}
