//! The subject rules that a configuration is checked against.

/// Whether `subject` may be subscribed to: tokens between dots are not empty and hold no blanks, and `>` stands last.
pub(super) fn is_valid(subject: &str) -> bool {
    let mut tokens = subject.split('.').peekable();
    while let Some(token) = tokens.next() {
        let blank = token.contains([' ', '\t', '\n', '\r', '\x0c']);
        if token.is_empty() || blank || (token == ">" && tokens.peek().is_some()) {
            return false;
        }
    }
    true
}

/// Whether `subject` may be published to: valid and without wildcards.
pub(super) fn is_literal(subject: &str) -> bool {
    is_valid(subject) && !subject.split('.').any(|token| token == "*" || token == ">")
}
