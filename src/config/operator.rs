//! Decentralised authentication: operators, account resolvers and trusted keys.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::authorization::is_public_key;
use super::diff::Shown;
use super::grammar::{Map, Node, Value};
use super::report::Problem;
use super::tls::Tls;

/// JWT mode.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Operator {
    /// Operator JWTs, inline or read from the files named.
    pub jwts: Vec<String>,
    /// Public operator keys that sign accounts.
    pub trusted_keys: Vec<String>,
    pub resolver: Option<Resolver>,
    pub resolver_tls: Option<Tls>,
    /// Account key to account JWT.
    pub preload: BTreeMap<String, String>,
    pub pinned_accounts: BTreeSet<String>,
    /// A bearer JWT for clients that bring none.
    pub default_sentinel: Option<String>,
}

impl Operator {
    /// Whether anybody's signature counts, so that clients need tokens.
    pub fn trusts_anybody(&self) -> bool {
        !self.jwts.is_empty() || !self.trusted_keys.is_empty()
    }

    /// Whether clients log in with JWTs.
    pub fn is_used(&self) -> bool {
        !self.jwts.is_empty() || !self.trusted_keys.is_empty() || self.resolver.is_some()
    }
}

/// Where account JWTs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolver {
    /// Only those preloaded.
    Memory,
    /// `GET <url><account>`
    Url(String),
    Directory(DirectoryResolver),
}

impl Shown for Resolver {
    fn shown(&self) -> String {
        match self {
            Self::Memory => "MEMORY".to_owned(),
            Self::Url(url) => url.clone(),
            Self::Directory(resolver) => resolver.dir.shown(),
        }
    }
}

/// Account JWTs in a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DirectoryResolver {
    pub dir: PathBuf,
    /// All of them (`full`), or those that were needed (`cache`).
    pub full: bool,
    pub allow_delete: bool,
    pub hard_delete: bool,
    pub accounts_max: u64,
    pub ttl: Option<Duration>,
    pub sync_interval: Option<Duration>,
    pub fetch_timeout: Option<Duration>,
}

/// Reads `operator`: JWTs or names of files that hold them.
pub(super) fn read_operators(node: &Node) -> Result<Vec<String>, Problem> {
    let wrong = |_| node.problem(format!("error parsing operators: unsupported type {}", node.value.kind()));
    node.strings()
        .map_err(wrong)?
        .iter()
        .map(|text| operator_jwt(text).map_err(|e| node.problem(e)))
        .collect()
}

fn operator_jwt(text: &str) -> Result<String, String> {
    const BYTES_MAX: u64 = 1024 * 1024;
    if text.starts_with("eyJ") {
        return Ok(text.to_owned());
    }
    use std::io::Read;
    let mut content = String::new();
    let file = std::fs::File::open(text)
        .map_err(|e| format!("error parsing operator JWT: open {text}: {}", super::grammar::io_reason(&e)))?;
    file.take(BYTES_MAX)
        .read_to_string(&mut content)
        .map_err(|e| format!("error parsing operator JWT: {e}"))?;
    let jwt = content.lines().map(str::trim).find(|line| line.starts_with("eyJ"));
    jwt.map(str::to_owned).ok_or_else(|| "error parsing operator JWT: no JWT in the file".to_owned())
}

/// Reads `trusted_keys`.
pub(super) fn read_trusted(node: &Node) -> Result<Vec<String>, Problem> {
    let key = |entry: &Node| match entry.text()? {
        key if is_public_key(key, 'O') => Ok(key.to_owned()),
        key => Err(entry.problem(format!("trust key {key:?} required to be a valid public operator nkey"))),
    };
    match &node.value {
        Value::Array(keys) => keys.iter().map(key).collect(),
        _ => Ok(vec![key(node)?]),
    }
}

/// Reads `resolver`: `MEMORY`, `URL(…)` or a map.
pub(super) fn read_resolver(node: &Node) -> Result<Option<Resolver>, Problem> {
    let wrong = || {
        let known = "should be MEM or  URL(\"url\") or a map containing dir and type state=[FULL|CACHE])";
        node.problem(format!("error parsing account resolver, {known}"))
    };
    match &node.value {
        Value::Map(map) => directory(map, node),
        Value::Text(text) => {
            let upper = text.to_uppercase();
            if upper.contains("MEM") {
                return Ok(Some(Resolver::Memory));
            }
            let start = upper.find("URL").ok_or_else(wrong)?;
            let url = text.get(start + 3..).unwrap_or("").trim_matches(['(', ')', ' ', '"']);
            if url.is_empty() { Err(wrong()) } else { Ok(Some(Resolver::Url(url.to_owned()))) }
        }
        other => Err(node.problem(format!("error parsing operator resolver, wrong type {}", other.kind()))),
    }
}

fn directory(map: &Map, node: &Node) -> Result<Option<Resolver>, Problem> {
    let get = |key: &str| map.get(key).map(|entry| &entry.node);
    let flag = |key: &str| get(key).map_or(Ok(false), Node::bool);
    let time = |key: &str| get(key).map(positive).transpose();
    let resolver = DirectoryResolver {
        dir: get("dir").map_or(Ok(PathBuf::new()), |dir| dir.text().map(PathBuf::from))?,
        full: false,
        allow_delete: flag("allow_delete")?,
        hard_delete: flag("hard_delete")?,
        accounts_max: get("limit").map_or(Ok(0), Node::unsigned)?,
        ttl: time("ttl")?,
        sync_interval: time("interval")?,
        fetch_timeout: time("timeout")?,
    };
    let kind = get("type").map_or(Ok(""), Node::text)?.to_uppercase();
    let refusal = match kind.as_str() {
        "MEM" | "MEMORY" => return Ok(Some(Resolver::Memory)),
        "CACHE" => cache_refusal(&resolver, map),
        "FULL" => full_refusal(&resolver, map),
        _ => Some("error parsing account resolver, type should be FULL, CACHE or MEM"),
    };
    match refusal {
        Some(reason) => Err(node.problem(reason)),
        None => Ok(Some(Resolver::Directory(DirectoryResolver { full: kind == "FULL", ..resolver }))),
    }
}

fn cache_refusal(resolver: &DirectoryResolver, map: &Map) -> Option<&'static str> {
    directory_refusal(resolver).or(match resolver {
        DirectoryResolver { sync_interval: Some(_), .. } => Some("CACHE does not accept sync"),
        DirectoryResolver { allow_delete: true, .. } => Some("CACHE does not accept allow_delete"),
        _ if map.get("hard_delete").is_some() => Some("CACHE does not accept hard_delete"),
        _ => None,
    })
}

fn full_refusal(resolver: &DirectoryResolver, map: &Map) -> Option<&'static str> {
    directory_refusal(resolver).or(match resolver {
        DirectoryResolver { ttl: Some(_), .. } => Some("FULL does not accept ttl"),
        DirectoryResolver { allow_delete: false, .. } if map.get("hard_delete").is_some() => {
            Some("hard_delete has no effect without delete")
        }
        _ => None,
    })
}

fn directory_refusal(resolver: &DirectoryResolver) -> Option<&'static str> {
    if resolver.dir.as_os_str().is_empty() {
        return Some("dir has no value and needs to point to a directory");
    }
    let is_file = std::fs::metadata(&resolver.dir).is_ok_and(|found| !found.is_dir());
    is_file.then_some("dir needs to point to an accessible directory")
}

fn positive(node: &Node) -> Result<Duration, Problem> {
    match u64::try_from(node.nanos()?) {
        Ok(nanos) => Ok(Duration::from_nanos(nanos)),
        Err(_) => Err(node.problem("duration can not be negative")),
    }
}

/// Reads `resolver_preload`.
pub(super) fn read_preload(node: &Node) -> Result<BTreeMap<String, String>, Problem> {
    let wrong = |_| node.problem("preload should be a map of account_public_key:account_jwt");
    let mut preload = BTreeMap::new();
    for entry in node.map().map_err(wrong)?.iter() {
        let not_a_jwt = |_| entry.node.problem("preload map value should be a string JWT");
        let jwt = entry.node.text().map_err(not_a_jwt)?;
        if jwt.split('.').count() != 3 {
            return Err(entry.node.problem("invalid account JWT"));
        }
        preload.insert(entry.key.to_string(), jwt.to_owned());
    }
    Ok(preload)
}
