//! `$SYS.REQ.CLAIMS.UPDATE`, `$SYS.REQ.ACCOUNT.<account>.CLAIMS.UPDATE`: a new token for an account.

use super::{Request, reason};
use crate::jwt::AccountClaims;
use crate::operator::directory::Directory;

/// The body is the token. `named` is the account that the subject names.
pub(super) fn answer(request: &Request, named: Option<&str>) {
    match request.operator.resolver.directory() {
        Some(directory) => store(request, directory, named),
        None => apply(request, named.unwrap_or_default()),
    }
}

fn store(request: &Request, directory: &Directory, named: Option<&str>) {
    let words = if directory.is_full() { &FULL } else { &CACHE };
    let claims = match AccountClaims::decode(request.body_text()) {
        Ok(claims) => claims,
        Err(error) => return request.fail(named.unwrap_or("n/a"), words.failed, &error.to_string()),
    };
    let id = claims.claims.subject.as_str();
    if let Err(reason) = check(request, &claims, named) {
        return request.fail(id, words.failed, reason);
    }
    if !directory.is_full() && request.operator.held(id).is_none() {
        return request.succeed(id, words.skipped);
    }
    let problems = claims.problems();
    if !problems.is_empty() {
        return request.fail(id, words.invalid, &format!("validation errors: [{}]", problems.join(" ")));
    }
    if let Err(error) = directory.save(id, request.body_text()) {
        return request.fail(id, words.failed, &error);
    }
    if request.operator.held(id).is_some() {
        if let Err(untaken) = request.operator.take(id, request.body_text()) {
            log::error!("DirResolver - Update for account {id:?} resulted in error {}", reason(&untaken));
        }
    }
    request.succeed(id, words.done);
}

fn check(request: &Request, claims: &AccountClaims, named: Option<&str>) -> Result<(), &'static str> {
    if named.is_some_and(|named| named != claims.claims.subject) {
        return Err("subject does not match jwt content");
    }
    if request.operator.settings().needs_signing_key(&claims.claims.issuer) {
        return Err("operator requires issuer to be a signing key");
    }
    Ok(())
}

/// Without a directory only accounts that are in use change.
fn apply(request: &Request, id: &str) {
    const FAILED: &str = "jwt update resulted in error";
    if request.body.is_empty() {
        return request.fail(id, "jwt update error", "request body is empty");
    }
    if let Err(error) = AccountClaims::decode(request.body_text()) {
        return request.fail(id, FAILED, &error.to_string());
    }
    if request.operator.held(id).is_none() {
        return request.succeed(id, "jwt update skipped");
    }
    match request.operator.take(id, request.body_text()) {
        Ok(()) => request.succeed(id, "jwt updated"),
        Err(untaken) => request.fail(id, FAILED, &reason(&untaken)),
    }
}

struct Words {
    done: &'static str,
    failed: &'static str,
    invalid: &'static str,
    skipped: &'static str,
}

const FULL: Words = Words {
    done: "jwt updated",
    failed: "jwt update resulted in error",
    invalid: "jwt validation failed",
    skipped: "jwt update skipped",
};

const CACHE: Words = Words {
    done: "jwt updated cache",
    failed: "jwt update cache resulted in error",
    invalid: "jwt update cache validation failed",
    skipped: "jwt update cache skipped",
};
