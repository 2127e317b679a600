//! An account's token.

use std::collections::BTreeMap;

use super::claims::Claims;
use super::doc::Doc;
use super::error::JwtError;
use super::rights::{self, UserRights};
use super::template;
use super::token::{self, Kind};
use super::user::UserClaims;
use crate::account::MappingRule;
use crate::auth::{AuthError, PermissionSettings};
use crate::clock::UnixNanos;

/// What an account's token says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountClaims {
    pub claims: Claims,
    pub limits: AccountLimits,
    pub exports: Vec<ExportClaim>,
    pub imports: Vec<ImportClaim>,
    /// Keys that sign its users besides its own; with what those users may do, if that is set.
    pub signing_keys: BTreeMap<Box<str>, Option<Scope>>,
    /// User key, or `*`, to the Unix second up to which its tokens are void.
    pub revocations: BTreeMap<Box<str>, i64>,
    pub default_permissions: PermissionSettings,
    pub mappings: Vec<MappingRule>,
    pub external_auth: ExternalAuth,
    /// Which messages with W3C trace headers are traced.
    pub trace: Option<TraceClaim>,
}

/// Where traces go, and how many of a hundred messages have one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceClaim {
    pub destination: String,
    /// 0 if it is not said.
    pub sampling: i64,
}

/// What an account may use; below 0 there is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountLimits {
    pub subscriptions_max: i64,
    pub payload_bytes_max: i64,
    pub connections_max: i64,
    pub leafnodes_max: i64,
    pub imports_max: i64,
    pub exports_max: i64,
    pub wildcard_exports: bool,
    pub disallow_bearer: bool,
    pub jetstream: JetStreamLimits,
    /// By tier: `R1`, `R3`.
    pub jetstream_tiers: BTreeMap<Box<str>, JetStreamLimits>,
}

/// What an account may keep in streams; nothing if neither memory nor disk is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JetStreamLimits {
    pub memory_bytes_max: i64,
    pub disk_bytes_max: i64,
    pub streams_max: i64,
    pub consumers_max: i64,
    pub ack_pending_max: i64,
    pub memory_stream_bytes_max: i64,
    pub disk_stream_bytes_max: i64,
    pub stream_bytes_max_required: bool,
}

/// Users signed with a key of this scope may do this, and cannot say anything else themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    pub template: UserRights,
}

/// Somebody else decides who may log in (ADR-26).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExternalAuth {
    /// Users that log in without being asked about; empty: nobody is asked.
    pub auth_users: Vec<String>,
    /// Accounts the service may place users in; `*` is any.
    pub allowed_accounts: Vec<String>,
    /// Public curve key that requests are encrypted with; may be empty.
    pub xkey: String,
}

/// An export as a token says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportClaim {
    pub subject: String,
    pub is_service: bool,
    pub token_required: bool,
    pub revocations: BTreeMap<Box<str>, i64>,
    /// `Singleton`, `Stream`, `Chunked` or empty.
    pub response_type: String,
    /// 0 if it is not said.
    pub response_threshold_nanos: UnixNanos,
    pub latency: Option<LatencyClaim>,
    /// 0 if there is none.
    pub account_token_position: i64,
    pub allow_trace: bool,
}

/// How an exported service is measured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LatencyClaim {
    /// Percent; 0: headers ask for it.
    pub sampling: i64,
    pub results: String,
}

/// An import as a token says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportClaim {
    pub subject: String,
    pub account: String,
    /// An activation token, or empty.
    pub token: String,
    /// The old way to rename; may be empty.
    pub to: String,
    /// The new way to rename; may be empty.
    pub local_subject: String,
    pub is_service: bool,
    pub share: bool,
    pub allow_trace: bool,
}

impl AccountClaims {
    /// Decodes and verifies a token.
    pub fn decode(text: &str) -> Result<Self, JwtError> {
        let value = token::decode(text, Kind::Account)?;
        let doc = Doc(Some(&value));
        let nats = doc.object("nats")?;
        Ok(Self {
            claims: Claims::read(doc)?,
            limits: AccountLimits::read(nats.object("limits")?)?,
            exports: nats.list("exports")?.map(ExportClaim::read).collect::<Result<_, _>>()?,
            imports: nats.list("imports")?.map(ImportClaim::read).collect::<Result<_, _>>()?,
            signing_keys: nats.list("signing_keys")?.map(signing_key).collect::<Result<_, _>>()?,
            revocations: nats.numbers_by_key("revocations")?,
            default_permissions: rights::permissions(nats.object("default_permissions")?)?,
            mappings: mappings(nats)?,
            external_auth: ExternalAuth::read(nats.object("authorization")?)?,
            trace: trace(nats.object("trace")?)?,
        })
    }

    /// The scope of users that `key` signs: nothing if the key is not known, no scope if they speak for themselves.
    pub fn scope_of(&self, key: &str) -> Option<Option<&Scope>> {
        if let Some(scope) = self.signing_keys.get(key) {
            return Some(scope.as_ref());
        }
        (key == self.claims.subject).then_some(None)
    }

    /// What a user may do. In a scope it says nothing itself.
    pub fn rights_of(&self, user: &UserClaims) -> Result<UserRights, AuthError> {
        match self.scope_of(&user.claims.issuer) {
            None => Err(AuthError::Refused("user JWT issuer is not known")),
            Some(None) => Ok(user.rights.clone()),
            Some(Some(_)) if !user.rights.is_empty() => {
                Err(AuthError::Refused("scoped users require no permissions or limits set"))
            }
            Some(Some(scope)) => template::fill(&scope.template, user, self)
                .ok_or(AuthError::Refused("user JWT generated invalid permissions")),
        }
    }

    /// Whether a user's token of this time is void.
    pub fn is_revoked(&self, user: &str, issued_at: i64) -> bool {
        [user, "*"].iter().any(|key| self.revocations.get(*key).is_some_and(|until| *until >= issued_at))
    }
}

impl AccountLimits {
    fn read(doc: Doc<'_>) -> Result<Self, JwtError> {
        let tier = |(name, doc): (&str, _)| Ok((name.into(), JetStreamLimits::read(doc)?));
        let tiers: BTreeMap<_, _> = doc.map("tiered_limits")?.map(tier).collect::<Result<_, _>>()?;
        Ok(Self {
            subscriptions_max: doc.number("subs")?,
            payload_bytes_max: doc.number("payload")?,
            connections_max: doc.number("conn")?,
            leafnodes_max: doc.number("leaf")?,
            imports_max: doc.number("imports")?,
            exports_max: doc.number("exports")?,
            wildcard_exports: doc.flag("wildcards")?,
            disallow_bearer: doc.flag("disallow_bearer")?,
            jetstream: if tiers.is_empty() {
                JetStreamLimits::read(doc)?
            } else {
                JetStreamLimits::default()
            },
            jetstream_tiers: tiers,
        })
    }

    /// What a single node may keep, if it may keep anything: all its streams have one replica.
    pub fn jetstream(&self) -> Option<JetStreamLimits> {
        let own = self.jetstream_tiers.get("R1").copied().unwrap_or(self.jetstream);
        (own.memory_bytes_max != 0 || own.disk_bytes_max != 0).then_some(own)
    }
}

impl JetStreamLimits {
    fn read(doc: Doc<'_>) -> Result<Self, JwtError> {
        Ok(Self {
            memory_bytes_max: doc.number("mem_storage")?,
            disk_bytes_max: doc.number("disk_storage")?,
            streams_max: doc.number("streams")?,
            consumers_max: doc.number("consumer")?,
            ack_pending_max: doc.number("max_ack_pending")?,
            memory_stream_bytes_max: doc.number("mem_max_stream_bytes")?,
            disk_stream_bytes_max: doc.number("disk_max_stream_bytes")?,
            stream_bytes_max_required: doc.flag("max_bytes_required")?,
        })
    }
}

impl ExternalAuth {
    fn read(doc: Doc<'_>) -> Result<Self, JwtError> {
        Ok(Self {
            auth_users: doc.texts("auth_users")?,
            allowed_accounts: doc.texts("allowed_accounts")?,
            xkey: doc.text("xkey")?,
        })
    }
}

impl ExportClaim {
    fn read(doc: Doc<'_>) -> Result<Self, JwtError> {
        Ok(Self {
            subject: doc.text("subject")?,
            is_service: is_service(doc)?,
            token_required: doc.flag("token_req")?,
            revocations: doc.numbers_by_key("revocations")?,
            response_type: doc.text("response_type")?,
            response_threshold_nanos: doc.number("response_threshold")?,
            latency: latency(doc.object("service_latency")?)?,
            account_token_position: doc.number("account_token_position")?,
            allow_trace: doc.flag("allow_trace")?,
        })
    }
}

impl ImportClaim {
    fn read(doc: Doc<'_>) -> Result<Self, JwtError> {
        Ok(Self {
            subject: doc.text("subject")?,
            account: doc.text("account")?,
            token: doc.text("token")?,
            to: doc.text("to")?,
            local_subject: doc.text("local_subject")?,
            is_service: is_service(doc)?,
            share: doc.flag("share")?,
            allow_trace: doc.flag("allow_trace")?,
        })
    }
}

fn is_service(doc: Doc<'_>) -> Result<bool, JwtError> {
    match doc.str("type")? {
        "service" => Ok(true),
        "stream" => Ok(false),
        _ => Err(JwtError::Field("type")),
    }
}

/// The sampling is a number or `"headers"`.
fn latency(doc: Doc<'_>) -> Result<Option<LatencyClaim>, JwtError> {
    if !doc.exists() {
        return Ok(None);
    }
    let by_headers = doc.at("sampling").as_str().is_some_and(|text| text.eq_ignore_ascii_case("headers"));
    let sampling = if by_headers { 0 } else { doc.number("sampling")? };
    Ok(Some(LatencyClaim { sampling, results: doc.text("results")? }))
}

fn trace(doc: Doc<'_>) -> Result<Option<TraceClaim>, JwtError> {
    if !doc.exists() {
        return Ok(None);
    }
    Ok(Some(TraceClaim { destination: doc.text("dest")?, sampling: doc.number("sampling")? }))
}

/// A key alone, or one with a scope.
fn signing_key(doc: Doc<'_>) -> Result<(Box<str>, Option<Scope>), JwtError> {
    if let Some(key) = doc.as_str() {
        return Ok((key.into(), None));
    }
    if doc.str("kind")? != "user_scope" {
        return Err(JwtError::Field("signing_keys"));
    }
    let scope = Scope { template: UserRights::read(doc.object("template")?, -1)? };
    Ok((doc.str("key")?.into(), Some(scope)))
}

/// There is no cluster, so destinations for one do not count.
fn mappings(nats: Doc<'_>) -> Result<Vec<MappingRule>, JwtError> {
    let mut rules = Vec::new();
    for (source, targets) in nats.map("mappings")? {
        let mut destinations = Vec::new();
        for target in targets.elements("mappings")? {
            if target.str("cluster")?.is_empty() {
                let weight = match target.number("weight")? {
                    0 => 100,
                    weight => u8::try_from(weight).map_err(|_| JwtError::Field("weight"))?,
                };
                destinations.push((target.text("subject")?, weight));
            }
        }
        rules.push(MappingRule { source: source.to_owned(), destinations });
    }
    Ok(rules)
}
