//! Takes out of a CLI's output what may differ from one broker, or one moment, to the next.

use std::sync::LazyLock;

use regex::Regex;

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let rule = |(pattern, by)| (Regex::new(pattern).expect("a valid pattern"), by);
    RULE_TEXTS.iter().copied().map(rule).collect()
});

const RULE_TEXTS: &[(&str, &str)] = &[
    // Cursor movements and the frames of a progress bar.
    (r"\x1b\[[0-9;]*[A-Za-z]", ""),
    (r"(?m)^.*[║█▓▒░].*\n?", ""),
    // Identifiers of servers, accounts, connections and messages.
    (r"\b[A-Z][A-Z2-7]{55}\b", "KEY"),
    (r"\b[A-Za-z0-9]{22}\b", "NUID"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"\bcid: ?\d+", "cid: N"),
    // Moments and spans; what a person set (2m0s, 30s) stays.
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d))?", "TIME"),
    (r"\b\d\d:\d\d:\d\d\b", "TIME"),
    (r"\b(\d+m)?\d+\.\d+(s|ms|us|µs|ns)\b", "SPAN"),
    (r"\b\d+(ms|us|µs|ns)\b", "SPAN"),
    (r"\b\d+s ago\b", "SPAN ago"),
    (r"\bin \d+s\b", "in SPAN"),
    (r"\bage=\S+", "age=SPAN"),
    // Rates and loads.
    (r"[\d,.]+ ([KMG]?i?B|msgs)/(sec|s)\b", "RATE"),
    (r"\b(cpu|mem)=[\d.,]+\S*", "LOAD"),
    (r"\b\d+\.\d+%", "PERCENT"),
    (r"\b(min|avg|max|stddev)(:? )[\d,.]+", "$1$2 N"),
    (r"[\d.]+ [KM]?i?B in [\d.]+ [KM]?i?B out", "BYTES in BYTES out"),
    (r"\b\d+ in \d+ out\b", "COUNT in COUNT out"),
    // A backup is as large as the packing makes it.
    (r"\b\d+ B (un)?compressed", "SIZE ${1}compressed"),
    // What a broker is made of, and where it lies.
    (r"\bsubscriptions=\d+", "subscriptions=N"),
    (
        r"(?m)^ *(Storage Directory|Process ID|Client ID|Configuration Digest|GOMAXPROCS|Git Commit|Go Version|Memory|Uptime|Subscriptions|Sockets|Threads):.*$",
        "$1: HERE",
    ),
];

/// `text` with placeholders, and runs of blanks folded since columns are as wide as what they hold.
pub fn normalise(text: &str) -> String {
    let text = RULES
        .iter()
        .fold(text.to_owned(), |text, (pattern, by)| pattern.replace_all(&text, *by).into_owned());
    let lines = text.lines().map(folded).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

fn folded(line: &str) -> String {
    let words = line.split(|c: char| c.is_whitespace() || "│─╭╮╰╯├┤┬┴┼".contains(c));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
