//! A camera's URL: parsed once, printed without its credentials ever after.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use serde::{Serialize, Serializer};
use url::Url;

use super::v4l2::choose::Wish;

/// How to speak to the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Scheme {
    Rtsp,
    Rtsps,
    Http,
    Https,
    V4l2,
}

impl Scheme {
    /// Every scheme, as written in a URL.
    pub const ALL: [(&'static str, Scheme); 5] = [
        ("rtsp", Scheme::Rtsp),
        ("rtsps", Scheme::Rtsps),
        ("http", Scheme::Http),
        ("https", Scheme::Https),
        ("v4l2", Scheme::V4l2),
    ];

    /// Whether the connection is encrypted.
    pub fn is_tls(self) -> bool {
        matches!(self, Scheme::Rtsps | Scheme::Https)
    }

    /// The port where none is written; 0 for local cameras. RFC 7826, section 4.2, gives 322 to rtsps.
    fn default_port(self) -> u16 {
        match self {
            Scheme::Rtsp => 554,
            Scheme::Rtsps => 322,
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::V4l2 => 0,
        }
    }
}

/// A user name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Percent-decoded.
    pub username: String,
    /// Percent-decoded.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// A camera's URL. `Display`, `Debug` and `Serialize` give it with `***` for credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraUrl {
    scheme: Scheme,
    /// Without credentials. For V4L2: `v4l2:///dev/…`.
    bare: Url,
    credentials: Option<Credentials>,
}

impl CameraUrl {
    /// Reads a URL that a person wrote.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to write; it never quotes credentials.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let schemes = || Scheme::ALL.map(|(name, _)| name).join(", ");
        let Some((name, _)) = text.split_once("://") else {
            return Err(format!(
                "a camera's URL starts with one of {}, followed by `://`, for instance rtsp://192.168.1.20/stream1",
                schemes()
            ));
        };
        let name = name.to_ascii_lowercase();
        let Some((_, scheme)) = Scheme::ALL.into_iter().find(|(known, _)| *known == name) else {
            return Err(format!("`{name}://` is no camera's scheme; use one of {}", schemes()));
        };
        let mut bare = parse_lenient(text)
            .map_err(|e| format!("this is no URL ({e}); write it like {name}://user:password@192.168.1.20/path"))?;
        if scheme == Scheme::V4l2 {
            if bare.host_str().is_some_and(|h| !h.is_empty()) || !is_device(bare.path()) {
                return Err("a local camera is written v4l2:///dev/video0 or v4l2:///dev/v4l/by-id/…".into());
            }
            Wish::parse(bare.query())?;
        } else if bare.host_str().is_none_or(str::is_empty) {
            return Err(format!("the host is missing; write it like {name}://192.168.1.20/path"));
        }
        if bare.port() == Some(0) {
            return Err("port 0 cannot be connected to; ports go from 1 to 65535".into());
        }
        let decode = |s: &str| percent_decode_str(s).decode_utf8_lossy().into_owned();
        let credentials = (!bare.username().is_empty() || bare.password().is_some()).then(|| Credentials {
            username: decode(bare.username()),
            password: decode(bare.password().unwrap_or_default()),
        });
        // Neither can fail: the URL has a host (checked above), or has no credentials at all.
        let _ = bare.set_username("");
        let _ = bare.set_password(None);
        Ok(Self { scheme, bare, credentials })
    }

    /// How to speak to it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether it is plugged in at the box.
    pub fn is_local(&self) -> bool {
        self.scheme == Scheme::V4l2
    }

    /// The host as written, IPv6 without brackets; empty for local cameras.
    pub fn host(&self) -> &str {
        self.bare.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, the scheme's own where none is written.
    pub fn port(&self) -> u16 {
        self.bare.port().unwrap_or(self.scheme.default_port())
    }

    /// Path and query, for instance `/stream1?channel=2`.
    pub fn path_and_query(&self) -> String {
        match self.bare.query() {
            Some(query) => format!("{}?{query}", self.bare.path()),
            None => self.bare.path().to_owned(),
        }
    }

    /// The URL without its credentials.
    pub fn bare(&self) -> &Url {
        &self.bare
    }

    /// User name and password, if the URL holds any.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// This URL, with `other`'s credentials where it has none of its own and names the same host.
    #[must_use]
    pub fn with_credentials_of(mut self, other: &Self) -> Self {
        if self.credentials.is_none() && self.host().eq_ignore_ascii_case(other.host()) {
            self.credentials.clone_from(&other.credentials);
        }
        self
    }

    /// The device node of a local camera.
    pub fn device(&self) -> Option<PathBuf> {
        (self.scheme == Scheme::V4l2)
            .then(|| PathBuf::from(percent_decode_str(self.bare.path()).decode_utf8_lossy().into_owned()))
    }

    /// What the URL asks of a local camera; of others, nothing.
    pub fn wish(&self) -> Wish {
        match self.scheme {
            // Read before, by `parse`.
            Scheme::V4l2 => Wish::parse(self.bare.query()).unwrap_or_default(),
            _ => Wish::default(),
        }
    }
}

/// Whether a URL's path is one below `/dev/`, however it is encoded: `..%2f` is a way out that URLs do not resolve.
fn is_device(path: &str) -> bool {
    let path = percent_decode_str(path).decode_utf8_lossy();
    let leads_out = path.split('/').any(|part| matches!(part, "." | ".."));
    path.strip_prefix("/dev/").is_some_and(|node| !node.is_empty()) && !leads_out && !path.contains(char::is_control)
}

/// People paste passwords with `@`, `/`, `#` and `?` in them. Where the text does not parse as it stands,
/// or the host would swallow part of a password, the user-info is taken to end at the last `@` before the
/// host, and what is in it is percent-encoded.
fn parse_lenient(text: &str) -> Result<Url, url::ParseError> {
    let (scheme, rest) = text.split_once("://").unwrap_or((text, ""));
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let plain = Url::parse(text);
    // An `@` after the first slash belongs to a password only if the part before it cannot be a host, or
    // is less like one than what follows.
    let (authority, beyond) = rest.split_at(authority_end);
    let in_password =
        beyond.contains('@') && authority.rsplit_once('@').is_none_or(|(_, host)| is_likelier(host, beyond));
    if plain.is_ok() && !in_password {
        return plain;
    }
    let Some(at) = rest.rfind('@') else { return plain };
    let (user_info, host_and_path) = (&rest[..at], &rest[at + 1..]);
    let Some((user, password)) = user_info.split_once(':') else { return plain };
    if user.contains(['/', '?', '#']) {
        return plain; // rtsp://host/path/user:x@y is a path
    }
    // `host:8080/a@b`: the "password" would start with a port number and a slash.
    let port_like = password
        .find(['/', '?', '#'])
        .is_some_and(|end| end > 0 && password[..end].bytes().all(|b| b.is_ascii_digit()) && plain.is_ok());
    if port_like {
        return plain;
    }
    let encode = |s: &str| percent_encoding::utf8_percent_encode(s, percent_encoding::NON_ALPHANUMERIC).to_string();
    Url::parse(&format!("{scheme}://{}:{}@{host_and_path}", encode(user), encode(password)))
}

/// Whether what stands after the last `@` of `beyond` is more like a host than `host` is, as in
/// `user:p@ss/word@192.168.1.20`, where `ss` would be the host.
fn is_likelier(host: &str, beyond: &str) -> bool {
    let Some((between, after)) = beyond.rsplit_once('@') else { return false };
    // A URL within the path (restreamers have them), or a query: their `@` is their own.
    let own = between.contains("://") || between.split_once('?').is_some_and(|(_, query)| query.contains('='));
    let likeness = |host: &str| {
        let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
        if host.parse::<std::net::IpAddr>().is_ok() || name.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[')
        {
            3
        } else if name == "localhost" || port.parse::<u16>().is_ok() {
            2
        } else {
            u8::from(name.contains('.'))
        }
    };
    !own && likeness(after.split(['/', '?', '#']).next().unwrap_or_default()) > likeness(host)
}

impl fmt::Display for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = mask_query(self.bare.as_str());
        let Some((scheme, rest)) = bare.split_once("://") else { return f.write_str(&bare) };
        let who = if self.credentials.is_some() { "***:***@" } else { "" };
        // A restreamer's path may hold another camera's URL.
        write!(f, "{scheme}://{who}{}", mask(rest))
    }
}

impl fmt::Debug for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for CameraUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the names of parameters hold that carry credentials: Reolink's `user=&password=`, Foscam's
/// `usr=&pwd=`, Dahua's `authbasic=`, Vivotek's `token=`, `userpwd=`, `loginpas=`.
const SECRET_PARTS: [&str; 10] = ["pass", "pwd", "psw", "loginpas", "auth", "token", "secret", "key", "user", "usr"];

/// Replaces the value of every secret `name=value` in a URL, wherever it stands: in the query, and in the
/// path, where XiongMai's cameras have `/user=admin&password=x&channel=1` or the same with underscores.
fn mask_query(url: &str) -> Cow<'_, str> {
    if !url.contains('=') {
        return Cow::Borrowed(url);
    }
    let mut out = String::with_capacity(url.len());
    for piece in url.split_inclusive(['/', '?', '&', ';']) {
        let end = piece.trim_end_matches(['/', '?', '&', ';']);
        mask_pairs(end, &mut out);
        out.push_str(&piece[end.len()..]);
    }
    Cow::Owned(out)
}

/// `user=admin_password=a_b_channel=1`: an underscore ends a value only where another pair follows.
fn mask_pairs(piece: &str, out: &mut String) {
    let mut hidden = false;
    for (n, part) in piece.split('_').enumerate() {
        match part.split_once('=') {
            Some((name, _)) => {
                out.push_str(if n > 0 { "_" } else { "" });
                hidden = is_secret(name);
                if hidden {
                    out.push_str(name);
                    out.push_str("=***");
                } else {
                    out.push_str(part);
                }
            }
            // A piece of the value that began before.
            None if hidden => {}
            None => {
                out.push_str(if n > 0 { "_" } else { "" });
                out.push_str(part);
            }
        }
    }
}

fn is_secret(parameter: &str) -> bool {
    let name = parameter.to_ascii_lowercase();
    SECRET_PARTS.iter().any(|part| name.contains(part)) || name == "pw"
}

/// Replaces the credentials of every URL quoted in `text` by `***`: for messages that come from a
/// library or a peer and may quote a URL.
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (front, after) = rest.split_at(start + 3);
        out.push_str(front);
        let end =
            after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')).unwrap_or(after.len());
        let (url, tail) = after.split_at(end);
        let path_start = url.find(['/', '?']).unwrap_or(url.len());
        // A password may hold a slash, so an `@` anywhere in front of the query masks all before it.
        let user_info_end = url[..url.find('?').unwrap_or(url.len())].rfind('@').or(url[..path_start].rfind('@'));
        match user_info_end {
            Some(at) => {
                out.push_str("***:***@");
                out.push_str(&mask_query(&url[at + 1..]));
            }
            None => out.push_str(&mask_query(url)),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_apart_and_never_printed() {
        let url = CameraUrl::parse("rtsp://admin:s3cr%40t@192.168.1.1/stream1?channel=2").unwrap();
        assert_eq!(url.credentials().unwrap().password, "s3cr@t");
        assert_eq!(url.to_string(), "rtsp://***:***@192.168.1.1/stream1?channel=2");
        assert!(!format!("{url:?}").contains("s3cr"));
        assert_eq!((url.port(), url.path_and_query().as_str()), (554, "/stream1?channel=2"));
    }

    #[test]
    fn a_password_with_special_characters_is_understood_as_pasted() {
        for (text, password) in [
            ("rtsp://admin:p@ss@10.0.0.5:8554/live", "p@ss"),
            ("rtsp://admin:p/ss#1?@10.0.0.5:8554/live", "p/ss#1?"),
            ("rtsp://admin:100%@10.0.0.5:8554/live", "100%"),
            ("rtsp://admin:p@ss/word@10.0.0.5:8554/live", "p@ss/word"),
            ("rtsp://admin:p@ss.w/rd#?@10.0.0.5:8554/live", "p@ss.w/rd#?"),
        ] {
            let url = CameraUrl::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(url.credentials().unwrap().password, password, "{text}");
            assert_eq!((url.host(), url.port()), ("10.0.0.5", 8554), "{text}");
        }
    }

    #[test]
    fn an_at_sign_in_a_path_is_no_password() {
        let url = CameraUrl::parse("http://10.0.0.5:8080/cam@home/live").unwrap();
        assert!(url.credentials().is_none());
        assert_eq!(url.to_string(), "http://10.0.0.5:8080/cam@home/live");
        for (text, host) in [
            ("rtsp://u:p@cam/live@home", "cam"),
            ("rtsp://u:p@10.0.0.5/live@home.lan/x", "10.0.0.5"),
            ("rtsp://u:p@cam/live?mail=a@example.org", "cam"),
            ("rtsp://u:p@proxy.lan/rtsp://x:y@10.0.0.5/live", "proxy.lan"),
        ] {
            assert_eq!(CameraUrl::parse(text).unwrap().host(), host, "{text}");
        }
    }

    #[test]
    fn secrets_in_the_query_are_masked() {
        let url = CameraUrl::parse("rtsp://proxy.lan/rtsp://admin:geheim@10.0.0.5/live").unwrap();
        assert_eq!(url.to_string(), "rtsp://proxy.lan/rtsp://***:***@10.0.0.5/live");
        let url = CameraUrl::parse("http://cam/cgi?cmd=Snap&user=admin&password=geheim").unwrap();
        assert_eq!(url.to_string(), "http://cam/cgi?cmd=Snap&user=***&password=***");
        assert_eq!(
            mask("no answer from rtsp://a:b/c@h/x?pwd=1 and \"http://u@h\"."),
            "no answer from rtsp://***:***@h/x?pwd=*** and \"http://***:***@h\"."
        );
    }

    #[test]
    fn secrets_are_masked_wherever_a_maker_puts_them() {
        for (text, shown) in [
            (
                "rtsp://h/user=admin&password=geheim&channel=1&stream=0.sdp?real_stream",
                "rtsp://h/user=***&password=***&channel=1&stream=0.sdp?real_stream",
            ),
            (
                "rtsp://h/user=admin_password=ge_heim_channel=1_stream=0.sdp",
                "rtsp://h/user=***_password=***_channel=1_stream=0.sdp",
            ),
            ("rtsp://h/cam?channel=1&authbasic=YWRtaW46Z2VoZWlt", "rtsp://h/cam?channel=1&authbasic=***"),
            ("http://h/snap.cgi?a=b_c&userpwd=geheim;x=1", "http://h/snap.cgi?a=b_c&userpwd=***;x=1"),
        ] {
            assert_eq!(CameraUrl::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_cameras_url_is_refused_with_what_to_write() {
        for (text, expected) in [
            ("192.168.1.1", "starts with one of rtsp"),
            ("file:///etc/passwd", "no camera's scheme"),
            ("rtsp://", "host is missing"),
            ("http:///x", ""),
            ("file:/etc/passwd", "starts with one of rtsp"),
            ("gopher://10.0.0.5/x", "no camera's scheme"),
            ("unix:///run/x.sock", "no camera's scheme"),
            ("data:text/plain,x", "starts with one of rtsp"),
            ("v4l2:///etc/passwd", "v4l2:///dev/video0"),
            ("v4l2:///dev/", "v4l2:///dev/video0"),
            ("v4l2:///dev/../etc/passwd", "v4l2:///dev/video0"),
            ("v4l2:///dev/%2e%2e/etc/passwd", "v4l2:///dev/video0"),
            ("v4l2:///dev/..%2fetc%2fpasswd", "v4l2:///dev/video0"),
            ("v4l2:///dev/%2E%2E%2Fetc%2Fpasswd", "v4l2:///dev/video0"),
            ("v4l2:///dev/video0%00", "v4l2:///dev/video0"),
            ("v4l2://host/dev/video0", "v4l2:///dev/video0"),
            ("rtsp://cam:0/", "port 0"),
            ("v4l2:///dev/video0?format=gif", "yuyv, nv12, mjpeg"),
            ("v4l2:///dev/video0?size=big", "size=1280x720"),
        ] {
            match CameraUrl::parse(text) {
                Err(e) => assert!(e.contains(expected), "{text}: {e}"),
                // The URL standard reads http:///x as http://x.
                Ok(url) => assert_eq!((text, url.host()), ("http:///x", "x")),
            }
        }
    }
}
