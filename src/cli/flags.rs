//! Every flag, once: name, synonyms, value and help.

use clap::{Command, CommandFactory, FromArgMatches, Parser};

const SERVER: &str = "Server Options";
const LOGGING: &str = "Logging Options";
const JETSTREAM: &str = "JetStream Options";
const AUTHORIZATION: &str = "Authorization Options";
const TLS: &str = "TLS Options";
const CLUSTER: &str = "Cluster Options";
const PROFILING: &str = "Profiling Options";
const COMMON: &str = "Common Options";

/// What was written on the command line; absent means not written.
///
/// Passwords may be in here, so there is no derived `Debug`.
#[derive(Clone, PartialEq, Eq, Default, Parser)]
#[command(name = "nats-server", no_binary_name = true, args_override_self = true)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct Flags {
    /// Bind to host address (default: 0.0.0.0)
    #[arg(long = "addr", aliases = ["a", "net"], value_name = "host", help_heading = SERVER)]
    pub host: Option<String>,
    /// Use port for clients (default: 4222)
    #[arg(long = "port", aliases = ["p"], value_name = "port", help_heading = SERVER)]
    pub port: Option<i64>,
    /// Server name (default: auto)
    #[arg(long = "server_name", aliases = ["n", "name"], value_name = "server_name", help_heading = SERVER)]
    pub server_name: Option<String>,
    /// File to store PID
    #[arg(long = "pid", aliases = ["P"], value_name = "file", help_heading = SERVER)]
    pub pid_file: Option<String>,
    /// Use port for http monitoring
    #[arg(long = "http_port", aliases = ["m"], value_name = "port", help_heading = SERVER)]
    pub http_port: Option<i64>,
    /// Use port for https monitoring
    #[arg(long = "https_port", aliases = ["ms"], value_name = "port", help_heading = SERVER)]
    pub https_port: Option<i64>,
    /// Configuration file
    #[arg(long = "config", aliases = ["c"], value_name = "file", help_heading = SERVER)]
    pub config: Option<String>,
    /// Test configuration and exit
    #[arg(long = "t", help_heading = SERVER)]
    pub test_config: Option<bool>,
    /// Send signal to nats-server process (ldm, stop, quit, term, reopen, reload); <pid> can be either a PID (e.g. 1)
    /// or the path to a PID file (e.g. /var/run/nats-server.pid)
    #[arg(long = "signal", aliases = ["sl"], value_name = "signal[=pid]", help_heading = SERVER)]
    pub signal: Option<String>,
    /// Client URL to advertise to other servers
    #[arg(long = "client_advertise", value_name = "string", help_heading = SERVER)]
    pub client_advertise: Option<String>,
    /// Most memory the whole process may take, such as 64MB (default: 75 % of what there is)
    #[arg(long = "memory_ceiling", value_name = "size", help_heading = SERVER)]
    pub memory_ceiling: Option<String>,
    /// Creates a ports file in the specified directory (<executable_name>_<pid>.ports)
    #[arg(long = "ports_file_dir", value_name = "dir", help_heading = SERVER)]
    pub ports_file_dir: Option<String>,

    /// File to redirect log output
    #[arg(long = "log", aliases = ["l"], value_name = "file", help_heading = LOGGING)]
    pub log_file: Option<String>,
    /// Timestamp log entries (default: true)
    #[arg(long = "logtime", aliases = ["T"], help_heading = LOGGING)]
    pub logtime: Option<bool>,
    /// Timestamps in UTC instead of local timezone (default: false)
    #[arg(long = "logtime_utc", help_heading = LOGGING)]
    pub logtime_utc: Option<bool>,
    /// Log to syslog
    #[arg(long = "syslog", aliases = ["s"], help_heading = LOGGING)]
    pub syslog: Option<bool>,
    /// Syslog server addr (udp://localhost:514)
    #[arg(long = "remote_syslog", aliases = ["r"], value_name = "addr", help_heading = LOGGING)]
    pub remote_syslog: Option<String>,
    /// Enable debugging output
    #[arg(long = "debug", aliases = ["D"], help_heading = LOGGING)]
    pub debug: Option<bool>,
    /// Trace the raw protocol
    #[arg(long = "trace", aliases = ["V"], help_heading = LOGGING)]
    pub trace: Option<bool>,
    /// Verbose trace (traces system account as well)
    #[arg(long = "VV", help_heading = LOGGING)]
    pub trace_verbose: Option<bool>,
    /// Debug and trace
    #[arg(long = "DV", help_heading = LOGGING)]
    pub debug_and_trace: Option<bool>,
    /// Debug and verbose trace (traces system account as well)
    #[arg(long = "DVV", help_heading = LOGGING)]
    pub debug_and_trace_verbose: Option<bool>,
    /// Logfile size limit (default: none)
    #[arg(long = "log_size_limit", value_name = "limit", help_heading = LOGGING)]
    pub log_size_limit: Option<i64>,
    /// Maximum printable length for traced messages (default: unlimited)
    #[arg(long = "max_traced_msg_len", value_name = "len", help_heading = LOGGING)]
    pub max_traced_msg_len: Option<i64>,

    /// Enable JetStream functionality
    #[arg(long = "jetstream", aliases = ["js"], help_heading = JETSTREAM)]
    pub jetstream: Option<bool>,
    /// Set the storage directory
    #[arg(long = "store_dir", aliases = ["sd"], value_name = "dir", help_heading = JETSTREAM)]
    pub store_dir: Option<String>,

    /// User required for connections
    #[arg(long = "user", value_name = "user", help_heading = AUTHORIZATION)]
    pub user: Option<String>,
    /// Password required for connections
    #[arg(long = "pass", value_name = "password", help_heading = AUTHORIZATION)]
    pub pass: Option<String>,
    /// Authorization token required for connections
    #[arg(long = "auth", value_name = "token", help_heading = AUTHORIZATION)]
    pub auth: Option<String>,

    /// Enable TLS, do not verify clients (default: false)
    #[arg(long = "tls", help_heading = TLS)]
    pub tls: Option<bool>,
    /// Server certificate file
    #[arg(long = "tlscert", value_name = "file", help_heading = TLS)]
    pub tls_cert: Option<String>,
    /// Private key for server certificate
    #[arg(long = "tlskey", value_name = "file", help_heading = TLS)]
    pub tls_key: Option<String>,
    /// Enable TLS, verify client certificates
    #[arg(long = "tlsverify", help_heading = TLS)]
    pub tls_verify: Option<bool>,
    /// Client certificate CA for verification
    #[arg(long = "tlscacert", value_name = "file", help_heading = TLS)]
    pub tls_ca_cert: Option<String>,

    /// Routes, if they lead to this server itself
    #[arg(long = "routes", value_name = "rurl-1, rurl-2", help_heading = CLUSTER)]
    pub routes: Option<String>,
    /// Cluster URL of this server, which runs alone
    #[arg(long = "cluster", aliases = ["cluster_listen"], value_name = "cluster-url", help_heading = CLUSTER)]
    pub cluster: Option<String>,
    /// Cluster name
    #[arg(long = "cluster_name", value_name = "string", help_heading = CLUSTER)]
    pub cluster_name: Option<String>,
    /// Do not advertise known cluster information to clients
    #[arg(long = "no_advertise", help_heading = CLUSTER)]
    pub no_advertise: Option<bool>,
    /// Cluster URL to advertise to other servers
    #[arg(long = "cluster_advertise", value_name = "string", help_heading = CLUSTER)]
    pub cluster_advertise: Option<String>,
    /// For implicit routes, number of connect retries
    #[arg(long = "connect_retries", value_name = "number", help_heading = CLUSTER)]
    pub connect_retries: Option<i64>,

    /// Profiling HTTP port
    #[arg(long = "profile", value_name = "port", help_heading = PROFILING)]
    pub profile: Option<i64>,

    /// Show this message
    #[arg(long = "help", aliases = ["h"], help_heading = COMMON)]
    pub help: Option<bool>,
    /// Show version
    #[arg(long = "version", aliases = ["v"], help_heading = COMMON)]
    pub version: Option<bool>,
    /// Show the release of Headwater itself
    #[arg(long = "about", help_heading = COMMON)]
    pub about: Option<bool>,
    /// TLS help
    #[arg(long = "help_tls", help_heading = COMMON)]
    pub help_tls: Option<bool>,
}

impl Flags {
    /// The flags as clap knows them, for reading arguments and for help.
    pub(super) fn definition() -> Command {
        Self::command()
    }

    /// Reads arguments that are all of the form `--name=value`.
    pub(super) fn from_normalised(args: Vec<String>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(args)?;
        Self::from_arg_matches(&matches)
    }
}

impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flags").field("config", &self.config).finish_non_exhaustive()
    }
}
