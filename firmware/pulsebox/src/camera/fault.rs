//! The verdict ladder: every word Pulsebox has for "how is this camera", once, as data.
//!
//! A check climbs; the first rung that fails names the fault. Code, API, page, documentation and MQTT
//! read [`LADDER`]; nothing else may keep a list of verdicts.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::{self, Words};

/// What one check says about a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[allow(missing_docs)] // each word is explained by its row in LADDER
pub enum Verdict {
    // The numbers are stored in the history: never reuse or renumber one.
    Ok = 0,
    Dns = 1,
    Refused = 2,
    Unreachable = 3,
    Timeout = 4,
    Tls = 5,
    Auth = 6,
    NotFound = 7,
    Busy = 8,
    Protocol = 9,
    Unsupported = 10,
    NoMedia = 11,
    NoKeyframe = 12,
    Undecodable = 13,
    Black = 14,
    Frozen = 15,
    Covered = 16,
    Slow = 17,
    LowFps = 18,
    PacketLoss = 19,
    Changed = 20,
    Blind = 21,
}

/// How bad a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A living picture.
    Ok,
    /// A living picture, with something to look after: state `degraded`.
    Warning,
    /// No living picture: state `down` once the threshold is passed.
    Fault,
    /// The box could not look: state `unknown`, no alarm.
    Unknown,
}

/// One timed part of a check, in climbing order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Rung {
    Resolve,
    Connect,
    Encrypt,
    Describe,
    FirstPacket,
    FirstKeyFrame,
    Picture,
}

impl Rung {
    /// The rung's name in the API: `first_packet`.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Resolve => "resolve",
            Rung::Connect => "connect",
            Rung::Encrypt => "encrypt",
            Rung::Describe => "describe",
            Rung::FirstPacket => "first_packet",
            Rung::FirstKeyFrame => "first_key_frame",
            Rung::Picture => "picture",
        }
    }
}

impl fmt::Display for Rung {
    /// For people: `first packet`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name().replace('_', " "))
    }
}

/// One row of the ladder.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct Row {
    /// The verdict that this row explains.
    pub verdict: Verdict,
    /// Its name in the API, MQTT and configuration, for instance `no_media`.
    pub name: &'static str,
    /// The part of the ladder in the design's words: `name`, `connect`, `admit`, …; `—` for warnings.
    pub part: &'static str,
    /// The timed rung that stays unreached when this is the verdict.
    pub rung: Option<Rung>,
    /// How bad it is.
    pub severity: Severity,
    /// What a person reads first, a sentence without its full stop.
    pub title: &'static str,
    /// How Pulsebox tells, for the documentation.
    pub told_by: &'static str,
    /// What to do about it, whole sentences.
    pub advice: &'static str,
    /// Title and advice for a camera that is plugged in at the box, where they differ.
    pub local: Option<Words>,
}

#[allow(clippy::too_many_arguments)] // a table's row, read across
const fn row(
    verdict: Verdict,
    name: &'static str,
    part: &'static str,
    rung: Option<Rung>,
    severity: Severity,
    title: &'static str,
    told_by: &'static str,
    advice: &'static str,
) -> Row {
    Row { verdict, name, part, rung, severity, title, told_by, advice, local: words::of_local(verdict) }
}

/// The ladder, in climbing order; a verdict's number is its place here.
#[rustfmt::skip]
pub const LADDER: [Row; 22] = {
    use Severity::{Fault, Unknown, Warning};
    use Verdict as V;
    [
        row(V::Ok, "ok", "—", None, Severity::Ok, "Living picture",
            "a key frame was decoded, and it is neither black, frozen nor covered", "Nothing to do."),
        row(V::Dns, "dns", "name", Some(Rung::Resolve), Fault, "The camera's name cannot be found",
            "the host name does not resolve, or the name server does not answer in time",
            "Check the spelling of the host name, or use the camera's IP address."),
        row(V::Refused, "refused", "connect", Some(Rung::Connect), Fault, "Something is at this address, but nothing listens on this port",
            "the TCP connection is refused (ECONNREFUSED)",
            "Check the port number, and that RTSP or HTTP is switched on in the camera's settings."),
        row(V::Unreachable, "unreachable", "connect", Some(Rung::Connect), Fault, "No way to the camera's address",
            "the network answers that there is no route or no such host (EHOSTUNREACH, ENETUNREACH)",
            "Check that the camera has power and its cable or Wi-Fi, and that its address has not changed."),
        row(V::Timeout, "timeout", "connect", Some(Rung::Connect), Fault, "The camera does not answer",
            "no answer to the connection, or to a request, before the deadline",
            "Check the camera's power and network; if others can see it, restart the camera."),
        row(V::Tls, "tls", "encrypt", Some(Rung::Encrypt), Fault, "No secure connection",
            "the TLS handshake failed or the certificate is not trusted",
            "If the camera made its own certificate, set `tls_insecure: true` for this camera; otherwise renew the certificate."),
        row(V::Auth, "auth", "admit", Some(Rung::Describe), Fault, "The camera refuses the user name or password",
            "401 or 403 after credentials were sent, or 401 with none configured",
            "Correct the user name and password in the camera's URL. Pulsebox tries seldom meanwhile, so that the camera does not lock the account."),
        row(V::NotFound, "not_found", "find", Some(Rung::Describe), Fault, "The camera answers, but has no such stream",
            "404 or 454, no video in the description, or no such device node",
            "Check the path in the URL against the camera's manual."),
        row(V::Busy, "busy", "room", Some(Rung::Describe), Fault, "The camera has no room for another viewer",
            "453 or 503, or the device answers EBUSY",
            "Close another viewer or recorder, or use the camera's second stream."),
        row(V::Protocol, "protocol", "understand", Some(Rung::Describe), Fault, "The answer is not a camera's",
            "the peer breaks the protocol, closes the connection, answers with a web page, or sends without end",
            "Check that the URL is the stream's and not the camera's web page; a restart of the camera may help."),
        row(V::Unsupported, "unsupported", "understand", Some(Rung::Describe), Fault, "The camera speaks, but in a codec or transport that Pulsebox does not read",
            "no track in H.264, H.265 or JPEG, or a transport or authentication nobody here speaks",
            "Choose H.264, H.265 or MJPEG in the camera's video settings, or the other `transport`."),
        row(V::NoMedia, "no_media", "media", Some(Rung::FirstPacket), Fault, "The camera agrees to play, then sends nothing",
            "PLAY was accepted, and no video packet came before the deadline",
            "Restart the camera. With `transport: udp`, a firewall may hold the packets back: try `tcp`."),
        row(V::NoKeyframe, "no_keyframe", "key frame", Some(Rung::FirstKeyFrame), Fault, "Video arrives, but no picture can start",
            "packets came, and no key frame before the deadline",
            "Shorten the key frame interval (GOP) in the camera's settings, or raise `timeout_seconds`."),
        row(V::Undecodable, "undecodable", "decode", Some(Rung::Picture), Fault, "The picture is damaged",
            "a key frame came that no decoder takes",
            "Look at the cable or Wi-Fi, and restart the camera; if it stays, report it with the camera's model."),
        row(V::Black, "black", "picture", Some(Rung::Picture), Fault, "The picture is black",
            "nearly all of the picture is darker than `black_luma`",
            "Look for a lens cap, night vision that does not switch on, or a broken sensor."),
        row(V::Frozen, "frozen", "picture", Some(Rung::Picture), Fault, "The picture has stopped",
            "the same picture at several checks in a row (`frozen_checks`)",
            "Restart the camera: it sends one old picture again and again."),
        row(V::Covered, "covered", "picture", Some(Rung::Picture), Fault, "The lens is covered",
            "no detail is left in the picture (`covered_detail`)",
            "Look at the lens: dirt, a cobweb, fog, paint or a cover."),
        row(V::Slow, "slow", "—", None, Warning, "The camera is slow to answer",
            "the first packet took longer than `slow_seconds`",
            "Look at the network on the way, and at how many others watch this camera."),
        row(V::LowFps, "low_fps", "—", None, Warning, "Fewer pictures a second than expected",
            "the measured frame rate is below `expect: min_fps`",
            "Look at the camera's load, exposure time at night, and Wi-Fi."),
        row(V::PacketLoss, "packet_loss", "—", None, Warning, "Parts of the video are lost on the way",
            "more than `loss_percent` of the packets are missing",
            "Look at the cable, switch or Wi-Fi; with `transport: udp`, try `tcp`."),
        row(V::Changed, "changed", "—", None, Warning, "The video is not what it was",
            "codec or size differ from what `expect` says or from what was learnt",
            "If you changed the camera's settings, nothing to do: it is taken as normal after an hour. Otherwise look who did."),
        row(V::Blind, "blind", "—", None, Unknown, "Pulsebox itself has no network",
            "the box has no link or no address, so it cannot know",
            "Check the box's own cable, Wi-Fi and switch."),
    ]
};

impl Verdict {
    /// This verdict's row.
    pub fn row(self) -> &'static Row {
        &LADDER[self as usize]
    }

    /// The verdict's name in the API: `no_media`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        self.row().severity
    }

    /// The verdict stored under this number.
    pub fn from_number(number: u8) -> Option<Self> {
        LADDER.get(usize::from(number)).map(|row| row.verdict)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a climb ended, with the particulars of this time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{verdict}: {detail}")]
pub struct Fault {
    /// The rung that failed.
    pub verdict: Verdict,
    /// What happened, for a person; never holds credentials.
    pub detail: String,
    /// What the camera answered, where that is the reason: the head of its RTSP or HTTP answer, lines ended
    /// by `\n`, at most 2 KiB of printable ASCII, secrets masked.
    pub answer: Option<Box<str>>,
}

impl Fault {
    /// A fault with its particulars. `detail` must not hold credentials: pass it through
    /// [`super::url::mask`] where it could quote a URL.
    pub fn new(verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { verdict, detail: detail.into(), answer: None }
    }

    /// With what the camera answered, which must be masked: see `camera::answer`.
    pub(super) fn answered(self, answer: Box<str>) -> Self {
        Self { answer: Some(answer), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_stands_in_the_ladder_at_its_own_number() {
        for (number, row) in LADDER.iter().enumerate() {
            assert_eq!(row.verdict as usize, number, "{}", row.name);
            assert_eq!(serde_json::to_value(row.verdict).unwrap(), row.name);
            assert_eq!(Verdict::from_number(u8::try_from(number).unwrap()), Some(row.verdict));
        }
    }
}
