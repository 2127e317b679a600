//! `$SYS.REQ.ACCOUNT.<account>.CLAIMS.LOOKUP`: the token of an account.

use super::Request;

/// The answer is the token; it is empty if there is none.
pub(super) fn answer(request: &Request, id: &str) {
    let token = request.operator.resolver.fetch_here(id).unwrap_or_default();
    request.send(token.as_bytes());
}
