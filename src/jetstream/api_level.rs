//! `Nats-Required-Api-Level`: a request or batch may say which version of the API it needs (ADR-44).

use headwater_protocol::jetstream::account_info::API_LEVEL;

/// Whether we serve the level a header asks for; an empty value asks for none.
pub fn is_served(wanted: &[u8]) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let wanted = std::str::from_utf8(wanted).ok().and_then(|level| level.parse::<i64>().ok());
    wanted.is_some_and(|level| level <= i64::from(API_LEVEL))
}
