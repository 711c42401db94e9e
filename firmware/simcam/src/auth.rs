//! Asks for credentials and judges the answer: Basic (RFC 7617) and Digest (RFC 2617, MD5).
//!
//! The URI in a Digest answer is not compared with the request's: makers differ in what they accept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use crate::options::{Auth, Options};
use crate::rng::Rng;

const REALM: &str = "simcam";

/// What an `Authorization` header is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Admitted,
    /// There was no header.
    Unasked,
    Refused,
}

/// One nonce and what is asked with it.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    nonce: String,
}

impl Door {
    /// With a nonce of its own.
    pub fn new() -> Self {
        Self { nonce: format!("{:016x}", Rng::fresh().next_u64()) }
    }

    /// The value of `WWW-Authenticate`.
    pub fn challenge(&self, auth: Auth) -> String {
        match auth {
            Auth::Basic => format!("Basic realm=\"{REALM}\""),
            Auth::Digest => format!("Digest realm=\"{REALM}\", nonce=\"{}\"", self.nonce),
        }
    }

    /// Judges the value of `Authorization`.
    pub fn judge(&self, options: &Options, method: &str, header: Option<&str>) -> Admission {
        let Some((user, password)) = &options.credentials else { return Admission::Admitted };
        let Some((scheme, rest)) = header.and_then(|h| h.trim().split_once(' ')) else { return Admission::Unasked };
        let right = match options.auth {
            Auth::Basic => {
                scheme.eq_ignore_ascii_case("basic") && rest.trim() == STANDARD.encode(format!("{user}:{password}"))
            }
            Auth::Digest => scheme.eq_ignore_ascii_case("digest") && self.digest_is_right(user, password, method, rest),
        };
        if right { Admission::Admitted } else { Admission::Refused }
    }

    fn digest_is_right(&self, user: &str, password: &str, method: &str, header: &str) -> bool {
        let get = |name: &str| parameter(header, name).unwrap_or_default();
        let ha1 = md5(&format!("{user}:{REALM}:{password}"));
        let ha2 = md5(&format!("{method}:{}", get("uri")));
        let expected = match get("qop") {
            "" => md5(&format!("{ha1}:{}:{ha2}", self.nonce)),
            qop => md5(&format!("{ha1}:{}:{}:{}:{qop}:{ha2}", self.nonce, get("nc"), get("cnonce"))),
        };
        get("username") == user && get("nonce") == self.nonce && get("response").eq_ignore_ascii_case(&expected)
    }
}

/// A parameter of a Digest header, without its quotes. User names with quotes or commas are not read.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(',').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(auth: Auth) -> Options {
        Options { auth, credentials: Some(("Mufasa".into(), "Circle Of Life".into())), ..Options::default() }
    }

    #[test]
    fn basic_admits_the_right_password_only() {
        let (door, options) = (Door::new(), camera(Auth::Basic));
        let judge = |header| door.judge(&options, "DESCRIBE", header);
        assert_eq!(judge(Some("Basic TXVmYXNhOkNpcmNsZSBPZiBMaWZl")), Admission::Admitted);
        assert_eq!(judge(Some("Basic TXVmYXNhOndyb25n")), Admission::Refused);
        assert_eq!(judge(None), Admission::Unasked);
    }

    #[test]
    fn digest_admits_what_rfc_2617_computes_for_this_nonce_and_method() {
        let (door, options) = (Door { nonce: "abc".into() }, camera(Auth::Digest));
        // Computed with md5sum.
        let header = |response: &str| {
            format!(
                "Digest username=\"Mufasa\", realm=\"simcam\", nonce=\"abc\", uri=\"rtsp://h/live\", response=\"{response}\""
            )
        };
        let right = header("8cfc33607fba18c1f0eb572eb3381054");
        assert_eq!(door.judge(&options, "DESCRIBE", Some(&right)), Admission::Admitted);
        assert_eq!(door.judge(&options, "SETUP", Some(&right)), Admission::Refused);
        assert_eq!(Door::new().judge(&options, "DESCRIBE", Some(&right)), Admission::Refused);
        assert_eq!(door.judge(&options, "DESCRIBE", Some(&header("00"))), Admission::Refused);
    }
}
