//! Where account tokens come from.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use parking_lot::RwLock;

use super::directory::Directory;
use super::fetch_url::{self, UrlSource};
use super::{Operator, OperatorSettings, ResolverSettings, api};

/// Where account tokens come from.
pub enum Resolver {
    /// The configuration.
    Memory(RwLock<BTreeMap<String, String>>),
    /// A web server.
    Url(UrlSource),
    /// Files; and other servers, if it does not hold all accounts.
    Directory {
        directory: Directory,
        /// How long other servers may take to answer.
        fetch_timeout: Duration,
    },
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// Nobody knows the account.
    Missing,
    /// It could not be asked for.
    Failed(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("account jwt not found"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for FetchError {}

impl Resolver {
    pub(super) fn open(settings: &OperatorSettings) -> Result<Self, String> {
        match &settings.resolver {
            ResolverSettings::Memory(preload) => Ok(Self::Memory(RwLock::new(preload.clone()))),
            ResolverSettings::Url(url) => UrlSource::new(url).map(Self::Url),
            ResolverSettings::Directory(settings) => {
                let directory = Directory::open(settings)?;
                Ok(Self::Directory { directory, fetch_timeout: settings.fetch_timeout })
            }
        }
    }

    /// The token of an account, asked for wherever it may be.
    pub(super) async fn fetch(&self, operator: &Operator, id: &str) -> Result<String, FetchError> {
        match self {
            Self::Memory(_) => self.fetch_here(id).ok_or(FetchError::Missing),
            Self::Url(source) => fetch_url::fetch(source, id).await,
            Self::Directory { directory, fetch_timeout } => match directory.load(id) {
                Some(token) => Ok(token),
                None => {
                    let token = api::ask_others(operator, id, *fetch_timeout).await?;
                    directory.save_if_newer(id, &token).map_err(FetchError::Failed)?;
                    Ok(token)
                }
            },
        }
    }

    /// The token of an account, if it is here.
    pub(super) fn fetch_here(&self, id: &str) -> Option<String> {
        match self {
            Self::Memory(tokens) => tokens.read().get(id).cloned(),
            Self::Url(_) => None,
            Self::Directory { directory, .. } => directory.load(id),
        }
    }

    pub(super) fn replace_memory(&self, preload: &BTreeMap<String, String>) {
        if let Self::Memory(tokens) = self {
            *tokens.write() = preload.clone();
        }
    }

    /// The files, if that is what it is made of.
    pub(super) fn directory(&self) -> Option<&Directory> {
        match self {
            Self::Directory { directory, .. } => Some(directory),
            Self::Memory(_) | Self::Url(_) => None,
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.directory().is_some()
    }

    pub(super) fn is_remote(&self) -> bool {
        matches!(self, Self::Url(_))
    }
}
