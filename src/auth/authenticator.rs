//! The decision who a client is, in the order nats-server takes it: nkey, certificate, users, then the single user or
//! token.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use nkeys::KeyPair;

use super::certificate_user;
use super::credentials::{ConnectionType, Credentials, Peer};
use super::login::{AuthError, GLOBAL_ACCOUNT, Login};
use super::nkey;
use super::permissions::Permissions;
use super::secret::{SecretVerifier, spend_bcrypt_time};
use super::settings::{AuthSettings, Identity, SettingsError, UserSettings};

/// Decides about logins; immutable, replaced as a whole when the configuration is reloaded.
#[derive(Default)]
pub struct Authenticator {
    users: HashMap<Arc<str>, PasswordUser>,
    nkeys: HashMap<Arc<str>, NkeyUser>,
    no_auth_user: Option<Arc<str>>,
    single: Option<SingleSecret>,
    map_certificate: bool,
    global_account_is_open: bool,
    bcrypt_cost_max: Option<u32>,
    tokens_required: bool,
}

struct PasswordUser {
    user: User,
    password: SecretVerifier,
}

struct NkeyUser {
    user: User,
    key: KeyPair,
}

/// What both kinds of user have.
struct User {
    name: Arc<str>,
    account: Arc<str>,
    permissions: Option<Arc<Permissions>>,
    connection_types: BTreeSet<ConnectionType>,
}

enum SingleSecret {
    Token(SecretVerifier),
    User(String, SecretVerifier),
}

/// Who a client says it is, and what would prove it.
enum Claim<'a> {
    /// Nothing has to be proved.
    Anonymous(&'a User, &'static str),
    Password(&'a PasswordUser),
    Nkey(&'a NkeyUser),
    Single(&'a SecretVerifier, &'a str),
}

impl Authenticator {
    /// Compiles the settings; an error is an error in the configuration.
    pub fn new(settings: &AuthSettings) -> Result<Self, SettingsError> {
        let mut made = Self {
            map_certificate: settings.map_certificate,
            global_account_is_open: settings.global_account_is_open,
            tokens_required: settings.tokens_required,
            ..Self::default()
        };
        for entry in &settings.users {
            made.add_user(entry)?;
        }
        made.set_no_auth_user(settings.no_auth_user.as_deref())?;
        made.single = match (&settings.token, &settings.single_user) {
            (Some(token), _) => Some(SingleSecret::Token(token.clone())),
            (None, Some((user, password))) => Some(SingleSecret::User(user.clone(), password.clone())),
            (None, None) => None,
        };
        made.bcrypt_cost_max = made.secrets().filter_map(SecretVerifier::bcrypt_cost).max();
        Ok(made)
    }

    /// Whether a client must identify itself (`auth_required` in INFO).
    pub fn auth_required(&self) -> bool {
        self.tokens_required || self.single.is_some() || !self.users.is_empty() || !self.nkeys.is_empty()
    }

    /// Whether INFO must carry a nonce.
    pub fn nonce_needed(&self) -> bool {
        self.tokens_required || !self.nkeys.is_empty()
    }

    /// Whether [`Self::check`] will take long (hundreds of milliseconds of CPU for bcrypt), so that it must be called
    /// on a blocking thread. Bound how many such checks run at once: each occupies a core.
    pub fn is_slow(&self, credentials: &Credentials<'_>) -> bool {
        let names_secret = !credentials.user.is_empty() || !credentials.token.is_empty();
        self.bcrypt_cost_max.is_some() && (names_secret || self.map_certificate)
    }

    /// Whether a password stands in the configuration as it is, which is worth a warning at the start.
    pub fn has_plaintext_passwords(&self) -> bool {
        let single = match &self.single {
            Some(SingleSecret::User(_, password)) => Some(password),
            _ => None,
        };
        let certificate_only = |user: &&PasswordUser| self.map_certificate && user.password.is_empty();
        let listed = self.users.values().filter(|user| !certificate_only(user)).map(|user| &user.password);
        single.into_iter().chain(listed).any(|password| password.bcrypt_cost().is_none())
    }

    /// Decides about one CONNECT. A failure takes as long for an unknown user as for a wrong password.
    pub fn check(&self, credentials: &Credentials<'_>, peer: &Peer<'_>) -> Result<Login, AuthError> {
        let is_anonymous = credentials.names_nobody() && credentials.nkey.is_empty();
        if !self.auth_required() || (self.global_account_is_open && is_anonymous) {
            return Ok(open_login(credentials));
        }
        let claim = self.claim(credentials, peer);
        let hashed = claim.as_ref().is_ok_and(Claim::is_proved_by_bcrypt);
        claim.and_then(|claim| claim.prove(credentials, peer)).inspect_err(|_| {
            if !hashed && self.is_slow(credentials) {
                spend_bcrypt_time(self.bcrypt_cost_max.unwrap_or_default(), credentials.password);
            }
        })
    }

    fn claim(&self, credentials: &Credentials<'_>, peer: &Peer<'_>) -> Result<Claim<'_>, AuthError> {
        if let Some(claim) = self.claim_by_nkey(credentials, peer)? {
            return Ok(claim);
        }
        if self.map_certificate && !self.users.is_empty() {
            return self.claim_by_certificate(peer);
        }
        if let Some(claim) = self.claim_by_name(credentials, peer)? {
            return Ok(claim);
        }
        match &self.single {
            Some(SingleSecret::Token(token)) if !credentials.token.is_empty() => {
                Ok(Claim::Single(token, "token"))
            }
            Some(SingleSecret::User(user, password)) if user == credentials.user => {
                Ok(Claim::Single(password, "user"))
            }
            _ => Err(AuthError::UnknownUser),
        }
    }

    fn claim_by_nkey(
        &self,
        credentials: &Credentials<'_>,
        peer: &Peer<'_>,
    ) -> Result<Option<Claim<'_>>, AuthError> {
        if self.nkeys.is_empty() {
            return Ok(None);
        }
        if credentials.names_nobody() && credentials.nkey.is_empty() {
            let anonymous = self.no_auth_user.as_ref().and_then(|name| self.nkeys.get(name));
            return anonymous.map(|found| found.user.anonymous("nkey", peer)).transpose();
        }
        if credentials.nkey.is_empty() {
            return Ok(None);
        }
        let found = self.nkeys.get(credentials.nkey).ok_or(AuthError::UnknownUser)?;
        found.user.check_connection_type(peer)?;
        Ok(Some(Claim::Nkey(found)))
    }

    fn claim_by_certificate(&self, peer: &Peer<'_>) -> Result<Claim<'_>, AuthError> {
        let certificate = peer.client_certs.first().ok_or(AuthError::CertificateRequired)?;
        let allowed = |user: &&PasswordUser| user.user.check_connection_type(peer).is_ok();
        let by_name = |name: &str| self.users.get(name).filter(allowed);
        certificate_user::find(certificate, by_name, || {
            self.users.values().filter(allowed).map(|user| (&*user.user.name, user))
        })
        .map(Claim::Password)
        .ok_or(AuthError::NoUserInCertificate)
    }

    fn claim_by_name(
        &self,
        credentials: &Credentials<'_>,
        peer: &Peer<'_>,
    ) -> Result<Option<Claim<'_>>, AuthError> {
        if credentials.names_nobody() {
            let anonymous = self.no_auth_user.as_ref().and_then(|name| self.users.get(name));
            return anonymous.map(|found| found.user.anonymous("user", peer)).transpose();
        }
        if self.users.is_empty() || credentials.user.is_empty() {
            return Ok(None);
        }
        let found = self.users.get(credentials.user).ok_or(AuthError::UnknownUser)?;
        found.user.check_connection_type(peer)?;
        Ok(Some(Claim::Password(found)))
    }

    fn add_user(&mut self, entry: &UserSettings) -> Result<(), SettingsError> {
        let name: Arc<str> = entry.identity.name().into();
        let user = User::compile(entry, &name)?;
        let duplicate = match &entry.identity {
            Identity::Password { password, .. } => {
                let made = PasswordUser { user, password: password.clone() };
                self.users.insert(Arc::clone(&name), made).is_some()
            }
            Identity::Nkey(text) => {
                let key = nkey::user_key(text).ok_or_else(|| SettingsError::BadNkey(text.clone()))?;
                self.nkeys.insert(Arc::clone(&name), NkeyUser { user, key }).is_some()
            }
        };
        if duplicate { Err(SettingsError::DuplicateUser(name.to_string())) } else { Ok(()) }
    }

    fn set_no_auth_user(&mut self, name: Option<&str>) -> Result<(), SettingsError> {
        let Some(name) = name else { return Ok(()) };
        if !self.users.contains_key(name) && !self.nkeys.contains_key(name) {
            return Err(SettingsError::UnknownNoAuthUser(name.to_owned()));
        }
        self.no_auth_user = Some(name.into());
        Ok(())
    }

    fn secrets(&self) -> impl Iterator<Item = &SecretVerifier> {
        let single = self.single.iter().map(|single| match single {
            SingleSecret::Token(secret) | SingleSecret::User(_, secret) => secret,
        });
        single.chain(self.users.values().map(|user| &user.password))
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("users", &self.users.len())
            .field("nkeys", &self.nkeys.len())
            .field("auth_required", &self.auth_required())
            .finish_non_exhaustive()
    }
}

impl User {
    fn compile(entry: &UserSettings, name: &Arc<str>) -> Result<Self, SettingsError> {
        let permissions = entry.permissions.as_ref().map(Permissions::compile).transpose();
        let permissions =
            permissions.map_err(|error| SettingsError::BadPermission { user: name.to_string(), error })?;
        Ok(Self {
            name: Arc::clone(name),
            account: entry.account.as_str().into(),
            permissions: permissions.map(Arc::new),
            connection_types: entry.connection_types.clone(),
        })
    }

    fn check_connection_type(&self, peer: &Peer<'_>) -> Result<(), AuthError> {
        let allowed =
            self.connection_types.is_empty() || self.connection_types.contains(&peer.connection_type);
        if allowed { Ok(()) } else { Err(AuthError::ConnectionTypeNotAllowed) }
    }

    fn anonymous(&self, kind: &'static str, peer: &Peer<'_>) -> Result<Claim<'_>, AuthError> {
        self.check_connection_type(peer)?;
        Ok(Claim::Anonymous(self, kind))
    }

    fn login(&self, kind: &str) -> Login {
        Login {
            account: Arc::clone(&self.account),
            user: Arc::clone(&self.name),
            label: format!("{kind}:{}", self.name).into(),
            permissions: self.permissions.clone(),
            ..Login::default()
        }
    }
}

impl Claim<'_> {
    fn is_proved_by_bcrypt(&self) -> bool {
        match self {
            Self::Anonymous(..) | Self::Nkey(_) => false,
            Self::Password(found) => found.password.bcrypt_cost().is_some(),
            Self::Single(secret, _) => secret.bcrypt_cost().is_some(),
        }
    }

    fn prove(self, credentials: &Credentials<'_>, peer: &Peer<'_>) -> Result<Login, AuthError> {
        match self {
            Self::Anonymous(user, kind) => Ok(user.login(kind)),
            Self::Password(found) => {
                require(found.password.verify(credentials.password))?;
                Ok(found.user.login("user"))
            }
            Self::Nkey(found) => {
                nkey::verify_signature(&found.key, peer.nonce, credentials.signature)?;
                Ok(found.user.login("nkey"))
            }
            Self::Single(secret, kind) => {
                let sent = if kind == "token" { credentials.token } else { credentials.password };
                require(secret.verify(sent))?;
                Ok(open_login(credentials))
            }
        }
    }
}

fn require(proved: bool) -> Result<(), AuthError> {
    if proved { Ok(()) } else { Err(AuthError::WrongSecret) }
}

/// The login of a client that belongs to no configured user.
fn open_login(credentials: &Credentials<'_>) -> Login {
    Login {
        account: GLOBAL_ACCOUNT.into(),
        user: credentials.shown_user().into(),
        label: credentials.label().into(),
        ..Login::default()
    }
}
