//! Subjects, and how they match.

/// All subjects of up to three tokens.
pub fn messages() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut layer = vec![String::new()];
    for _ in 0..3 {
        layer = layer.iter().flat_map(|start| ["a", "b"].map(|token| format!("{start}.{token}"))).collect();
        all.extend(layer.iter().map(|subject| subject[1..].to_owned()));
    }
    all
}

/// How it is found out whether a subscription lies in what is allowed.
pub type Covers = fn(&str, &str) -> bool;

/// Wildcards of `subject` are tokens like any other.
pub fn matches(pattern: &str, subject: &str) -> bool {
    compare(pattern, subject, |wanted, token| wanted == "*" || wanted == token)
}

/// Wildcards of `subject` stand for all that they match.
pub fn covers(pattern: &str, subject: &str) -> bool {
    compare(pattern, subject, |wanted, token| (wanted == "*" && token != ">") || wanted == token)
}

fn compare(pattern: &str, subject: &str, same: impl Fn(&str, &str) -> bool) -> bool {
    let (pattern, subject): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), subject.split('.').collect());
    for (at, wanted) in pattern.iter().enumerate() {
        match subject.get(at) {
            None => return false,
            Some(_) if *wanted == ">" => return true,
            Some(token) if !same(wanted, token) => return false,
            Some(_) => {}
        }
    }
    pattern.len() == subject.len()
}
