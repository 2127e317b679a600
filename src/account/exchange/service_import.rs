//! Imported services: a subscriber here that passes requests on there.

use std::borrow::Cow;
use std::sync::{Arc, Weak};

use super::answers::Asked;
use super::export::{Export, ExportKind};
use super::import::ServiceImport;
use super::latency::{Measured, Outcome, sample};
use super::request_info::Request;
use super::traced::Hop;
use crate::account::{Account, Mapped};
use crate::router::{Dispatch, ImportStep, InTrace, Message, Path, Service};

/// The subscriber on an imported service's local subject.
pub(super) struct Importer {
    import: ServiceImport,
    importer: Weak<Account>,
    exporter: Weak<Account>,
}

impl Importer {
    pub fn new(import: ServiceImport, importer: Weak<Account>, exporter: Weak<Account>) -> Self {
        Self { import, importer, exporter }
    }

    fn pass_on(&self, cx: &mut Dispatch, message: &Message<'_>, path: &Path<'_>) -> Option<bool> {
        let (importer, exporter) = (self.importer.upgrade()?, self.exporter.upgrade()?);
        let wanted = exporter.mapped(cx, self.import.naming.name(path.to)?)?;
        let reply = self.set_up_answer(cx, &importer, &exporter, message)?;
        let share = path.import.map_or(self.import.share, |before| before.share);
        let headers = self.headers(cx, &importer, &exporter, message, path);
        let step = ImportStep { export: export_id(&self.import.export), share, before: path.import };
        let subject = if message.subject == path.to { &*wanted } else { message.subject };
        let request = Message { subject, reply: &reply, headers: &headers, payload: message.payload };
        let delivered = match cx.trace_mut().is_none() {
            true => exporter.take_in(cx, &wanted, &request, &step),
            false => {
                let hop = Hop { from: path.to, to: &wanted, goes_on: self.lets_traces_in() };
                exporter.take_in_traced(cx, &hop, &request, &step)
            }
        };
        if !reply.is_empty() {
            match (delivered, cx.is_trace_only()) {
                (false, _) => exporter.no_longer_owe(cx, &reply, Outcome::NotDelivered),
                (true, true) => exporter.forget_owed(&reply),
                (true, false) => {}
            }
        }
        Some(delivered)
    }

    fn lets_traces_in(&self) -> bool {
        matches!(&self.import.export.kind, ExportKind::Service(terms) if terms.allow_trace)
    }

    /// The reply subject the service sees; empty if there is no answer to wait for.
    fn set_up_answer(
        &self,
        cx: &mut Dispatch,
        importer: &Account,
        exporter: &Account,
        message: &Message<'_>,
    ) -> Option<Box<[u8]>> {
        let measured = self.measure(cx, message);
        if message.reply.is_empty() {
            if let Some(measured) = measured {
                exporter.report(cx, &measured, Outcome::NoReplySubject, exporter.realm.clock.now());
            }
            return Some(Box::default());
        }
        let (terms, share) = (&self.import.export, self.import.share);
        Some(exporter.owe(cx, importer, Asked { reply: message.reply, terms, share, measured }))
    }

    fn measure(&self, cx: &mut Dispatch, message: &Message<'_>) -> Option<Measured> {
        let ExportKind::Service(terms) = &self.import.export.kind else { return None };
        let latency = terms.latency.as_ref()?;
        let headers = sample(latency, message.headers, |bound| cx.random_below(bound))?;
        let (requestor, share) = (cx.origin().cloned(), self.import.share);
        Some(Measured { requestor, share, headers, subject: latency.subject.clone() })
    }

    fn headers(
        &self,
        cx: &Dispatch,
        importer: &Account,
        exporter: &Account,
        message: &Message<'_>,
        path: &Path<'_>,
    ) -> Vec<u8> {
        let realm = &exporter.realm;
        let request = Request {
            client: cx.origin().map(|client| &**client),
            headers: message.headers,
            importer: importer.name(),
            share: self.import.share,
            to_system: realm.system_account == *exporter.name(),
            before: path.import,
            server: &realm.server,
        };
        request.headers()
    }
}

impl Service for Importer {
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        self.relay(cx, message, &Path::direct(message.subject))
    }

    fn relay(&self, cx: &mut Dispatch, message: &Message<'_>, path: &Path<'_>) -> bool {
        let goes_round = path.passed(export_id(&self.import.export));
        !goes_round && self.pass_on(cx, message, path).unwrap_or(false)
    }

    fn in_trace(&self, _: &Message<'_>) -> InTrace {
        InTrace::Told
    }
}

impl Account {
    /// Delivers a message that came through a service import.
    pub(super) fn take_in(
        &self,
        cx: &mut Dispatch,
        to: &[u8],
        message: &Message<'_>,
        step: &ImportStep<'_>,
    ) -> bool {
        self.deliver_along(cx, message, &Path { to, import: Some(step) })
    }

    /// Where the account's mappings send a subject; `None` if the message is lost.
    fn mapped<'a>(&self, cx: &mut Dispatch, subject: Cow<'a, [u8]>) -> Option<Cow<'a, [u8]>> {
        let Some(mappings) = self.mappings() else { return Some(subject) };
        match mappings.apply(&subject, |bound| cx.random_below(bound)) {
            Mapped::Unchanged => Some(subject),
            Mapped::To(other) => Some(other.into()),
            Mapped::Lost => None,
        }
    }
}

/// What tells exports apart.
pub(super) fn export_id(export: &Arc<Export>) -> usize {
    Arc::as_ptr(export).addr()
}
