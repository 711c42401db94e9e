//! Session descriptions (RFC 4566) with the media types of RFC 6184, 7798 and 2435.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::feed::FeedKey;
use crate::mood::Mood;
use crate::options::{Codec, Options};

/// The payload type of a codec: 26 is JPEG's own, the others are dynamic.
pub(super) fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::H264 => 96,
        Codec::H265 => 98,
        Codec::Mjpeg => 26,
    }
}

/// `audio` is track 0 and stands in front of the video, which is track 1.
pub(super) fn describe(options: &Options, mood: Mood, shown: &FeedKey, sets: &[Bytes]) -> String {
    let mut sdp = String::from(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=simcam\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=now-\r\n",
    );
    if options.audio || mood == Mood::NoVideo {
        sdp += "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track0\r\n";
    }
    match mood {
        Mood::NoVideo => {}
        Mood::Unsupported => sdp += "m=video 0 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\na=control:track1\r\n",
        _ => sdp += &video(shown, sets),
    }
    sdp
}

fn video(shown: &FeedKey, sets: &[Bytes]) -> String {
    let kind = payload_type(shown.codec);
    let sets_text: Vec<String> = sets.iter().map(|set| STANDARD.encode(set)).collect();
    let format = match (shown.codec, &sets_text[..]) {
        (Codec::H264, [sps, pps, ..]) => {
            let profile: String = sets[0].iter().skip(1).take(3).map(|byte| format!("{byte:02x}")).collect();
            format!(
                "a=rtpmap:{kind} H264/90000\r\n\
                 a=fmtp:{kind} packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sps},{pps}\r\n"
            )
        }
        (Codec::H265, [vps, sps, pps, ..]) => {
            format!("a=rtpmap:{kind} H265/90000\r\na=fmtp:{kind} sprop-vps={vps};sprop-sps={sps};sprop-pps={pps}\r\n")
        }
        (codec, _) => format!("a=rtpmap:{kind} {}/90000\r\n", if codec == Codec::Mjpeg { "JPEG" } else { "H264" }),
    };
    format!("m=video 0 RTP/AVP {kind}\r\n{format}a=framerate:{}\r\na=control:track1\r\n", shown.fps)
}
