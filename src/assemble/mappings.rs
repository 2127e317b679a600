//! `mappings { … }`, of the global account and of others.

use crate::account::{GLOBAL_ACCOUNT, MappingError, MappingRule, Mappings};
use crate::config::Config;
use crate::config::mappings::Mapping;
use crate::server::Server;

/// Gives every account the mappings that are configured for it, and no others.
pub fn apply_mappings(config: &Config, server: &Server) -> Result<(), MappingError> {
    let global = (GLOBAL_ACCOUNT, &config.mappings);
    let accounts = config.accounts.iter().map(|account| (account.name.as_str(), &account.mappings));
    for (name, mappings) in accounts.chain([global]) {
        let rules: Vec<MappingRule> = mappings.iter().map(rule).collect();
        server.account(name).set_mappings(Mappings::new(&rules)?);
    }
    Ok(())
}

/// There is no cluster, so destinations for one do not count.
fn rule(mapping: &Mapping) -> MappingRule {
    let here = mapping.destinations.iter().filter(|destination| destination.cluster.is_none());
    MappingRule {
        source: mapping.source.clone(),
        destinations: here
            .map(|destination| (destination.subject.clone(), destination.weight_percent))
            .collect(),
    }
}
