//! What a user may do: said by its own token, or by the scope it was signed in.

use super::doc::Doc;
use super::error::JwtError;
use super::source_net::SourceNet;
use super::times::ConnectTimes;
use crate::auth::{PermissionSettings, ResponseSettings, SubjectRules};

/// Permissions and limits of a user. Limits below 0 are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserRights {
    pub permissions: PermissionSettings,
    pub subscriptions_max: i64,
    pub data_bytes_max: i64,
    pub payload_bytes_max: i64,
    /// Whoever has the token is the user, without a signature.
    pub bearer_token: bool,
    pub proxy_required: bool,
    /// In nats-server's words; empty: all.
    pub connection_types: Vec<String>,
    /// Where it may connect from; empty: everywhere.
    pub sources: Vec<SourceNet>,
    /// When it may connect.
    pub times: ConnectTimes,
}

impl UserRights {
    /// `limits` stand for what is not said: 0 in a user's token, none in a scope.
    pub(super) fn read(doc: Doc<'_>, limits: i64) -> Result<Self, JwtError> {
        let limit = |name| if doc.at(name).exists() { doc.number(name) } else { Ok(limits) };
        Ok(Self {
            permissions: permissions(doc)?,
            subscriptions_max: limit("subs")?,
            data_bytes_max: limit("data")?,
            payload_bytes_max: limit("payload")?,
            bearer_token: doc.flag("bearer_token")?,
            proxy_required: doc.flag("proxy_required")?,
            connection_types: doc.texts("allowed_connection_types")?,
            sources: sources(doc)?,
            times: ConnectTimes::read(doc)?,
        })
    }

    /// Whether they say nothing at all, as those of a user in a scope have to.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `pub`, `sub` and `resp` of a user or of an account's defaults.
pub(super) fn permissions(doc: Doc<'_>) -> Result<PermissionSettings, JwtError> {
    let rules = |name| {
        let doc = doc.object(name)?;
        Ok(SubjectRules { allow: doc.texts("allow")?, deny: doc.texts("deny")? })
    };
    Ok(PermissionSettings {
        publish: rules("pub")?,
        subscribe: rules("sub")?,
        responses: responses(doc.object("resp")?)?,
    })
}

/// 0 is the default, a negative number no limit.
fn responses(doc: Doc<'_>) -> Result<Option<ResponseSettings>, JwtError> {
    if !doc.exists() {
        return Ok(None);
    }
    let default = ResponseSettings::default();
    let (max, ttl) = (doc.number("max")?, doc.number("ttl")?);
    Ok(Some(ResponseSettings {
        messages_max: match max {
            0 => default.messages_max,
            max => u32::try_from(max).ok(),
        },
        expires_after_nanos: match ttl {
            0 => default.expires_after_nanos,
            ttl => (ttl > 0).then_some(ttl),
        },
    }))
}

/// A list, or one string with commas.
fn sources(doc: Doc<'_>) -> Result<Vec<SourceNet>, JwtError> {
    let nets = match doc.at("src").as_str() {
        Some(list) => list.split(',').map(|net| net.trim().to_owned()).collect(),
        None => doc.texts("src")?,
    };
    let nets = nets.iter().filter(|net| !net.is_empty());
    nets.map(|net| SourceNet::parse(net).ok_or(JwtError::Field("src"))).collect()
}
