//! The requests of one connection: under the camera's true name, signed in, and answered in their turn.
//!
//! The library knows neither the camera's address nor its password. Its requests name the gate; here they
//! get the camera's authority, a CSeq of the gate's own count and, once the camera has asked for one, an
//! `Authorization`. A challenge is answered here and never seen by the library. This only turns texts into
//! texts: it does not read, write or wait.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use http_auth::{PasswordClient, PasswordParams};
use url::Position;

use super::super::answer::evidence;
use super::super::url::Credentials;
use super::super::{CameraUrl, Fault, Verdict};
use super::message::{header, headers, request_line, status, with_added, with_replaced};

/// Requests that the camera may leave unanswered at a time.
const OPEN_MAX: usize = 16;
/// As which program Pulsebox presents itself.
pub(in crate::camera) const USER_AGENT: &str = concat!("Pulsebox/", env!("CARGO_PKG_VERSION"));

/// What is open between the library and the camera.
pub(super) struct Dialogue {
    /// What the library calls the camera: `rtsp://127.0.0.1:PORT`.
    at_gate: String,
    /// What the camera is called: `rtsp://cam.example:8554`, as in its URL, without credentials.
    authority: String,
    credentials: Option<Credentials>,
    sign_in: Option<PasswordClient>,
    /// Of the last request.
    cseq: u32,
    open: VecDeque<Request>,
    /// What a session as a whole is called: the base of the description, then what PLAY was asked for.
    aggregate: Option<String>,
    session: Option<String>,
}

/// A request of the library's (or the gate's own goodbye), kept until it is answered.
struct Request {
    /// With the true URI; without `Authorization`.
    head: String,
    body: Bytes,
    /// None for the gate's own.
    library_cseq: Option<String>,
    /// Under which CSeq it was sent last.
    cseq: u32,
    /// Whether it was sent with `Authorization`.
    signed: bool,
    /// Whether it was sent again because a nonce had grown stale.
    renewed: bool,
}

/// What is to be done about an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The library gets this head, and the body that belongs to it.
    Pass(String),
    /// The camera gets this; the library hears nothing.
    Again(Vec<u8>),
    /// It is nobody's but the gate's.
    Own,
}

impl Dialogue {
    /// For a library that calls the camera at `url` by the gate's address.
    pub fn new(url: &CameraUrl, gate: SocketAddr) -> Self {
        let bare = url.bare();
        Self {
            at_gate: format!("rtsp://{gate}"),
            authority: format!("{}://{}", bare.scheme(), &bare[Position::BeforeHost..Position::AfterPort]),
            credentials: url.credentials().cloned(),
            sign_in: None,
            cseq: 0,
            open: VecDeque::new(),
            aggregate: None,
            session: None,
        }
    }

    /// What the camera gets in place of a request of the library's.
    ///
    /// # Errors
    /// `protocol`: 16 requests wait for their answers already. `unsupported`: the sign-in that the camera
    /// asked for cannot be computed.
    pub fn ask(&mut self, head: &str, body: Bytes) -> Result<Vec<u8>, Fault> {
        let Some((method, uri)) = request_line(head) else {
            return Err(Fault::new(Verdict::Protocol, "the RTSP library sends what is no request"));
        };
        let target = self.true_uri(uri);
        if matches!(method, "DESCRIBE" | "PLAY") {
            self.aggregate = Some(target.clone());
        }
        let library_cseq = header(head, "cseq").map(str::to_owned);
        let head = head.replacen(&format!("{method} {uri}"), &format!("{method} {target}"), 1);
        self.send(Request { head, body, library_cseq, cseq: 0, signed: false, renewed: false })
    }

    /// What becomes of an answer of the camera's.
    ///
    /// # Errors
    /// `protocol`: it answers nothing that was asked. `unsupported`: its challenge cannot be answered.
    pub fn hear(&mut self, head: &str) -> Result<Heard, Fault> {
        let Some(status) = status(head) else {
            return Ok(Heard::Pass(head.to_owned())); // a request of the camera's own: the library's to judge
        };
        let cseq = header(head, "cseq").and_then(|number| number.parse::<u32>().ok());
        let place = self.open.iter().position(|request| Some(request.cseq) == cseq);
        let Some(mut request) = place.and_then(|place| self.open.remove(place)) else {
            return Err(Fault::new(Verdict::Protocol, "the camera answers what was not asked (CSeq)"));
        };
        if status == 401 && self.takes_challenge(&request, head)? {
            request.renewed = request.signed;
            return self.send(request).map(Heard::Again);
        }
        if (200..300).contains(&status) {
            self.note(&request, head);
        }
        Ok(match request.library_cseq {
            Some(cseq) => Heard::Pass(with_replaced(head, "cseq", &cseq)),
            None => Heard::Own,
        })
    }

    /// An answer of the camera's as evidence, if it is a refusal.
    pub fn refusal(&self, head: &str) -> Option<Box<str>> {
        status(head).filter(|status| *status >= 300).map(|_| evidence(head, self.credentials.as_ref()))
    }

    /// The TEARDOWN of a session that is open; it counts as closed from then on.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn goodbye(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let (Some(session), Some(uri)) = (self.session.take(), &self.aggregate) else { return Ok(None) };
        let head =
            format!("TEARDOWN {uri} RTSP/1.0\r\nCSeq: 0\r\nSession: {session}\r\nUser-Agent: {USER_AGENT}\r\n\r\n");
        let body = Bytes::new();
        self.send(Request { head, body, library_cseq: None, cseq: 0, signed: false, renewed: false }).map(Some)
    }

    /// Whether an answer is still to come that opens or closes a session.
    pub fn is_unsettled(&self) -> bool {
        self.open.iter().any(|request| matches!(request.method(), "SETUP" | "TEARDOWN"))
    }

    /// URIs that the camera gave are its own affair.
    fn true_uri(&self, uri: &str) -> String {
        match uri.strip_prefix(&self.at_gate) {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => format!("{}{rest}", self.authority),
            _ => uri.to_owned(),
        }
    }

    /// Gives a request its CSeq and `Authorization`, and keeps it.
    fn send(&mut self, mut request: Request) -> Result<Vec<u8>, Fault> {
        if self.open.len() >= OPEN_MAX {
            return Err(Fault::new(Verdict::Protocol, format!("the camera leaves {OPEN_MAX} requests unanswered")));
        }
        self.cseq += 1;
        request.cseq = self.cseq;
        let mut head = with_replaced(&request.head, "cseq", &request.cseq.to_string());
        if let (Some(client), Some(credentials)) = (&mut self.sign_in, &self.credentials) {
            head = with_added(&head, "Authorization", &request.authorization(client, credentials)?);
            request.signed = true;
        }
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&request.body);
        self.open.push_back(request);
        Ok(bytes)
    }

    /// Whether the challenge of a 401 is to be answered. A refused answer is not: cameras lock accounts.
    fn takes_challenge(&mut self, request: &Request, head: &str) -> Result<bool, Fault> {
        let mut challenges = headers(head, "www-authenticate").peekable();
        if self.credentials.is_none() || challenges.peek().is_none() {
            return Ok(false);
        }
        let client = challenges.fold(PasswordClient::builder(), |builder, value| builder.challenges(value)).build();
        let is_stale = matches!(&client, Ok(PasswordClient::Digest(digest)) if digest.stale());
        if request.signed && (!is_stale || request.renewed) {
            return Ok(false);
        }
        let unknown = "the camera wants a kind of sign-in that is neither Basic nor Digest";
        self.sign_in = Some(client.map_err(|_| Fault::new(Verdict::Unsupported, unknown))?);
        Ok(true)
    }

    /// Keeps what the goodbye will need.
    fn note(&mut self, request: &Request, answer: &str) {
        match request.method() {
            "DESCRIBE" => {
                let base = header(answer, "content-base").or(header(answer, "content-location"));
                // Some cameras leave the scheme out; their goodbye goes to what was asked for.
                if let Some(base) = base.filter(|base| base.contains("://")) {
                    self.aggregate = Some(base.to_owned());
                }
            }
            "SETUP" => {
                let session = header(answer, "session").and_then(|value| value.split(';').next());
                self.session = session.map(|id| id.trim().to_owned());
            }
            _ => {}
        }
    }
}

impl Request {
    fn method(&self) -> &str {
        request_line(&self.head).map_or("", |(method, _)| method)
    }

    fn authorization(&self, client: &mut PasswordClient, credentials: &Credentials) -> Result<String, Fault> {
        let (method, uri) = request_line(&self.head).unwrap_or_default();
        let (username, password) = (&credentials.username, &credentials.password);
        client
            .respond(&PasswordParams { username, password, uri, method, body: Some(&self.body) })
            .map_err(|_| Fault::new(Verdict::Unsupported, "the camera's sign-in challenge cannot be answered"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNAUTHORIZED: &str = "RTSP/1.0 401 Unauthorized";
    const OK: &str = "RTSP/1.0 200 OK";
    const BASIC: &str = "WWW-Authenticate: Basic realm=\"cam\"";
    const DIGEST: &str = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"abc\"";

    fn dialogue(url: &str) -> Dialogue {
        Dialogue::new(&CameraUrl::parse(url).unwrap(), "127.0.0.1:4567".parse().unwrap())
    }

    fn known() -> Dialogue {
        dialogue("rtsp://gate:s3cret@cam.example:8554/live")
    }

    /// What the camera gets when the library asks so.
    fn ask(dialogue: &mut Dialogue, method: &str, uri: &str, cseq: u32) -> String {
        let head = format!("{method} {uri} RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n");
        String::from_utf8(dialogue.ask(&head, Bytes::new()).unwrap()).unwrap()
    }

    fn describe(dialogue: &mut Dialogue, cseq: u32) -> String {
        ask(dialogue, "DESCRIBE", "rtsp://127.0.0.1:4567/live", cseq)
    }

    fn hear(dialogue: &mut Dialogue, first: &str, cseq: u32, more: &[&str]) -> Result<Heard, Fault> {
        let more: String = more.iter().map(|line| format!("{line}\r\n")).collect();
        dialogue.hear(&format!("{first}\r\nCSeq: {cseq}\r\n{more}\r\n"))
    }

    /// The request that is sent again for a challenge.
    fn again(dialogue: &mut Dialogue, cseq: u32, challenges: &[&str]) -> String {
        match hear(dialogue, UNAUTHORIZED, cseq, challenges) {
            Ok(Heard::Again(request)) => String::from_utf8(request).unwrap(),
            other => panic!("the challenge is not answered: {other:?}"),
        }
    }

    fn passed(heard: Result<Heard, Fault>) -> String {
        match heard {
            Ok(Heard::Pass(head)) => head,
            other => panic!("the answer is not passed on: {other:?}"),
        }
    }

    #[test]
    fn requests_name_the_camera_as_its_url_does_and_never_its_password() {
        for (url, called) in [
            ("rtsp://u:p@cam.example/live", "rtsp://cam.example/live"),
            ("rtsp://u:p@cam.example:554/live", "rtsp://cam.example:554/live"),
            ("rtsps://u:p@10.0.0.5:322/live", "rtsps://10.0.0.5:322/live"),
            ("rtsp://u:p@[fd00::5]:8554/live", "rtsp://[fd00::5]:8554/live"),
            ("rtsp://[fd00::5]/live", "rtsp://[fd00::5]/live"),
        ] {
            let request = describe(&mut dialogue(url), 1);
            assert_eq!(request, format!("DESCRIBE {called} RTSP/1.0\r\nCSeq: 1\r\n\r\n"), "{url}");
        }
    }

    #[test]
    fn uris_that_the_camera_gave_pass_as_they_are() {
        // The last is another server on this machine, whose port begins like the gate's.
        for uri in ["rtsp://10.0.0.5/live/track1", "*", "rtsp://127.0.0.1:45678/live"] {
            let request = ask(&mut known(), "SETUP", uri, 1);
            assert!(request.starts_with(&format!("SETUP {uri} RTSP/1.0\r\n")), "{request}");
        }
    }

    #[test]
    fn a_basic_challenge_is_answered_and_later_requests_are_signed_at_once() {
        let mut dialogue = known();
        assert!(!describe(&mut dialogue, 1).contains("Authorization"));
        let signed = "Authorization: Basic Z2F0ZTpzM2NyZXQ=\r\n";
        let request = again(&mut dialogue, 1, &[BASIC]);
        assert_eq!(request, format!("DESCRIBE rtsp://cam.example:8554/live RTSP/1.0\r\nCSeq: 2\r\n{signed}\r\n"));
        // The library never learns that there were two requests.
        assert_eq!(passed(hear(&mut dialogue, OK, 2, &[])), "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n");
        let request = ask(&mut dialogue, "SETUP", "rtsp://cam.example:8554/live/track1", 2);
        assert!(request.contains("CSeq: 3\r\n") && request.contains(signed), "{request}");
        assert_eq!(passed(hear(&mut dialogue, OK, 3, &[])), "RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n");
    }

    #[test]
    fn digest_is_computed_on_the_true_uri_and_method() {
        // Computed with Python's hashlib, as RFC 2617 (section 3.2.2.1) has it for cameras without `qop`.
        for (algorithm, described, set_up) in [
            ("", "c91f386efdad4380dc1d6b57a7a7fe21", "d8cfd2f32df503c965fdab822d7eeea8"),
            (", algorithm=MD5", "c91f386efdad4380dc1d6b57a7a7fe21", "d8cfd2f32df503c965fdab822d7eeea8"),
            (
                ", algorithm=SHA-256",
                "a04eed1c346a82c4928a2aec0757b6550972a642e79fd57f4343b61b948f085e",
                "58d12b4ec37d68ea47e505d9fa2c15e6d8fafb2d454c427c8b916b1a61da3f67",
            ),
        ] {
            let mut dialogue = known();
            describe(&mut dialogue, 1);
            let request = again(&mut dialogue, 1, &[&format!("{DIGEST}{algorithm}")]);
            assert!(request.contains("uri=\"rtsp://cam.example:8554/live\""), "{request}");
            assert!(request.contains(&format!("response=\"{described}\"")), "{algorithm}: {request}");
            let request = ask(&mut dialogue, "SETUP", "rtsp://cam.example:8554/live/track1", 2);
            assert!(request.contains(&format!("response=\"{set_up}\"")), "{algorithm}: {request}");
            assert!(!request.contains("s3cret"), "{request}");
        }
    }

    #[test]
    fn each_use_of_a_nonce_is_counted() {
        let mut dialogue = known();
        describe(&mut dialogue, 1);
        let request = again(&mut dialogue, 1, &[&format!("{DIGEST}, qop=\"auth\"")]);
        assert!(request.contains("nc=00000001") && request.contains("qop=auth"), "{request}");
        assert!(describe(&mut dialogue, 2).contains("nc=00000002"));
    }

    #[test]
    fn of_two_challenges_the_safer_one_is_answered_in_whatever_order_they_come() {
        for challenges in [[BASIC, DIGEST], [DIGEST, BASIC]] {
            let mut dialogue = known();
            describe(&mut dialogue, 1);
            let request = again(&mut dialogue, 1, &challenges);
            assert!(request.contains("Authorization: Digest "), "{request}");
            assert!(!request.contains("Basic"), "{request}");
        }
    }

    #[test]
    fn a_refused_password_is_not_tried_again() {
        for challenge in [BASIC, DIGEST] {
            let mut dialogue = known();
            describe(&mut dialogue, 7);
            again(&mut dialogue, 1, &[challenge]);
            let refused = passed(hear(&mut dialogue, UNAUTHORIZED, 2, &[challenge]));
            assert!(refused.starts_with("RTSP/1.0 401 Unauthorized\r\nCSeq: 7\r\n"), "{refused}");
            assert!(dialogue.open.is_empty());
        }
    }

    #[test]
    fn a_stale_nonce_is_replaced_once_a_request() {
        let mut dialogue = known();
        describe(&mut dialogue, 1);
        again(&mut dialogue, 1, &[DIGEST]);
        passed(hear(&mut dialogue, OK, 2, &[]));
        ask(&mut dialogue, "PLAY", "rtsp://cam.example:8554/live", 2);
        let stale = "WWW-Authenticate: Digest realm=\"cam\", nonce=\"def\", stale=true";
        let request = again(&mut dialogue, 3, &[stale]);
        assert!(request.starts_with("PLAY ") && request.contains("nonce=\"def\""), "{request}");
        assert_eq!(request.matches("Authorization").count(), 1, "{request}");
        assert!(passed(hear(&mut dialogue, UNAUTHORIZED, 4, &[stale])).contains("CSeq: 2\r\n"));
    }

    #[test]
    fn without_credentials_or_without_a_challenge_the_refusal_is_passed_on() {
        for (mut dialogue, challenges) in [(dialogue("rtsp://cam.example/live"), vec![DIGEST]), (known(), vec![])] {
            describe(&mut dialogue, 1);
            let refused = passed(hear(&mut dialogue, UNAUTHORIZED, 1, &challenges));
            assert!(refused.starts_with(UNAUTHORIZED), "{refused}");
        }
    }

    #[test]
    fn a_sign_in_that_nobody_here_speaks_is_unsupported() {
        for challenge in ["Negotiate", "Digest realm=\"cam\", nonce=\"abc\", algorithm=SHA3"] {
            let mut dialogue = known();
            describe(&mut dialogue, 1);
            let challenge = format!("WWW-Authenticate: {challenge}");
            let fault = hear(&mut dialogue, UNAUTHORIZED, 1, &[&challenge]).unwrap_err();
            assert_eq!(fault.verdict, Verdict::Unsupported);
            assert!(fault.detail.contains("sign-in"), "{fault}");
        }
    }

    #[test]
    fn an_answer_to_nothing_asked_is_protocol() {
        let mut dialogue = known();
        describe(&mut dialogue, 1);
        for cseq in [2, 0] {
            assert_eq!(hear(&mut dialogue, OK, cseq, &[]).unwrap_err().verdict, Verdict::Protocol);
        }
        passed(hear(&mut dialogue, OK, 1, &[]));
        assert_eq!(hear(&mut dialogue, OK, 1, &[]).unwrap_err().verdict, Verdict::Protocol);
    }

    #[test]
    fn a_camera_that_answers_nothing_is_asked_sixteen_times_at_most() {
        let mut dialogue = known();
        for cseq in 1..=16 {
            describe(&mut dialogue, cseq);
        }
        let fault = dialogue.ask("OPTIONS * RTSP/1.0\r\nCSeq: 17\r\n\r\n", Bytes::new()).unwrap_err();
        assert_eq!(fault.verdict, Verdict::Protocol);
    }

    #[test]
    fn the_goodbye_names_the_session_as_a_whole_and_is_said_once() {
        let mut dialogue = known();
        describe(&mut dialogue, 1);
        passed(hear(&mut dialogue, OK, 1, &["Content-Base: rtsp://10.0.0.5/live/"]));
        assert!(!dialogue.is_unsettled() && dialogue.goodbye().unwrap().is_none());
        ask(&mut dialogue, "SETUP", "rtsp://10.0.0.5/live/track1", 2);
        assert!(dialogue.is_unsettled());
        passed(hear(&mut dialogue, OK, 2, &["Session: 12345678;timeout=60"]));
        let goodbye = String::from_utf8(dialogue.goodbye().unwrap().unwrap()).unwrap();
        assert!(goodbye.starts_with("TEARDOWN rtsp://10.0.0.5/live/ RTSP/1.0\r\nCSeq: 3\r\nSession: 12345678\r\n"));
        assert!(dialogue.is_unsettled() && dialogue.goodbye().unwrap().is_none());
        assert_eq!(hear(&mut dialogue, OK, 3, &[]), Ok(Heard::Own));
        assert!(!dialogue.is_unsettled());
    }
}
