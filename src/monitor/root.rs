//! `/`: a page with links to the endpoints, for people.

/// The endpoints worth looking at, by name and path.
const LINKS: [(&str, &str); 11] = [
    ("General", "/varz"),
    ("JetStream", "/jsz"),
    ("Connections", "/connz"),
    ("Accounts", "/accountz"),
    ("Account Stats", "/accstatz"),
    ("Subscriptions", "/subsz"),
    ("Routes", "/routez"),
    ("LeafNodes", "/leafz"),
    ("Gateways", "/gatewayz"),
    ("Health Probe", "/healthz"),
    ("Metrics", "/metrics"),
];

/// The page, for a server whose endpoints are below `base_path`.
pub(super) fn page(base_path: &str) -> String {
    let link = |(name, path): &(&str, &str)| {
        format!("<li><a href=\"{base_path}{path}\">{name}</a> <code>{path}</code></li>\n")
    };
    let links: String = LINKS.iter().map(link).collect();
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Headwater</title></head>\n\
         <body style=\"font-family: sans-serif; margin: 2em\">\n<h1>Headwater {version}</h1>\n<ul>\n{links}</ul>\n</body>\n</html>\n"
    )
}
