//! Templates in the permissions of a scope: `{{name()}}`, `{{tag(x)}}` and the like stand for what is known about the user.

use headwater_protocol::subject;

use super::account::AccountClaims;
use super::rights::UserRights;
use super::user::UserClaims;

/// Subjects that the tags of one list may multiply into.
const SUBJECTS_MAX: usize = 4096;

/// Templates in one subject.
const TEMPLATES_MAX: usize = 32;

/// A scope's rights with the templates filled in for one user; `None` if that cannot be done.
pub(super) fn fill(rights: &UserRights, user: &UserClaims, account: &AccountClaims) -> Option<UserRights> {
    let known = Known { user, account };
    let mut filled = rights.clone();
    for rules in [&mut filled.permissions.subscribe, &mut filled.permissions.publish] {
        let allowed_some = !rules.allow.is_empty();
        rules.allow = known.fill_list(&rules.allow, false)?;
        rules.deny = known.fill_list(&rules.deny, true)?;
        // An empty list would allow everything.
        if allowed_some && rules.allow.is_empty() {
            rules.deny.push(">".to_owned());
        }
    }
    Some(filled)
}

struct Known<'a> {
    user: &'a UserClaims,
    account: &'a AccountClaims,
}

impl Known<'_> {
    /// What cannot be filled in is left out, unless `strict`: something would not be denied.
    fn fill_list(&self, list: &[String], strict: bool) -> Option<Vec<String>> {
        let mut filled: Vec<String> = Vec::with_capacity(list.len());
        for text in list {
            if !text.contains("{{") {
                filled.push(text.clone());
                continue;
            }
            let all = self.fill_subject(text, strict)?;
            let valid = all.into_iter().filter(|text| is_rule(text)).collect::<Vec<_>>();
            if (strict && valid.is_empty()) || filled.len() + valid.len() > SUBJECTS_MAX {
                return None;
            }
            filled.extend(valid);
        }
        Some(filled)
    }

    /// One subject for each combination of values.
    fn fill_subject(&self, text: &str, strict: bool) -> Option<Vec<String>> {
        let mut filled = vec![String::new()];
        let mut rest = text;
        for _ in 0..=TEMPLATES_MAX {
            let Some((before, from)) = rest.split_once("{{") else {
                filled.iter_mut().for_each(|text| text.push_str(rest));
                return Some(filled);
            };
            let (template, after) = from.split_once("}}")?;
            let values = self.values(template.trim())?;
            if (strict && values.is_empty()) || filled.len() * values.len().max(1) > SUBJECTS_MAX {
                return None;
            }
            let longer = |start: &String| -> Vec<String> {
                values.iter().map(|value| format!("{start}{before}{value}")).collect()
            };
            filled = filled.iter().flat_map(longer).collect();
            rest = after;
        }
        None
    }

    /// What a template stands for; `None` if there is no such template.
    fn values(&self, template: &str) -> Option<Vec<String>> {
        let lower = template.to_ascii_lowercase();
        let one = |text: &str| Some(vec![text.to_owned()]);
        match lower.as_str() {
            "name()" => one(&self.user.claims.name),
            "subject()" => one(&self.user.claims.subject),
            "account-name()" => one(&self.account.claims.name),
            "account-subject()" => one(&self.user.issuer_account),
            _ => {
                let (kind, tag) = lower.strip_suffix(')')?.split_once('(')?;
                match kind {
                    "tag" => Some(tagged(&self.user.claims.tags, tag)),
                    "account-tag" => Some(tagged(&self.account.claims.tags, tag)),
                    _ => None,
                }
            }
        }
    }
}

/// The values of the tags `tag:value`.
fn tagged(tags: &[String], tag: &str) -> Vec<String> {
    let value = |text: &String| Some(text.strip_prefix(tag)?.strip_prefix(':')?.to_owned());
    tags.iter().filter_map(value).collect()
}

fn is_rule(text: &str) -> bool {
    let valid = |part: &str| subject::is_valid(part.as_bytes());
    match text.split_once(' ') {
        Some((subject, queue)) => valid(subject) && valid(queue),
        None => valid(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Claims;

    fn filled(allow: &[&str]) -> Option<UserRights> {
        let claims = |name: &str, tags: &[&str]| Claims {
            name: name.to_owned(),
            subject: format!("S{name}"),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Claims::default()
        };
        let user = UserClaims {
            claims: claims("joe", &["dept:eng", "dept:ops", "site:x"]),
            issuer_account: "SACME".to_owned(),
            ..UserClaims::default()
        };
        let account = AccountClaims { claims: claims("ACME", &["region:eu"]), ..AccountClaims::default() };
        let mut rights = UserRights::default();
        rights.permissions.publish.allow = allow.iter().map(|text| (*text).to_owned()).collect();
        fill(&rights, &user, &account)
    }

    fn allowed(allow: &[&str]) -> Vec<String> {
        filled(allow).unwrap().permissions.publish.allow
    }

    #[test]
    fn templates_stand_for_what_is_known() {
        assert_eq!(allowed(&["a.{{name()}}.{{ Subject() }}"]), ["a.joe.Sjoe"]);
        assert_eq!(allowed(&["{{account-name()}}.{{account-subject()}}.>"]), ["ACME.SACME.>"]);
        assert_eq!(allowed(&["{{account-tag(region)}}", "plain"]), ["eu", "plain"]);
    }

    #[test]
    fn several_values_give_several_subjects() {
        assert_eq!(allowed(&["{{tag(dept)}}.{{tag(site)}}"]), ["eng.x", "ops.x"]);
    }

    #[test]
    fn what_has_no_value_is_not_allowed_and_then_nothing_is() {
        let rights = filled(&["a.{{tag(none)}}"]).unwrap();
        assert!(rights.permissions.publish.allow.is_empty());
        assert_eq!(rights.permissions.publish.deny, [">"]);
    }

    #[test]
    fn an_unknown_template_spoils_the_whole() {
        assert_eq!(filled(&["a.{{nonsense()}}"]), None);
        assert_eq!(filled(&["a.{{name()"]), None);
    }
}
