//! The usage text, made from the flags' definitions in the layout of nats-server.

use clap::Arg;

use super::flags::Flags;
use super::go_syntax::{Kind, names};
use crate::config::tls::{CIPHER_SUITES, CURVES};

/// Where the help of a flag begins.
const HELP_COLUMN: usize = 37;

/// The whole text, with the blank lines around it.
pub(super) fn usage() -> String {
    let definition = Flags::definition();
    let mut text = String::from("\nUsage: nats-server [options]\n");
    let mut heading = "";
    for arg in definition.get_arguments() {
        let group = arg.get_help_heading().unwrap_or_default();
        if group != heading {
            heading = group;
            text.push_str(&format!("\n{heading}:\n"));
        }
        text.push_str(&line(arg));
    }
    text.push('\n');
    text
}

/// `    -a, --addr, --net <host>         Bind to host address …`
fn line(arg: &Arg) -> String {
    let mut short: Vec<String> = Vec::new();
    let mut long: Vec<String> = Vec::new();
    for name in names(arg) {
        match name.len() {
            1 | 2 => short.push(format!("-{name}")),
            _ if name.starts_with(char::is_uppercase) => short.push(format!("-{name}")),
            _ => long.push(format!("--{name}")),
        }
    }
    let indent = if short.is_empty() { "        " } else { "    " };
    short.extend(long);
    let value = match (Kind::of(arg), arg.get_value_names()) {
        (Kind::Bool, _) | (_, None) => String::new(),
        (_, Some(names)) => names.first().map(|name| format!(" <{name}>")).unwrap_or_default(),
    };
    let mut left = format!("{indent}{}{value}", short.join(", "));
    if left.len() >= HELP_COLUMN {
        left.push('\n');
        left.push_str(&" ".repeat(HELP_COLUMN));
    }
    let next_line = format!("\n{:HELP_COLUMN$}", "");
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default().replace("; ", &next_line);
    format!("{left:HELP_COLUMN$}{help}\n")
}

/// What a `tls` block can say.
pub(super) fn tls() -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("    {name}\n")).collect::<String>();
    format!("{TLS}{}\nAvailable curve preferences include:\n{}", list(CIPHER_SUITES), list(CURVES))
}

const TLS: &str = r#"
TLS is configured in the tls section of a configuration file, for example:

    tls {
        cert_file:       "./certs/server-cert.pem"
        key_file:        "./certs/server-key.pem"
        ca_file:         "./certs/ca.pem"
        verify:          true
        handshake_first: auto
        min_version:     "1.2"
    }

Available cipher suites include:
"#;
