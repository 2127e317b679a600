//! `$SYS.REQ.CLAIMS.LIST`: which accounts there are.

use serde::Serialize;

use super::Request;
use crate::system::ServerInfo;

#[derive(Serialize)]
struct Accounts {
    data: Vec<String>,
    server: ServerInfo,
}

pub(super) fn answer(request: &Request) {
    let Some(directory) = request.operator.resolver.directory() else { return };
    request.send_json(&Accounts { data: directory.accounts(), server: ServerInfo::now(&request.server) });
}
