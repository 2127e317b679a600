//! `$SYS.REQ.CLAIMS.DELETE`: takes accounts away.

use super::Request;
use crate::jwt::{Claims, Doc, is_public_key};
use crate::operator::directory::Directory;

/// The body is a token that the operator signed for itself, with the accounts in `nats.accounts`.
pub(super) fn answer(request: &Request) {
    let Some(directory) = request.operator.resolver.directory() else { return };
    let (by, accounts) = match Claims::decode_generic(request.body_text()) {
        Ok((claims, body)) => {
            let accounts =
                check(request, directory, &claims).and_then(|()| accounts(request, Doc(Some(&body))));
            (claims.subject, accounts)
        }
        Err(error) => (String::new(), Err(error.to_string())),
    };
    match accounts {
        Ok(accounts) => delete(request, directory, &accounts),
        Err(reason) => request.fail("", &format!("delete accounts request by {by} failed"), &reason),
    }
}

fn check(request: &Request, directory: &Directory, claims: &Claims) -> Result<(), String> {
    let refusal = match () {
        () if !directory.allows_delete() => "delete must be enabled in server config",
        () if claims.subject != claims.issuer => "not self signed",
        () if !request.operator.settings().is_managed_by(&claims.issuer) => "not trusted",
        () => return Ok(()),
    };
    Err(refusal.to_owned())
}

fn accounts(request: &Request, body: Doc<'_>) -> Result<Vec<String>, String> {
    let malformed = || "malformed request".to_owned();
    let nats = body.at("nats");
    if !nats.at("accounts").exists() {
        return Err(malformed());
    }
    let accounts = nats.texts("accounts").map_err(|_| malformed())?;
    if !accounts.iter().all(|id| is_public_key(id, 'A')) {
        return Err(malformed());
    }
    match accounts.iter().any(|id| **id == **request.account.name()) {
        true => Err("not allowed to delete system account".to_owned()),
        false => Ok(accounts),
    }
}

fn delete(request: &Request, directory: &Directory, accounts: &[String]) {
    let mut failures = Vec::new();
    for id in accounts {
        match directory.delete(id) {
            Ok(()) => request.operator.remove(id),
            Err(error) => failures.push(error),
        }
    }
    let deleted = accounts.len() - failures.len();
    match failures.is_empty() {
        true => request.succeed("", &format!("deleted {deleted} accounts")),
        false => {
            let what = format!("deleted {deleted} accounts, failed for {}", failures.len());
            request.fail("", &what, &failures.join("\n"));
        }
    }
}
