//! Users and permissions for tests.

use headwater::auth::{
    AuthSettings, Identity, PermissionSettings, SecretVerifier, SubjectRules, UserSettings,
};

/// A user of the account with this password.
pub fn user(account: &str, name: &str, password: &str) -> UserSettings {
    UserSettings {
        account: account.to_owned(),
        identity: Identity::Password { user: name.to_owned(), password: SecretVerifier::new(password) },
        permissions: None,
        connection_types: Default::default(),
    }
}

/// The settings for these users.
pub fn users(users: impl Into<Vec<UserSettings>>) -> AuthSettings {
    AuthSettings { users: users.into(), ..AuthSettings::default() }
}

/// Permissions with these rules.
pub fn permissions(publish: SubjectRules, subscribe: SubjectRules) -> PermissionSettings {
    PermissionSettings { publish, subscribe, responses: None }
}

/// Rules that allow and deny these subjects.
pub fn rules(allow: &[&str], deny: &[&str]) -> SubjectRules {
    let owned = |subjects: &[&str]| subjects.iter().map(|subject| (*subject).to_owned()).collect();
    SubjectRules { allow: owned(allow), deny: owned(deny) }
}

/// A CONNECT of this user, not verbose, with everything a modern client asks for.
pub fn login(user: &str, password: &str) -> String {
    format!(
        r#"{{"user":"{user}","pass":"{password}","verbose":false,"headers":true,"no_responders":true,"protocol":1}}"#
    )
}
