//! Reading and deleting single messages.

pub(super) mod delete;
pub(super) mod direct_get;
mod find;
pub(super) mod get;
