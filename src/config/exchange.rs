//! What accounts let others use, and what they use of others: `exports [ … ]` and `imports [ … ]`.

use std::time::Duration;

use super::duration;
use super::grammar::{Node, Value};
use super::keys::{Key, block, field, read_block, unknown_field};
use super::report::{Problem, Report};

/// Something an account offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    pub subject: String,
    /// Who may import it; empty: everyone.
    pub accounts: Vec<String>,
    /// Which token of the subject, counted from 1, has to be the importing account; 0: none.
    pub account_token_position: u64,
    pub kind: ExportKind,
}

/// Messages flow out of a stream and into a service.
#[derive(Debug, Clone, PartialEq)]
pub enum ExportKind {
    Stream,
    Service(ServiceExport),
}

/// How an exported service answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceExport {
    pub responses: Responses,
    /// To the first answer; absent: 2 minutes.
    pub threshold: Option<Duration>,
    pub latency: Option<Latency>,
    pub allow_trace: bool,
}

/// How many answers a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Responses {
    #[default]
    Single,
    Stream,
    Chunked,
}

/// Where measurements of a service go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    pub subject: String,
    pub sampling: Sampling,
}

/// Which requests are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    Percent(u8),
    /// Those whose headers ask for it.
    Headers,
}

/// Something an account uses of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    pub account: String,
    /// In the other account.
    pub subject: String,
    pub kind: ImportKind,
}

/// Where it appears in the importing account.
#[derive(Debug, Clone, PartialEq)]
pub enum ImportKind {
    Stream { to: Option<String>, prefix: Option<String>, allow_trace: bool },
    Service { to: String, share: bool },
}

/// An export as written, in any order of its keys.
#[derive(Debug, Default)]
struct ExportDraft {
    stream: Option<String>,
    service: Option<String>,
    accounts: Vec<String>,
    account_token_position: u64,
    responses: Option<Responses>,
    threshold: Option<Duration>,
    latency: Option<Latency>,
    allow_trace: Option<bool>,
}

const EXPORT_KEYS: &[Key<ExportDraft>] = &[
    field!("stream", [], stream, Node::name),
    field!("service", [], service, Node::name),
    field!("accounts", [], accounts, Node::strings),
    field!("account_token_position", [], account_token_position, Node::unsigned),
    field!("response_type", ["response"], responses, responses),
    field!("response_threshold", ["threshold", "response_max_time", "response_time"], threshold, threshold),
    field!("latency", [], latency, latency),
    Key::new("allow_trace", &[], |export, node, _| {
        export.allow_trace = Some(node.bool()?);
        Ok(())
    }),
];

/// Reads an `exports [ … ]` list; complaints about single exports go to `report`.
pub(super) fn read_exports(node: &Node, report: &mut Report) -> Result<Vec<Export>, Problem> {
    let wrong = |_| node.problem(format!("Exports should be an array, got {}", node.value.kind()));
    let mut exports = Vec::new();
    for entry in node.array().map_err(wrong)? {
        let complaints = report.errors.len();
        match block(EXPORT_KEYS, unknown_field, entry, report).and_then(|draft| export(draft, entry)) {
            Ok(export) => exports.push(export),
            Err(problem) if report.errors.len() == complaints => report.error(problem),
            Err(_) => {}
        }
    }
    Ok(exports)
}

fn export(draft: ExportDraft, node: &Node) -> Result<Export, Problem> {
    let for_services_only = [
        (draft.responses.is_some() || draft.threshold.is_some(), "response"),
        (draft.latency.is_some(), "latency"),
        (draft.allow_trace.is_some(), "allow_trace"),
    ];
    let service = ServiceExport {
        responses: draft.responses.unwrap_or_default(),
        threshold: draft.threshold,
        latency: draft.latency,
        allow_trace: draft.allow_trace.unwrap_or_default(),
    };
    let (subject, kind) = match (draft.stream, draft.service) {
        (None, Some(subject)) => (subject, ExportKind::Service(service)),
        (Some(subject), None) => (subject, ExportKind::Stream),
        (Some(stream), Some(_)) => {
            return Err(node.problem(format!("Detected stream {stream:?} but already saw a service")));
        }
        (None, None) => return Err(node.problem("Export Items should be a map with type entry")),
    };
    if let (ExportKind::Stream, Some((_, what))) = (&kind, for_services_only.iter().find(|(set, _)| *set)) {
        return Err(node.problem(format!("Detected {what} directive on non-service")));
    }
    Ok(Export {
        subject,
        accounts: draft.accounts,
        account_token_position: draft.account_token_position,
        kind,
    })
}

/// An import as written, in any order of its keys.
#[derive(Debug, Default)]
struct ImportDraft {
    stream: Option<Source>,
    service: Option<Source>,
    to: Option<String>,
    prefix: Option<String>,
    share: bool,
    allow_trace: Option<bool>,
}

/// `{account: A, subject: s}`
#[derive(Debug, Default)]
struct Source {
    account: String,
    subject: String,
}

const IMPORT_KEYS: &[Key<ImportDraft>] = &[
    Key::new("stream", &[], |import, node, report| {
        import.stream = Some(source(node, report)?);
        Ok(())
    }),
    Key::new("service", &[], |import, node, report| {
        import.service = Some(source(node, report)?);
        Ok(())
    }),
    field!("to", [], to, Node::name),
    field!("prefix", [], prefix, Node::name),
    field!("share", [], share, Node::bool),
    Key::new("allow_trace", &[], |import, node, _| {
        import.allow_trace = Some(node.bool()?);
        Ok(())
    }),
];

const SOURCE_KEYS: &[Key<Source>] =
    &[field!("account", [], account, Node::string), field!("subject", [], subject, Node::string)];

/// Reads an `imports [ … ]` list; complaints about single imports go to `report`.
pub(super) fn read_imports(node: &Node, report: &mut Report) -> Result<Vec<Import>, Problem> {
    let wrong = |_| node.problem(format!("Imports should be an array, got {}", node.value.kind()));
    let mut imports: Vec<Import> = Vec::new();
    for entry in node.array().map_err(wrong)? {
        let complaints = report.errors.len();
        let import = block(IMPORT_KEYS, unknown_field, entry, report).and_then(|draft| import(draft, entry));
        match import.and_then(|import| unless_duplicate(import, &imports, entry)) {
            Ok(import) => imports.push(import),
            Err(problem) if report.errors.len() == complaints => report.error(problem),
            Err(_) => {}
        }
    }
    Ok(imports)
}

fn import(draft: ImportDraft, node: &Node) -> Result<Import, Problem> {
    let allow_trace = draft.allow_trace.unwrap_or_default();
    match (draft.stream, draft.service) {
        (Some(_), None) if draft.to.is_some() && draft.prefix.is_some() => {
            Err(node.problem("Stream import can not have a 'prefix' and a 'to' property"))
        }
        (Some(Source { account, subject }), None) => {
            let kind = ImportKind::Stream { to: draft.to, prefix: draft.prefix, allow_trace };
            Ok(Import { account, subject, kind })
        }
        (None, Some(_)) if draft.allow_trace.is_some() => {
            Err(node.problem("Detected allow_trace directive on a non-stream"))
        }
        (None, Some(Source { account, subject })) => {
            let to = draft.to.unwrap_or_else(|| subject.clone());
            Ok(Import { account, subject, kind: ImportKind::Service { to, share: draft.share } })
        }
        (Some(_), Some(_)) => Err(node.problem("Detected stream but already saw a service")),
        (None, None) => Err(node.problem("Import Items should be a map with type entry")),
    }
}

fn unless_duplicate(import: Import, earlier: &[Import], node: &Node) -> Result<Import, Problem> {
    let ImportKind::Service { to, .. } = &import.kind else {
        return Ok(import);
    };
    let same = earlier.iter().find(|other| {
        other.account == import.account
            && matches!(&other.kind, ImportKind::Service { to: taken, .. } if taken == to)
    });
    match same {
        Some(Import { account, subject, .. }) => Err(node.problem(format!(
            "Duplicate service import subject {to:?}, previously used in import for account {account:?}, subject {subject:?}"
        ))),
        None => Ok(import),
    }
}

fn source(node: &Node, report: &mut Report) -> Result<Source, Problem> {
    let mut source = Source::default();
    read_block(SOURCE_KEYS, unknown_field, &mut source, node, report)?;
    if source.account.is_empty() || source.subject.is_empty() {
        return Err(node.problem("Expect an account name and a subject"));
    }
    Ok(source)
}

fn responses(node: &Node) -> Result<Option<Responses>, Problem> {
    let text = node.text()?;
    match text.to_lowercase().as_str() {
        "single" | "singleton" => Ok(Some(Responses::Single)),
        "stream" => Ok(Some(Responses::Stream)),
        "chunk" | "chunked" => Ok(Some(Responses::Chunked)),
        _ => Err(node.problem(format!("Unknown response type: {text:?}"))),
    }
}

fn threshold(node: &Node) -> Result<Option<Duration>, Problem> {
    let text = node.text()?;
    match duration::parse(text).map(u64::try_from) {
        Ok(Ok(nanos)) => Ok(Some(Duration::from_nanos(nanos))),
        _ => Err(node
            .problem(format!("Expected response threshold to be a parseable time duration, got {text:?}"))),
    }
}

fn latency(node: &Node) -> Result<Option<Latency>, Problem> {
    if let Value::Text(subject) = &node.value {
        return Ok(Some(Latency { subject: subject.clone(), sampling: Sampling::Percent(100) }));
    }
    let map = node.map()?;
    let sampling = match map.get("sampling") {
        Some(entry) => sampling(&entry.node)?,
        None => Sampling::Percent(100),
    };
    match map.get("subject") {
        Some(entry) => Ok(Some(Latency { subject: entry.node.string()?, sampling })),
        None => Err(node.problem("Latency subject required, but missing")),
    }
}

fn sampling(node: &Node) -> Result<Sampling, Problem> {
    let number = match &node.value {
        Value::Text(text) if text.trim().eq_ignore_ascii_case("headers") => {
            return Ok(Sampling::Headers);
        }
        Value::Text(text) => text
            .trim_end_matches('%')
            .parse()
            .map_err(|_| node.problem(format!("Failed to parse latency sample: {text:?}")))?,
        _ => node.integer()?,
    };
    match u8::try_from(number) {
        Ok(percent @ 1..=100) => Ok(Sampling::Percent(percent)),
        _ => Err(node.problem("bad sampling percentage, should be 1-100")),
    }
}
