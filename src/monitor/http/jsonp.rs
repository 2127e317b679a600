//! JSONP: an answer as a script, for pages that predate CORS.

use super::Answer;

/// Longest name of a function.
const CALLBACK_BYTES_MAX: usize = 128;

const SCRIPT: &str = "application/javascript";

/// The answer as a call of the function `callback`. One that is empty, or no plain name, changes nothing; so does an answer that
/// is not JSON.
pub(super) fn wrapped(answer: Answer, callback: &str) -> Answer {
    if !is_name(callback) || !answer.is_json() {
        return answer;
    }
    let mut body = Vec::with_capacity(answer.body.len() + callback.len() + 2);
    body.extend_from_slice(callback.as_bytes());
    body.push(b'(');
    body.extend_from_slice(&answer.body);
    body.push(b')');
    Answer { content_type: SCRIPT, body, ..answer }
}

/// Anything else could smuggle a script of its own in.
fn is_name(callback: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.');
    (1..=CALLBACK_BYTES_MAX).contains(&callback.len()) && callback.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_becomes_a_call_of_a_plain_name() {
        let json = || Answer::compact_json(200, &serde_json::json!({"a": 1}));
        let script = wrapped(json(), "cb.x_1");
        assert_eq!((script.content_type, &*script.body), (SCRIPT, &br#"cb.x_1({"a":1})"#[..]));
        for bad in ["", "alert(1)//", "a b", &"x".repeat(200)] {
            assert_eq!(wrapped(json(), bad), json());
        }
        let page = Answer::html("<p>".to_owned());
        assert_eq!(wrapped(page.clone(), "cb"), page);
    }
}
