//! What makes an account's token one that cannot be taken, though its signature fits.

use headwater_protocol::subject::{has_wildcards, is_subset, is_valid};

use super::account::{AccountClaims, ExportClaim, ImportClaim};
use super::token::is_public_key;

impl AccountClaims {
    /// Everything that is wrong with it, in nats-server's words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_counts(&mut problems);
        for service in [true, false] {
            check_overlaps(&self.exports, service, &mut problems);
        }
        self.exports.iter().for_each(|export| check_export(export, &mut problems));
        self.imports.iter().for_each(|import| check_import(import, &mut problems));
        let bad_keys = self.signing_keys.keys().filter(|key| !is_public_key(key, 'A'));
        problems.extend(bad_keys.map(|key| format!("{key:?} is not a valid account signing key")));
        if self.limits.jetstream_tiers.contains_key("") {
            problems.push("Tiered JetStream Limits can not contain a blank \"\" tier name".to_owned());
        }
        self.check_external_auth(&mut problems);
        problems
    }

    fn check_counts(&self, problems: &mut Vec<String>) {
        let limits = &self.limits;
        let exceeds = |count: usize, max: i64| usize::try_from(max).is_ok_and(|max| count > max);
        if exceeds(self.imports.len(), limits.imports_max) {
            problems.push("the account contains more imports than allowed by the operator".to_owned());
        }
        if exceeds(self.exports.len(), limits.exports_max) {
            problems.push("the account contains more exports than allowed by the operator".to_owned());
        }
        let wild = self.exports.iter().any(|export| has_wildcards(export.subject.as_bytes()));
        if limits.exports_max >= 0 && !limits.wildcard_exports && wild {
            problems.push(
                "the account contains wildcard exports that are not allowed by the operator".to_owned(),
            );
        }
    }

    fn check_external_auth(&self, problems: &mut Vec<String>) {
        let auth = &self.external_auth;
        if !auth.allowed_accounts.is_empty() && auth.auth_users.is_empty() {
            problems.push("External authorization cannot have accounts without users specified".to_owned());
        }
        let bad_users = auth.auth_users.iter().filter(|user| !is_public_key(user, 'U'));
        problems.extend(bad_users.map(|user| format!("AuthUser {user:?} is not a valid user public key")));
    }
}

fn check_export(export: &ExportClaim, problems: &mut Vec<String>) {
    check_subject(&export.subject, problems);
    let response = export.response_type.as_str();
    match (export.is_service, response) {
        (true, "" | "Singleton" | "Stream" | "Chunked") | (false, "") => {}
        (true, _) => problems.push(format!("invalid response type for service: {response:?}")),
        (false, _) => problems.push(format!("invalid response type for stream: {response:?}")),
    }
    if export.response_threshold_nanos < 0 {
        problems.push("negative response threshold is invalid".to_owned());
    }
    let position = usize::try_from(export.account_token_position).unwrap_or(usize::MAX);
    let is_wild = position == 0 || export.subject.split('.').nth(position - 1) == Some("*");
    if !is_wild {
        let subject = &export.subject;
        problems.push(format!("Account Token Position {position} must match a * in: {subject}"));
    }
}

fn check_import(import: &ImportClaim, problems: &mut Vec<String>) {
    if import.account.is_empty() {
        problems.push("account to import from is not specified".to_owned());
    }
    check_subject(&import.subject, problems);
    if !import.local_subject.is_empty() && !import.to.is_empty() {
        problems.push("Local Subject replaces To".to_owned());
    }
}

fn check_subject(subject: &str, problems: &mut Vec<String>) {
    if !is_valid(subject.as_bytes()) {
        problems.push(format!("subject {subject:?} is not valid"));
    }
}

fn check_overlaps(exports: &[ExportClaim], service: bool, problems: &mut Vec<String>) {
    let of_kind: Vec<&ExportClaim> = exports.iter().filter(|export| export.is_service == service).collect();
    let kind = if service { "service" } else { "stream" };
    for (at, inner) in of_kind.iter().enumerate() {
        let contains = |outer: &&ExportClaim| is_subset(inner.subject.as_bytes(), outer.subject.as_bytes());
        let others = of_kind.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, export)| *export);
        problems.extend(others.filter(contains).map(|outer| {
            format!("{kind} export subject {:?} already exports {:?}", outer.subject, inner.subject)
        }));
    }
}
