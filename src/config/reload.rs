//! Reload rules that need more than to compare one field.

use super::cluster::Cluster;
use super::diff::Changes;
use super::model::Config;

/// A port that the system chose is kept.
pub(super) fn port_changes(old: &Config, new: &Config, changes: &mut Changes) {
    if new.client.port != 0 {
        changes.restart(&old.client.port, &new.client.port, "Port");
    }
}

pub(super) fn authorization_changes(old: &Config, new: &Config, changes: &mut Changes) {
    let (old, new) = (&old.authorization, &new.authorization);
    changes.live(&old.user, &new.user, "Username", "authorization username");
    changes.live(&old.password, &new.password, "Password", "authorization password");
    changes.live(&old.token, &new.token, "Authorization", "authorization token");
    changes.live(&old.timeout, &new.timeout, "AuthTimeout", "authorization timeout = {}");
    if old.users != new.users {
        changes.applied("Users", "authorization users".to_owned());
    }
    if old.callout != new.callout {
        changes.refused("AuthCallout", "config reload not supported for AuthCallout".to_owned());
    }
    changes.restart(&old.proxy_required, &new.proxy_required, "ProxyRequired");
}

/// It can be taken away together with its user, and that is all.
pub(super) fn no_auth_user_changes(old: &Config, new: &Config, changes: &mut Changes) {
    let still_there = |name: &String| new.users().any(|(_, user)| user.login.name() == name);
    match (&old.no_auth_user, &new.no_auth_user) {
        (Some(name), None) if !still_there(name) => {
            changes.applied("NoAuthUser", "no_auth_user".to_owned());
        }
        (was, is) => changes.restart(was, is, "NoAuthUser"),
    }
}

pub(super) fn system_account_changes(old: &Config, new: &Config, changes: &mut Changes) {
    let name = |config: &Config| config.system_account_name().map(str::to_owned);
    changes.restart(&name(old), &name(new), "SystemAccount");
}

pub(super) fn resolver_changes(old: &Config, new: &Config, changes: &mut Changes) {
    let (old, new) = (&old.operator.resolver, &new.operator.resolver);
    if old.is_some() != new.is_some() {
        let reason = "config reload does not support moving to or from an account resolver";
        changes.refused("AccountResolver", reason.to_owned());
    } else {
        changes.live(old, new, "AccountResolver", "accounts");
    }
}

pub(super) fn cluster_changes(old: &Config, new: &Config, changes: &mut Changes) {
    let (old, new) = (&old.cluster, &new.cluster);
    if old.host != new.host {
        let values = format!("old={}, new={}", old.host, new.host);
        changes.refused("Cluster", format!("config reload not supported for cluster host: {values}"));
    } else if old.port != new.port {
        let port = |cluster: &Cluster| cluster.port.unwrap_or_default();
        let values = format!("old={}, new={}", port(old), port(new));
        changes.refused("Cluster", format!("config reload not supported for cluster port: {values}"));
    } else if old != new {
        changes.applied("Cluster", "cluster".to_owned());
    }
}
