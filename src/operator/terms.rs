//! From what tokens say to what accounts do.

use std::collections::BTreeSet;

use crate::account::{
    Activation, Approval, Export, ExportKind, ImportKind, ImportTerms, LatencyTerms, Local,
    RESPONSE_THRESHOLD, Responses, Sampling, ServiceTerms,
};
use crate::jwt::{AccountClaims, ActivationClaims};
use crate::jwt::{ExportClaim, ImportClaim};
use crate::trace::TraceTerms;
use headwater_protocol::subject::{is_literal, is_subset};

/// What an account exports.
pub(super) fn exports(account: &AccountClaims) -> Vec<Export> {
    account.exports.iter().map(|claim| export(claim, account)).collect()
}

/// What an account imports. An activation token that does not fit counts as none.
pub(super) fn imports(account: &AccountClaims, now: i64) -> Vec<ImportTerms> {
    account.imports.iter().map(|claim| import(claim, account, now)).collect()
}

/// When an activation token that is good now will not be any more, in Unix seconds.
pub(super) fn next_activation_end(account: &AccountClaims, now: i64) -> Option<i64> {
    let tokens = account.imports.iter().filter(|import| !import.token.is_empty());
    let ends = tokens.filter_map(|import| Some(ActivationClaims::decode(&import.token).ok()?.claims.expires));
    ends.filter(|end| *end > now).min()
}

/// What an account has traced. As with nats-server, a destination that is none counts as not said.
pub(super) fn trace(account: &AccountClaims) -> Option<TraceTerms> {
    let claim = account.trace.as_ref().filter(|claim| is_literal(claim.destination.as_bytes()))?;
    Some(TraceTerms {
        destination: claim.destination.as_str().into(),
        sampling_percent: u8::try_from(claim.sampling)
            .ok()
            .filter(|percent| (1..=100).contains(percent))
            .unwrap_or(100),
    })
}

fn export(claim: &ExportClaim, account: &AccountClaims) -> Export {
    let approval = match usize::try_from(claim.account_token_position).unwrap_or(0) {
        0 if claim.token_required => {
            Approval::Activation { issuers: issuers(account), revoked: claim.revocations.clone() }
        }
        0 => Approval::Everyone,
        position => Approval::AccountToken(position),
    };
    let kind = if claim.is_service { ExportKind::Service(service(claim)) } else { ExportKind::Stream };
    Export { subject: claim.subject.as_str().into(), approval, kind }
}

fn issuers(account: &AccountClaims) -> BTreeSet<Box<str>> {
    let own = std::iter::once(account.claims.subject.as_str().into());
    own.chain(account.signing_keys.keys().cloned()).collect()
}

fn service(claim: &ExportClaim) -> ServiceTerms {
    ServiceTerms {
        responses: match claim.response_type.as_str() {
            "Stream" => Responses::Stream,
            "Chunked" => Responses::Chunked,
            _ => Responses::Single,
        },
        threshold_nanos: match claim.response_threshold_nanos {
            0 => RESPONSE_THRESHOLD,
            nanos => nanos,
        },
        latency: claim.latency.as_ref().map(|latency| LatencyTerms {
            subject: latency.results.as_str().into(),
            sampling: match u8::try_from(latency.sampling) {
                Ok(percent @ 1..) => Sampling::Percent(percent),
                _ => Sampling::Headers,
            },
        }),
        allow_trace: claim.allow_trace,
    }
}

fn import(claim: &ImportClaim, account: &AccountClaims, now: i64) -> ImportTerms {
    let (subject, kind) = if claim.is_service { service_import(claim) } else { stream_import(claim) };
    ImportTerms {
        account: claim.account.as_str().into(),
        activation: activation(claim, account, &subject, now),
        subject,
        kind,
    }
}

fn stream_import(claim: &ImportClaim) -> (Box<str>, ImportKind) {
    let local = match (claim.local_subject.as_str(), claim.to.as_str()) {
        ("", "") => Local::Same,
        ("", prefix) => Local::Prefix(prefix.into()),
        (local, _) => Local::To(local.into()),
    };
    (claim.subject.as_str().into(), ImportKind::Stream { local, allow_trace: claim.allow_trace })
}

/// In the old way `to` names the exporter's side, in the new way the local subject names ours.
fn service_import(claim: &ImportClaim) -> (Box<str>, ImportKind) {
    let (remote, local) = match (claim.local_subject.as_str(), claim.to.as_str()) {
        ("", "") => (&claim.subject, &claim.subject),
        ("", _) => (&claim.to, &claim.subject),
        _ => (&claim.subject, &claim.local_subject),
    };
    (remote.as_str().into(), ImportKind::Service { to: local.as_str().into(), share: claim.share })
}

fn activation(claim: &ImportClaim, account: &AccountClaims, subject: &str, now: i64) -> Option<Activation> {
    let token = ActivationClaims::decode(&claim.token).ok()?;
    let by_exporter = token.claims.issuer == claim.account || token.issuer_account == claim.account;
    let fits = by_exporter
        && token.claims.subject == account.claims.subject
        && token.is_service == claim.is_service
        && token.claims.is_valid_at(now)
        && (token.claims.expires == 0 || token.claims.expires > now)
        && is_subset(subject.as_bytes(), token.import_subject.as_bytes());
    fits.then(|| Activation {
        issuer: token.claims.issuer.into(),
        subject: token.claims.subject.into(),
        issued_at: token.claims.issued_at,
        expires: token.claims.expires,
    })
}
