//! What a camera answered, as evidence for a person: the head of an RTSP or HTTP message, without secrets.
//!
//! Whoever looks at an incident sees what the camera said, and nobody learns a password from it: known
//! credentials, whatever a challenge or a session holds, cookies, and the values in a URL's query are `***`.
//! What it cannot do: know a secret that a camera invents and puts where none belongs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::url::{self, Credentials};

/// Bytes of the evidence at most.
pub(super) const ANSWER_MAX: usize = 2048;
/// What stands for a secret.
const MASK: &str = "***";
/// Shorter credentials are not looked for: their mask would show where they stand in every other word.
const LOOKED_FOR: usize = 3;
/// Parts of the names of headers whose value nobody may see.
const SECRET: [&str; 8] = ["authorization", "authentication", "cookie", "session", "token", "secret", "key", "pass"];
/// What a challenge may say openly.
const OPEN: [&str; 4] = ["algorithm", "qop", "stale", "charset"];

/// The head of an answer (status line and headers, any line ends), lines ended by `\n`, at most
/// [`ANSWER_MAX`] bytes of printable ASCII; other characters are escaped.
pub(super) fn evidence(head: &str, credentials: Option<&Credentials>) -> Box<str> {
    let head = without(head, credentials);
    let mut out = String::with_capacity(head.len().min(ANSWER_MAX));
    for (number, line) in head.lines().filter(|line| !line.trim().is_empty()).enumerate() {
        let line = match line.split_once(':') {
            Some((name, value)) if number > 0 => format!("{name}: {}", header(name, value.trim())),
            _ => open_text(line),
        };
        for c in line.chars() {
            match c {
                ' '..='~' => out.push(c),
                _ => out.extend(c.escape_unicode()),
            }
        }
        out.push('\n');
        if out.len() > ANSWER_MAX {
            // All ASCII up to here.
            out.truncate(ANSWER_MAX - 4);
            out.push_str("...\n");
            break;
        }
    }
    out.into_boxed_str()
}

/// The text without the credentials that are known, however they are written.
fn without(text: &str, credentials: Option<&Credentials>) -> String {
    let Some(Credentials { username, password }) = credentials else { return text.to_owned() };
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let basic = STANDARD.encode(format!("{username}:{password}"));
    [basic, encoded(password), password.clone(), encoded(username), username.clone()]
        .iter()
        .filter(|secret| secret.len() >= LOOKED_FOR)
        .fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
}

fn header(name: &str, value: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    if name.ends_with("-authenticate") {
        challenge(value)
    } else if SECRET.iter().any(|part| name.contains(part)) {
        MASK.to_owned()
    } else {
        open_text(value)
    }
}

/// Text that may quote a URL.
fn open_text(text: &str) -> String {
    let text = url::mask(text);
    let Some((front, query)) = text.split_once('?') else { return text };
    let end = query.find(|c: char| c.is_whitespace() || "\"'<>".contains(c)).unwrap_or(query.len());
    let (query, rest) = query.split_at(end);
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, _)) => format!("{name}={MASK}"),
        None => pair.to_owned(),
    };
    let query = query.split('&').map(pair).collect::<Vec<_>>().join("&");
    format!("{front}?{query}{}", open_text(rest))
}

/// `Digest realm="***", nonce="***", algorithm=MD5`: the scheme, and what is no secret.
fn challenge(value: &str) -> String {
    let part = |part: &str| {
        let (scheme, parameter) = match part.split_once(' ') {
            Some((scheme, rest)) if !scheme.contains('=') => (format!("{scheme} "), rest.trim()),
            None if !part.contains('=') => (part.to_owned(), ""),
            _ => (String::new(), part),
        };
        match parameter.split_once('=') {
            Some((name, value)) if OPEN.contains(&name.trim().to_ascii_lowercase().as_str()) => {
                format!("{scheme}{name}={value}")
            }
            // `dG9rZW4=` is a token and no parameter.
            Some((name, value))
                if !value.trim_matches('=').is_empty()
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') =>
            {
                format!("{scheme}{name}=\"{MASK}\"")
            }
            None if parameter.is_empty() => scheme,
            _ => format!("{scheme}{MASK}"),
        }
    };
    parts(value).map(|one| part(one.trim())).collect::<Vec<_>>().join(", ")
}

/// Parts between commas that stand outside of quotes.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    value.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Credentials {
        Credentials { username: "gatekeeper".into(), password: "p@ss/w0rd".into() }
    }

    #[test]
    fn what_the_camera_said_is_kept_and_no_secret_in_it() {
        let head = "RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\n\
            WWW-Authenticate: Digest realm=\"IP Camera(C1,2)\", nonce=\"abc123\", algorithm=MD5, stale=\"FALSE\"\r\n\
            WWW-Authenticate: Basic realm=\"cam\"\r\nWWW-Authenticate: Negotiate dG9rZW4=\r\n\
            Set-Cookie: sid=abc123; Path=/\r\nSession: abc123;timeout=60\r\nX-Auth-Token: abc123\r\n\
            Location: rtsp://gatekeeper:p@ss/w0rd@cam/live?user=abc123&x=abc123 next\r\n\
            Echo: Authorization: Basic Z2F0ZWtlZXBlcjpwQHNzL3cwcmQ= p%40ss%2Fw0rd\r\nServer: Hik \u{7}\u{e9}\r\n\r\n";
        let shown = evidence(head, Some(&known()));
        for secret in ["abc123", "w0rd", "gatekeeper", "IP Camera", "dG9r", "Z2F0"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        assert_eq!(
            shown.lines().collect::<Vec<_>>(),
            [
                "RTSP/1.0 401 Unauthorized",
                "CSeq: 2",
                "WWW-Authenticate: Digest realm=\"***\", nonce=\"***\", algorithm=MD5, stale=\"FALSE\"",
                "WWW-Authenticate: Basic realm=\"***\"",
                "WWW-Authenticate: Negotiate ***",
                "Set-Cookie: ***",
                "Session: ***",
                "X-Auth-Token: ***",
                "Location: rtsp://***:***@cam/live?user=***&x=*** next",
                "Echo: Authorization: Basic *** ***",
                "Server: Hik \\u{7}\\u{e9}",
            ]
        );
    }

    #[test]
    fn an_answer_without_end_is_cut() {
        let head = format!("HTTP/1.1 500 No\r\n{}", "X-Y: \u{e9}\u{e9}\r\n".repeat(1000));
        let shown = evidence(&head, None);
        assert!(shown.len() <= ANSWER_MAX && shown.ends_with("...\n") && shown.is_ascii(), "{}", shown.len());
    }
}
