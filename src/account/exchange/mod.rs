//! What accounts let others use, and what they use of others.
//!
//! The [`Ledger`] decides which imports are allowed and makes sense; it is pure. [`Account::set_imports`] then brings them about:
//! an imported *stream* gives each subscription that it concerns a shadow in the exporting account; an imported *service* is a
//! subscriber here that passes requests on there, with a reply subject of the exporting account's own (`_R_.…`), on which the
//! answers come back. Accounts that import nothing pay a flag per subscription for this, and nothing per message.

mod activation;
mod answers;
mod awaited;
mod export;
mod import;
mod latency;
mod ledger;
mod request_info;
mod responses;
mod service_import;
mod shadows;
mod traced;

use std::sync::Arc;

use parking_lot::Mutex;

pub use self::activation::Activation;
pub use self::export::{Approval, Export, ExportKind, RESPONSE_THRESHOLD, Responses, ServiceTerms};
pub use self::import::{Import, ImportError, ImportKind, ImportTerms, Local, ServiceImport, StreamImport};
pub use self::latency::{LatencyTerms, Sampling};
pub use self::ledger::Ledger;

use self::answers::Answers;
use self::awaited::Awaited;
use self::service_import::Importer;
pub(super) use self::shadows::Shadows;
use super::{Account, ServiceSubscription};
use headwater_protocol::subject;

/// One account's part in it.
#[derive(Default)]
pub(super) struct Exchange {
    pub shadows: Shadows,
    services: Mutex<Vec<ImportedService>>,
    answers: Answers,
    awaited: Awaited,
}

struct ImportedService {
    import: Arc<Import>,
    _subscription: ServiceSubscription,
}

impl Account {
    /// Has the account import this, and nothing else. What is imported already goes on undisturbed. `find` knows the exporting
    /// accounts.
    pub fn set_imports(&self, imports: &[Arc<Import>], find: &dyn Fn(&str) -> Option<Arc<Account>>) {
        let streams = imports.iter().filter_map(|import| match &**import {
            Import::Stream(stream) => Some((find(&stream.account)?, stream.clone())),
            Import::Service(_) => None,
        });
        self.set_stream_imports(streams.collect());
        let mut services = self.exchange.services.lock();
        services.retain(|known| imports.contains(&known.import));
        for import in imports.iter().filter(|import| matches!(***import, Import::Service(_))) {
            if !services.iter().any(|known| known.import == *import) {
                services.extend(
                    find(import.account()).and_then(|exporter| self.import_service(import, &exporter)),
                );
            }
        }
    }

    /// Whether requests on `subject` go to another account.
    pub fn imports_service(&self, wanted: &[u8]) -> bool {
        let concerns = |known: &ImportedService| match &*known.import {
            Import::Service(import) => subject::matches(import.local.as_bytes(), wanted),
            Import::Stream(_) => false,
        };
        self.exchange.services.lock().iter().any(concerns)
    }

    fn import_service(&self, import: &Arc<Import>, exporter: &Arc<Account>) -> Option<ImportedService> {
        let Import::Service(service) = &**import else { return None };
        let importer = Arc::new(Importer::new(service.clone(), self.me.clone(), Arc::downgrade(exporter)));
        let subscribed = self.me.upgrade()?.subscribe_service(&service.local, None, importer);
        match subscribed {
            Ok(subscription) => Some(ImportedService { import: import.clone(), _subscription: subscription }),
            Err(error) => {
                log::error!("Error adding service import {:?}: {error}", service.local);
                None
            }
        }
    }
}
