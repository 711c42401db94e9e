//! From a look to a report: which of the things that may be wrong is said, and in which words.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::board::{Report, Thumbnail};
use super::look::{Look, Reading};
use crate::camera::{Codec, Severity, StreamInfo, Verdict};
use crate::config::{Alarm, CameraConfig, Expect};
use crate::picture::{Looked, Memory};

/// A changed stream that stays is taken as normal after this long.
const RELEARN: Duration = Duration::from_secs(3600);
/// Below this share of the learnt frame rate the stream has changed: night exposure halves it.
const RATE_SHARE: f32 = 0.4;

/// What is remembered of one camera from check to check.
#[derive(Default)]
pub struct Judge {
    memory: Memory,
    learnt: Option<Learnt>,
    /// A stream other than the learnt, since when.
    other: Option<(Learnt, Timestamp)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Learnt {
    codec: Option<Codec>,
    size: Option<(u32, u32)>,
    fps: Option<f32>,
}

/// What a look comes to.
pub struct Judged {
    /// For the board.
    pub report: Report,
    /// The picture, where it is a good one and was made.
    pub good: Option<Thumbnail>,
    /// The picture, where its looks are what is wrong and it was made.
    pub bad: Option<Thumbnail>,
}

impl Judge {
    /// Forgets everything: the camera is another one now.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// The camera was frozen when the box last ran: it is until another picture is seen.
    pub fn go_on_frozen(&mut self) {
        self.memory.go_on_frozen();
    }

    /// Judges a look.
    pub fn report(&mut self, look: Look, camera: &CameraConfig) -> Judged {
        let Look { at, ms, rungs, reading, first_packet_ms, first_frame_ms, stream, picture, fault } = look;
        let alarm = &camera.alarm;
        let (verdict, detail) = match (&fault, &picture) {
            (Some(fault), _) => (fault.verdict, fault.detail.clone()),
            (None, Some(looked)) if reading == Reading::AlongOld => {
                self.memory.judge_again(looked, alarm, at).unwrap_or((Verdict::Ok, String::new()))
            }
            (None, Some(looked)) => self.memory.judge(looked, alarm, at).unwrap_or((Verdict::Ok, String::new())),
            (None, None) => (Verdict::Ok, String::new()),
        };
        let (verdict, detail) = match verdict {
            Verdict::Ok => self.warning(at, first_packet_ms, &stream, camera).unwrap_or((verdict, detail)),
            _ => (verdict, detail),
        };
        let message = sentence(verdict, camera.url.is_local(), &detail, &stream, ms, reading);
        let decoded = matches!(picture, Some(Looked::Decoded(_)));
        let picture = match picture {
            Some(Looked::Decoded(decoded)) => decoded.thumbnail.map(|jpeg| Thumbnail {
                etag: etag(&jpeg.data),
                jpeg: jpeg.data,
                at,
                width: jpeg.width,
                height: jpeg.height,
            }),
            _ => None,
        };
        let is_bad = verdict.severity() == Severity::Fault;
        let shows_it = is_bad || verdict == Verdict::Changed;
        let answer = fault.and_then(|fault| fault.answer).map(Arc::from);
        let report =
            Report { at, verdict, message, rungs, ms, first_packet_ms, first_frame_ms, stream, answer, decoded };
        Judged { report, bad: picture.clone().filter(|_| shows_it), good: picture.filter(|_| !is_bad) }
    }

    /// The first warning that holds, in the ladder's order.
    fn warning(
        &mut self,
        at: Timestamp,
        first_packet_ms: Option<f64>,
        stream: &StreamInfo,
        camera: &CameraConfig,
    ) -> Option<(Verdict, String)> {
        let Alarm { slow, loss_percent, changed, .. } = &camera.alarm;
        let changed_now = self.changed(at, stream, &camera.expect);
        if let Some(ms) = first_packet_ms.filter(|ms| *ms > slow.as_secs_f64() * 1e3) {
            return Some((Verdict::Slow, format!("{:.1} s to the first packet", ms / 1e3)));
        }
        if let (Some(min), Some(fps)) = (camera.expect.min_fps, stream.fps)
            && fps < min
        {
            return Some((Verdict::LowFps, format!("{fps:.1} frames a second, {min} expected")));
        }
        if let Some(lost) = stream.loss_percent.filter(|lost| lost > loss_percent) {
            let what = if camera.url.is_local() { "pictures" } else { "packets" };
            return Some((Verdict::PacketLoss, format!("{lost:.1} % of the {what} lost")));
        }
        if *changed { changed_now.map(|detail| (Verdict::Changed, detail)) } else { None }
    }

    /// What differs from what is expected or was learnt; learns.
    fn changed(&mut self, at: Timestamp, stream: &StreamInfo, expect: &Expect) -> Option<String> {
        let now = Learnt { codec: stream.codec, size: stream.width.zip(stream.height), fps: stream.fps };
        if let (Some(expected), Some(codec)) = (expect.codec, stream.codec)
            && expected != codec
        {
            return Some(format!("{} instead of {}", codec.name(), expected.name()));
        }
        if let Some((width, height)) = now.size {
            let (w, h) = (expect.width.unwrap_or(width), expect.height.unwrap_or(height));
            if (w, h) != (width, height) {
                return Some(format!("{width}×{height} instead of {w}×{h}"));
            }
        }
        let Some(learnt) = self.learnt else {
            self.learnt = Some(now);
            return None;
        };
        let Some(what) = difference(&learnt, &now) else {
            self.other = None;
            return None;
        };
        // The same new stream for an hour is the normal one.
        let since = match &self.other {
            Some((other, since)) if difference(other, &now).is_none() => *since,
            _ => {
                self.other = Some((now, at));
                at
            }
        };
        if at.duration_since(since) >= jiff::SignedDuration::try_from(RELEARN).unwrap_or(jiff::SignedDuration::MAX) {
            (self.learnt, self.other) = (Some(now), None);
            return None;
        }
        Some(what)
    }
}

fn difference(learnt: &Learnt, now: &Learnt) -> Option<String> {
    let name = |codec: Option<Codec>| codec.map_or("?", Codec::name);
    if learnt.codec != now.codec {
        return Some(format!("{} now, {} before", name(now.codec), name(learnt.codec)));
    }
    if let (Some(before), Some(now)) = (learnt.size, now.size)
        && before != now
    {
        return Some(format!("{}×{} now, {}×{} before", now.0, now.1, before.0, before.1));
    }
    match (learnt.fps, now.fps) {
        (Some(before), Some(now)) if now < before * RATE_SHARE => {
            Some(format!("{now:.1} frames a second now, {before:.1} before"))
        }
        _ => None,
    }
}

/// One message for a person: what, the particulars, and what to do.
fn sentence(verdict: Verdict, is_local: bool, detail: &str, stream: &StreamInfo, ms: f64, reading: Reading) -> String {
    let words = verdict.row().words(is_local);
    let read = match reading {
        Reading::Own => "",
        Reading::Along => ", read from the live view that is open",
        Reading::AlongOld => ", read from the live view that is open, in which key frames are rare",
    };
    match verdict {
        Verdict::Ok => format!("{}: {}, proved in {:.1} s{read}.", words.title, describe(stream), ms / 1e3),
        _ if detail.is_empty() => format!("{}{read}. {}", words.title, words.advice),
        _ => format!("{}: {detail}{read}. {}", words.title, words.advice),
    }
}

/// `H.264 High 3.1, 1280×720, 15.0 fps, 2100 kbit/s`, as far as known.
pub fn describe(stream: &StreamInfo) -> String {
    let codec = stream.codec.map(|codec| match codec {
        Codec::H264 => "H.264",
        Codec::H265 => "H.265",
        Codec::Mjpeg => "JPEG",
        Codec::Raw => "raw",
    });
    let codec = codec.map(|c| stream.profile.as_ref().map_or_else(|| c.to_owned(), |profile| format!("{c} {profile}")));
    let parts = [
        codec,
        stream.width.zip(stream.height).map(|(w, h)| format!("{w}×{h}")),
        stream.fps.map(|fps| format!("{fps:.1} fps")),
        // Of pictures that are not coded: nobody reads six digits.
        stream.kbps.map(|kbps| match kbps {
            0..20_000 => format!("{kbps} kbit/s"),
            _ => format!("{} Mbit/s", (kbps + 500) / 1000),
        }),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn etag(jpeg: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(jpeg);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{CameraUrl, Fault};
    use crate::picture::{Looked, Structure};

    /// What a judge says of looks a minute apart, each of the same picture.
    fn judged(readings: &[Reading]) -> Vec<Report> {
        let camera = CameraConfig::new("gate", CameraUrl::parse("rtsp://192.0.2.1/").unwrap());
        let mut judge = Judge::default();
        let look = |(minute, reading): (usize, &Reading)| {
            let at = Timestamp::from_second(minute as i64 * 60).unwrap();
            let picture = Some(Looked::Structure(Structure { width: 640, height: 360, profile: None, print: 7 }));
            Look { reading: *reading, picture, ..look(at) }
        };
        readings.iter().enumerate().map(|at| judge.report(look(at), &camera).report).collect()
    }

    fn look(at: Timestamp) -> Look {
        Look {
            at,
            ms: 607.0,
            rungs: Vec::new(),
            reading: Reading::Along,
            first_packet_ms: None,
            first_frame_ms: None,
            stream: StreamInfo::default(),
            picture: None,
            fault: None,
        }
    }

    fn verdicts(readings: &[Reading]) -> Vec<Verdict> {
        judged(readings).iter().map(|report| report.verdict).collect()
    }

    #[test]
    fn a_key_frame_seen_again_because_no_other_came_is_no_frozen_picture_and_heals_none() {
        use Reading::{Along, AlongOld};
        assert!(verdicts(&[Along; 20]).ends_with(&[Verdict::Frozen]), "it is frozen where it comes anew each time");
        let rare = [&[Along][..], &[AlongOld; 19]].concat();
        assert_eq!(verdicts(&rare), [Verdict::Ok; 20]);
        let frozen = [&[Along; 20][..], &[AlongOld; 3]].concat();
        assert_eq!(verdicts(&frozen)[19..], [Verdict::Frozen; 4]);
    }

    #[test]
    fn a_camera_that_was_frozen_before_a_restart_is_so_until_another_picture_is_seen() {
        let camera = CameraConfig::new("gate", CameraUrl::parse("rtsp://192.0.2.1/").unwrap());
        let mut judge = Judge::default();
        judge.go_on_frozen();
        let mut see = |(second, print, reading): (i64, u64, Reading)| {
            let at = Timestamp::from_second(3600 + second).unwrap();
            let picture = Some(Looked::Structure(Structure { width: 640, height: 360, profile: None, print }));
            judge.report(Look { reading, picture, ..look(at) }, &camera).report.verdict
        };
        use Reading::{AlongOld, Own};
        let seen = [(0, 7, AlongOld), (1, 7, Own), (15, 7, Own), (30, 8, Own), (45, 8, Own)].map(&mut see);
        assert_eq!(seen, [Verdict::Frozen, Verdict::Frozen, Verdict::Frozen, Verdict::Ok, Verdict::Ok]);
    }

    #[test]
    fn a_check_that_read_along_says_so() {
        let messages: Vec<String> =
            judged(&[Reading::Own, Reading::Along]).into_iter().map(|report| report.message).collect();
        assert!(messages[0].ends_with("proved in 0.6 s."), "{messages:?}");
        assert!(messages[1].ends_with("proved in 0.6 s, read from the live view that is open."), "{messages:?}");
        let camera = CameraConfig::new("gate", CameraUrl::parse("rtsp://192.0.2.1/").unwrap());
        let fault = Some(Fault::new(Verdict::NoMedia, "nothing came for 15 s"));
        let report = Judge::default().report(Look { fault, ..look(Timestamp::UNIX_EPOCH) }, &camera).report;
        assert!(report.message.contains("nothing came for 15 s, read from the live view"), "{}", report.message);
    }

    #[test]
    fn the_latency_of_a_check_is_never_its_time_of_looking() {
        let [read_along] = &judged(&[Reading::Along])[..] else { panic!("one") };
        assert_eq!(read_along.latency_ms(), None);
        let own = Report { first_packet_ms: Some(41.5), ..read_along.clone() };
        assert_eq!(own.latency_ms(), Some(41.5));
        for (verdict, latency) in [
            (Verdict::Timeout, Some(607.0)),
            (Verdict::Blind, Some(607.0)),
            (Verdict::Frozen, None),
            (Verdict::Changed, None),
        ] {
            assert_eq!(Report { verdict, ..read_along.clone() }.latency_ms(), latency, "{verdict:?}");
        }
    }
}
