//! The accounts of the server, with what the configuration says of them.

use std::sync::Arc;

use crate::config::accounts::Account as Configured;
use crate::config::exchange::{Export, ExportKind, Import, ImportKind, Responses};
use crate::config::mappings::Mapping;
use crate::config::{Config, defaults};
use crate::monitor::source::{AccountExport, AccountFacts, AccountImport, LinkTraffic, MappingDestination};
use crate::server::Server;

/// All accounts. Traffic is that of all clients since the start.
pub(super) fn facts(server: &Server, config: &Config) -> Vec<AccountFacts> {
    let traffic = server.clients().traffic_by_account();
    let fact = |account: Arc<crate::account::Account>| {
        let total = traffic.get(account.name()).copied().unwrap_or_default();
        let link = |msgs, bytes| LinkTraffic { msgs, bytes, ..LinkTraffic::default() };
        let configured = config.accounts.iter().find(|configured| *configured.name == **account.name());
        let general = AccountFacts {
            name: Arc::clone(account.name()),
            tag: account.tag(),
            updated: server.started(),
            client_connections: account.connection_count() as u64,
            subscriptions: account.subscription_count() as u64,
            sent: link(total.out_msgs, total.out_bytes),
            received: link(total.in_msgs, total.in_bytes),
            ..AccountFacts::default()
        };
        with_configuration(general, configured, config)
    };
    server.accounts().all().into_iter().map(fact).collect()
}

fn with_configuration(
    account: AccountFacts,
    configured: Option<&Configured>,
    config: &Config,
) -> AccountFacts {
    let is_global = *account.name == *defaults::GLOBAL_ACCOUNT;
    let global: &[Mapping] = if is_global { &config.mappings } else { &[] };
    let own = configured.map_or(&[][..], |configured| &configured.mappings);
    AccountFacts {
        mappings: global.iter().chain(own).map(mapping).collect(),
        exports: configured.iter().flat_map(|configured| &configured.exports).map(export).collect(),
        imports: configured.iter().flat_map(|configured| &configured.imports).map(import).collect(),
        ..account
    }
}

fn mapping(mapping: &Mapping) -> (String, Vec<MappingDestination>) {
    let destinations = mapping.destinations.iter().map(|destination| MappingDestination {
        subject: destination.subject.clone(),
        weight: destination.weight_percent,
        cluster: destination.cluster.clone().unwrap_or_default(),
    });
    (mapping.source.clone(), destinations.collect())
}

fn export(export: &Export) -> AccountExport {
    let (kind, response_type) = match &export.kind {
        ExportKind::Stream => ("stream", ""),
        ExportKind::Service(service) => ("service", response_type(service.responses)),
    };
    AccountExport {
        subject: export.subject.clone(),
        kind,
        token_req: false,
        response_type,
        approved_accounts: export.accounts.clone(),
    }
}

fn response_type(responses: Responses) -> &'static str {
    match responses {
        Responses::Single => "Singleton",
        Responses::Stream => "Streamed",
        Responses::Chunked => "Chunked",
    }
}

fn import(import: &Import) -> AccountImport {
    let general = AccountImport {
        subject: import.subject.clone(),
        account: import.account.clone(),
        ..AccountImport::default()
    };
    match &import.kind {
        ImportKind::Stream { to, prefix, .. } => {
            let prefixed = prefix.as_ref().map(|prefix| format!("{prefix}.{}", import.subject));
            let local_subject = to.clone().or(prefixed).unwrap_or_else(|| import.subject.clone());
            AccountImport { kind: "stream", local_subject, ..general }
        }
        ImportKind::Service { to, share } => AccountImport {
            kind: "service",
            to: to.clone(),
            local_subject: to.clone(),
            share: *share,
            ..general
        },
    }
}
