//! `mappings { … }`: subjects that are rewritten when a message comes in.

use super::grammar::{Entry, Node, Value};
use super::report::{Problem, Report};
use super::subject;

/// Messages on `source` go to one of the destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub source: String,
    pub destinations: Vec<Destination>,
}

/// Where a share of the messages goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub subject: String,
    pub weight_percent: u8,
    /// Only in the cluster of this name.
    pub cluster: Option<String>,
}

/// Reads a `mappings { subject: destination … }` block; complaints about single mappings go to `report`.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<Vec<Mapping>, Problem> {
    let mut mappings = Vec::new();
    for entry in node.map()?.iter() {
        match mapping(entry) {
            Ok(mapping) => mappings.push(mapping),
            Err(problem) => report.error(problem),
        }
    }
    Ok(mappings)
}

fn mapping(entry: &Entry) -> Result<Mapping, Problem> {
    let source = entry.key.to_string();
    if !subject::is_valid(&source) {
        return Err(entry.node.problem(format!("Subject {source:?} is not a valid subject")));
    }
    let destinations = match &entry.node.value {
        Value::Text(subject) => {
            vec![Destination { subject: subject.clone(), weight_percent: 100, cluster: None }]
        }
        Value::Array(values) => values.iter().map(destination).collect::<Result<_, _>>()?,
        _ => vec![destination(&entry.node)?],
    };
    let by_cluster = |cluster: &Option<String>| {
        destinations
            .iter()
            .filter(|d| &d.cluster == cluster)
            .map(|d| u32::from(d.weight_percent))
            .sum::<u32>()
    };
    if destinations.iter().any(|destination| by_cluster(&destination.cluster) > 100) {
        return Err(entry
            .node
            .problem(format!("Error adding mapping for {source:?} : total weight needs to be <= 100")));
    }
    Ok(Mapping { source, destinations })
}

fn destination(node: &Node) -> Result<Destination, Problem> {
    let wrong = |_| node.problem("Expected an entry for the mapping destination");
    let (mut subject, mut weight, mut cluster) = (String::new(), None, None);
    for entry in node.map().map_err(wrong)?.iter() {
        match entry.key.to_lowercase().as_str() {
            "dest" | "destination" => subject = entry.node.string()?,
            "weight" => weight = Some(percent(&entry.node)?),
            "cluster" => cluster = entry.node.name()?,
            _ => {
                let reason = format!("Unknown field {:?} for mapping destination", entry.key);
                return Err(entry.node.problem(reason));
            }
        }
    }
    match weight {
        Some(weight_percent) => Ok(Destination { subject, weight_percent, cluster }),
        None => Err(node.problem(format!("Missing weight for mapping destination {subject:?}"))),
    }
}

fn percent(node: &Node) -> Result<u8, Problem> {
    let invalid = |shown: &str| node.problem(format!("Invalid weight {shown} for mapping destination"));
    let number = match &node.value {
        Value::Text(text) => {
            let text = text.trim_end_matches('%');
            text.parse().map_err(|_| invalid(&format!("{text:?}")))?
        }
        _ => node.integer()?,
    };
    u8::try_from(number).ok().filter(|&percent| percent <= 100).ok_or_else(|| invalid(&number.to_string()))
}
