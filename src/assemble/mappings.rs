//! `mappings { … }`, of the global account and of others.

use crate::account::{GLOBAL_ACCOUNT, MappingError, MappingRule, Mappings};
use crate::config::Config;
use crate::config::mappings::Mapping;
use crate::server::Server;

/// Gives every account the mappings that are configured for it, and no others.
pub fn apply_mappings(config: &Config, server: &Server) -> Result<(), MappingError> {
    for (name, rules) in rules(config) {
        server.account(name).set_mappings(Mappings::new(&rules)?);
    }
    Ok(())
}

/// Whether [`apply_mappings`] would accept what is configured.
pub fn check_mappings(config: &Config) -> Result<(), MappingError> {
    rules(config).try_for_each(|(_, rules)| Mappings::new(&rules).map(drop))
}

fn rules(config: &Config) -> impl Iterator<Item = (&str, Vec<MappingRule>)> {
    let global = (GLOBAL_ACCOUNT, &config.mappings);
    let accounts = config.accounts.iter().map(|account| (account.name.as_str(), &account.mappings));
    accounts.chain([global]).map(|(name, mappings)| (name, mappings.iter().map(rule).collect()))
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
