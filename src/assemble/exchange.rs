//! `exports [ … ]` and `imports [ … ]` of accounts.

use std::time::Duration;

use headwater_protocol::subject::{is_literal, is_subset};

use crate::account::{
    Approval, Export, ExportKind, ImportKind, ImportTerms, LatencyTerms, Ledger, Local, RESPONSE_THRESHOLD,
    Responses, Sampling, ServiceTerms,
};
use crate::clock::UnixNanos;
use crate::config::Config;
use crate::config::accounts::Account;
use crate::config::exchange as configured;
use crate::server::Server;

/// What may be asked of the system account: everybody about itself.
const SYSTEM_EXPORTS: [(&str, usize); 4] = [
    ("$SYS.REQ.ACCOUNT.*.CONNZ", 4),
    ("$SYS.REQ.ACCOUNT.*.STATZ", 4),
    ("$SYS.REQ.ACCOUNT.NSUBS", 0),
    ("$SYS.DEBUG.SUBSCRIBERS", 0),
];

/// Whether [`apply_exchange`] would accept what is configured.
pub fn check_exchange(config: &Config) -> Result<(), String> {
    let (_, problems) = ledger(config);
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// Has every account import what is configured for it, and nothing else.
pub fn apply_exchange(config: &Config, server: &Server) -> Result<(), String> {
    check_exchange(config)?;
    let (ledger, _) = ledger(config);
    for account in server.accounts().all() {
        account.set_imports(ledger.imports(account.name()), &|name| server.accounts().get(name));
    }
    Ok(())
}

/// What the system account exports without being asked to.
pub(crate) fn system_exports(own: &[Export]) -> Vec<Export> {
    let missing = SYSTEM_EXPORTS.iter().filter(|(subject, _)| {
        !own.iter()
            .any(|export| export.is_service() && is_subset(subject.as_bytes(), export.subject.as_bytes()))
    });
    let export = |(subject, token): &(&str, usize)| Export {
        subject: (*subject).into(),
        approval: if *token == 0 { Approval::Everyone } else { Approval::AccountToken(*token) },
        kind: ExportKind::Service(ServiceTerms {
            responses: if *token == 0 { Responses::Single } else { Responses::Stream },
            ..ServiceTerms::default()
        }),
    };
    missing.map(export).collect()
}

/// All exports first, because an import is checked against them; streams before services, as nats-server does it.
fn ledger(config: &Config) -> (Ledger, Vec<String>) {
    let mut ledger = Ledger::default();
    let mut problems = Vec::new();
    for account in &config.accounts {
        let mut exports: Vec<Export> = account.exports.iter().map(export).collect();
        if config.system_account_name() == Some(&account.name) {
            exports.extend(system_exports(&exports));
        }
        for invalid in ledger.set_exports(&account.name, exports) {
            let kind = if invalid.is_service() { "service" } else { "stream" };
            problems
                .push(format!("Error adding {kind} export {:?}: sublist: invalid subject", invalid.subject));
        }
        problems.extend(account.exports.iter().filter_map(|export| latency_problem(account, export)));
    }
    for service in [false, true] {
        for account in &config.accounts {
            let terms = account.imports.iter().map(import);
            for terms in terms.filter(|terms| matches!(terms.kind, ImportKind::Service { .. }) == service) {
                let kind = if service { "service" } else { "stream" };
                if let Err(error) = ledger.import(&account.name, &terms) {
                    problems.push(format!("Error adding {kind} import {:?}: {error}", terms.subject));
                }
            }
        }
    }
    (ledger, problems)
}

fn latency_problem(account: &Account, export: &configured::Export) -> Option<String> {
    let configured::ExportKind::Service(service) = &export.kind else { return None };
    let latency = service.latency.as_ref()?;
    let loops = account.exports.iter().any(|other| {
        matches!(other.kind, configured::ExportKind::Service(_))
            && is_subset(latency.subject.as_bytes(), other.subject.as_bytes())
    });
    let reason = match service.responses {
        _ if loops || !is_literal(latency.subject.as_bytes()) => "invalid publish subject",
        configured::Responses::Single => return None,
        _ => "bad service response type",
    };
    let (service, subject) = (&export.subject, &latency.subject);
    Some(format!("Error adding service latency sampling for {service:?} on subject {subject:?}: {reason}"))
}

fn export(export: &configured::Export) -> Export {
    let position = usize::try_from(export.account_token_position).unwrap_or(usize::MAX);
    let approval = match position {
        0 if export.accounts.is_empty() => Approval::Everyone,
        0 => Approval::Accounts(export.accounts.iter().map(|name| name.as_str().into()).collect()),
        position => Approval::AccountToken(position),
    };
    let kind = match &export.kind {
        configured::ExportKind::Stream => ExportKind::Stream,
        configured::ExportKind::Service(service) => ExportKind::Service(ServiceTerms {
            responses: match service.responses {
                configured::Responses::Single => Responses::Single,
                configured::Responses::Stream => Responses::Stream,
                configured::Responses::Chunked => Responses::Chunked,
            },
            threshold_nanos: service
                .threshold
                .filter(|time| !time.is_zero())
                .map_or(RESPONSE_THRESHOLD, nanos),
            latency: service.latency.as_ref().map(latency),
            allow_trace: service.allow_trace,
        }),
    };
    Export { subject: export.subject.as_str().into(), approval, kind }
}

fn latency(latency: &configured::Latency) -> LatencyTerms {
    let sampling = match latency.sampling {
        configured::Sampling::Percent(percent) => Sampling::Percent(percent),
        configured::Sampling::Headers => Sampling::Headers,
    };
    LatencyTerms { subject: latency.subject.as_str().into(), sampling }
}

fn import(import: &configured::Import) -> ImportTerms {
    let kind = match &import.kind {
        configured::ImportKind::Stream { to, prefix, allow_trace } => ImportKind::Stream {
            local: match (to, prefix) {
                (_, Some(prefix)) => Local::Prefix(prefix.as_str().into()),
                (Some(to), None) => Local::To(to.as_str().into()),
                (None, None) => Local::Same,
            },
            allow_trace: *allow_trace,
        },
        configured::ImportKind::Service { to, share } => {
            ImportKind::Service { to: to.as_str().into(), share: *share }
        }
    };
    ImportTerms {
        account: import.account.as_str().into(),
        subject: import.subject.as_str().into(),
        kind,
        activation: None,
    }
}

fn nanos(time: Duration) -> UnixNanos {
    UnixNanos::try_from(time.as_nanos()).unwrap_or(UnixNanos::MAX)
}
