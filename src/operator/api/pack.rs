//! `$SYS.REQ.CLAIMS.PACK`: all tokens, for who has others.

use super::Request;

/// The body is the digest of what the asker has. Each answer is `account|token`; an empty one is the last.
pub(super) fn answer(request: &Request) {
    let Some(directory) = request.operator.resolver.directory() else { return };
    if request.body != directory.digest() {
        for id in directory.accounts() {
            if let Some(token) = directory.load(&id) {
                request.send(format!("{id}|{token}").as_bytes());
            }
        }
    }
    request.send(b"");
}
