//! Who offers what, and who uses it: the whole of it, so that each import can be checked against the others.
//!
//! Pure. Accounts are told by [`Account::set_imports`](crate::account::Account::set_imports) what came out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use headwater_protocol::subject::{is_subset, is_valid, overlaps};

use super::activation::Activation;
use super::export::Export;
use super::import::{Import, ImportError, ImportKind, ImportTerms, ServiceImport, StreamImport};

/// How far chains of imports are followed.
const CHAIN_MAX: usize = 1024;

/// The exports and imports of all accounts.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: BTreeMap<Box<str>, Page>,
}

/// Those of one account.
#[derive(Debug, Default)]
struct Page {
    exports: Vec<Arc<Export>>,
    imports: Vec<Arc<Import>>,
}

impl Ledger {
    /// Makes an account known, or replaces what it exports. Imports of others stay as they are. Exports that make no sense are
    /// left out and returned.
    pub fn set_exports(&mut self, account: &str, exports: impl IntoIterator<Item = Export>) -> Vec<Export> {
        let (valid, invalid) = exports.into_iter().partition::<Vec<_>, _>(Export::is_valid);
        self.accounts.entry(account.into()).or_default().exports = valid.into_iter().map(Arc::new).collect();
        invalid
    }

    /// Forgets the imports of an account.
    pub fn clear_imports(&mut self, account: &str) {
        if let Some(page) = self.accounts.get_mut(account) {
            page.imports.clear();
        }
    }

    /// Forgets an account.
    pub fn remove(&mut self, account: &str) {
        self.accounts.remove(account);
    }

    /// Adds an import, if it is allowed and makes sense.
    pub fn import(&mut self, importer: &str, terms: &ImportTerms) -> Result<(), ImportError> {
        let import = self.compile(importer, terms)?;
        self.accounts.entry(importer.into()).or_default().imports.push(Arc::new(import));
        Ok(())
    }

    /// What an account exports.
    pub fn exports(&self, account: &str) -> &[Arc<Export>] {
        self.accounts.get(account).map_or(&[], |page| &page.exports)
    }

    /// What an account imports.
    pub fn imports(&self, account: &str) -> &[Arc<Import>] {
        self.accounts.get(account).map_or(&[], |page| &page.imports)
    }

    fn compile(&self, importer: &str, terms: &ImportTerms) -> Result<Import, ImportError> {
        if !self.accounts.contains_key(&terms.account) {
            return Err(ImportError::AccountMissing);
        }
        match &terms.kind {
            ImportKind::Stream { local, allow_trace } => {
                self.authorized(importer, terms, false).ok_or(ImportError::StreamNotAuthorized)?;
                let import = StreamImport::compile(terms, local, *allow_trace)?;
                self.check_stream(importer, &import)?;
                Ok(Import::Stream(import))
            }
            ImportKind::Service { to, share } => {
                if !is_valid(to.as_bytes()) || !is_valid(terms.subject.as_bytes()) {
                    return Err(ImportError::InvalidSubject);
                }
                let export =
                    self.authorized(importer, terms, true).ok_or(ImportError::ServiceNotAuthorized)?;
                let import = ServiceImport::compile(terms, to, *share, export.clone())?;
                self.check_service(importer, &import)?;
                Ok(Import::Service(import))
            }
        }
    }

    /// The export that allows the import. One of exactly the same subject decides alone.
    fn authorized(&self, importer: &str, terms: &ImportTerms, service: bool) -> Option<&Arc<Export>> {
        let activation: Option<&Activation> = terms.activation.as_ref();
        let exports = || self.exports(&terms.account).iter().filter(|export| export.is_service() == service);
        let exact = exports().rfind(|export| export.subject == terms.subject);
        let approves = |export: &&Arc<Export>| export.approves(importer, &terms.subject, activation);
        match exact {
            Some(export) => Some(export).filter(approves),
            None => exports().filter(|export| export.covers(&terms.subject)).find(approves),
        }
    }

    fn check_stream(&self, importer: &str, import: &StreamImport) -> Result<(), ImportError> {
        for subject in [&import.local, &import.remote] {
            let mut visited = BTreeSet::from([importer]);
            self.follow_streams(&import.account, subject, &mut visited)?;
        }
        let same = |known: &StreamImport| known.account == import.account && known.remote == import.remote;
        match self.stream_imports(importer).any(same) {
            true => Err(ImportError::StreamDuplicate),
            false => Ok(()),
        }
    }

    fn check_service(&self, importer: &str, import: &ServiceImport) -> Result<(), ImportError> {
        let mut visited = BTreeSet::from([importer]);
        self.follow_services(&import.account, &import.local, &mut visited)?;
        let same = |known: &&ServiceImport| known.account == import.account && known.local == import.local;
        match self.service_imports(importer).find(same) {
            Some(known) => Err(ImportError::ServiceDuplicate {
                to: import.local.clone(),
                account: known.account.clone(),
                subject: known.remote.clone(),
            }),
            None => Ok(()),
        }
    }

    fn follow_streams<'a>(
        &'a self,
        account: &'a str,
        subject: &'a str,
        visited: &mut BTreeSet<&'a str>,
    ) -> Result<(), ImportError> {
        let exported = |export: &Arc<Export>| !export.is_service() && export.covers(subject);
        if !self.exports(account).iter().any(exported) {
            return Ok(());
        }
        for import in self.stream_imports(account) {
            if !overlaps(subject.as_bytes(), import.local.as_bytes()) {
                continue;
            }
            self.step(account, &import.account, visited)?;
            let inner = is_subset(import.local.as_bytes(), subject.as_bytes());
            self.follow_streams(&import.account, if inner { &import.local } else { subject }, visited)?;
        }
        Ok(())
    }

    fn follow_services<'a>(
        &'a self,
        account: &'a str,
        subject: &'a str,
        visited: &mut BTreeSet<&'a str>,
    ) -> Result<(), ImportError> {
        for import in self.service_imports(account) {
            if !overlaps(subject.as_bytes(), import.remote.as_bytes()) {
                continue;
            }
            self.step(account, &import.account, visited)?;
            let inner = is_subset(import.local.as_bytes(), subject.as_bytes());
            self.follow_services(&import.account, if inner { &import.local } else { subject }, visited)?;
        }
        Ok(())
    }

    fn step<'a>(&self, from: &'a str, to: &str, visited: &mut BTreeSet<&'a str>) -> Result<(), ImportError> {
        if visited.contains(to) || visited.len() >= CHAIN_MAX {
            return Err(ImportError::Cycle);
        }
        visited.insert(from);
        Ok(())
    }

    fn stream_imports(&self, account: &str) -> impl Iterator<Item = &StreamImport> {
        self.imports(account).iter().filter_map(|import| match &**import {
            Import::Stream(import) => Some(import),
            Import::Service(_) => None,
        })
    }

    fn service_imports(&self, account: &str) -> impl Iterator<Item = &ServiceImport> {
        self.imports(account).iter().filter_map(|import| match &**import {
            Import::Service(import) => Some(import),
            Import::Stream(_) => None,
        })
    }
}
