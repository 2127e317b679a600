//! Taking over a changed configuration without dropping anyone: all of it, or nothing.

use crate::assemble;
use crate::config::Config;
use crate::config::diff::{Change, Effect};
use crate::server::Server;

/// Brings a server that runs with `old` to `new`; returns the lines that say what changed. On an error nothing has.
pub fn reload(server: &Server, old: &Config, new: &Config) -> Result<Vec<String>, String> {
    let changes = old.reload_changes(new)?;
    refuse_jetstream_changes(old, new)?;
    assemble::check_mappings(new).map_err(|error| error.to_string())?;
    assemble::check_exchange(new)?;
    let operator = assemble::operator_settings(new)?;
    server
        .reload(assemble::server_options(new), auth_changed(old, new))
        .map_err(|error| error.to_string())?;
    assemble::apply_account_limits(new, server);
    new.accounts.iter().for_each(|account| _ = server.close_excess_of(&server.account(&account.name)));
    assemble::apply_mappings(new, server).map_err(|error| error.to_string())?;
    if server.operator().is_none() {
        assemble::apply_exchange(new, server)?;
    }
    if let (Some(operator), Some(settings)) = (server.operator(), operator) {
        operator.reload(settings);
    }
    Ok(changes.into_iter().filter_map(line).collect())
}

/// What accounts may use of JetStream is fixed when they come into being.
fn refuse_jetstream_changes(old: &Config, new: &Config) -> Result<(), String> {
    let of_accounts = |config: &Config| -> Vec<_> {
        let accounts = config.accounts.iter().filter(|account| account.jetstream.is_some());
        accounts.map(|account| (account.name.clone(), account.jetstream.clone())).collect()
    };
    if old.jetstream == new.jetstream && of_accounts(old) == of_accounts(new) {
        return Ok(());
    }
    Err("config reload not supported for JetStream: restart the broker to change it".to_owned())
}

/// Whether clients have to prove again who they are.
fn auth_changed(old: &Config, new: &Config) -> bool {
    old.authorization != new.authorization
        || old.accounts != new.accounts
        || old.no_auth_user != new.no_auth_user
        || old.client.tls != new.client.tls
}

fn line(change: Change) -> Option<String> {
    match change.effect {
        Effect::Applied(line) => Some(line),
        Effect::Refused(_) => None,
    }
}
