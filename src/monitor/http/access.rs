//! Who may ask: HTTP basic authentication (RFC 7617).

use data_encoding::BASE64;
use subtle::ConstantTimeEq;

use crate::auth::SecretVerifier;

/// The user whose name and password a request has to carry.
#[derive(Debug, Clone)]
pub struct Access {
    user: String,
    password: SecretVerifier,
}

impl Access {
    /// `password` as the configuration states it, in the clear or as a bcrypt hash.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: SecretVerifier::new(password) }
    }

    /// Whether this `Authorization` header opens the door.
    pub(super) fn allows(&self, header: &str) -> bool {
        let Some((user, password)) = credentials(header) else { return false };
        // Both are looked at in any case, so that the time taken does not tell which one was wrong.
        let is_user: bool = self.user.as_bytes().ct_eq(user.as_bytes()).into();
        self.password.verify(&password) & is_user
    }
}

fn credentials(header: &str) -> Option<(String, String)> {
    let (scheme, text) = header.split_once(' ')?;
    let decoded =
        BASE64.decode(text.trim().as_bytes()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_user_with_the_right_password_gets_in() {
        let access = Access::new("ops", "a:b");
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        assert!(
            access.allows(&basic("ops:a:b")) && access.allows(&basic("ops:a:b").replace("Basic", "basic"))
        );
        for wrong in [basic("ops:a"), basic("op:a:b"), basic("ops"), "Bearer x".to_owned(), String::new()] {
            assert!(!access.allows(&wrong), "{wrong}");
        }
    }
}
