//! The ways a camera behaves and misbehaves, each with its name and one sentence, written once.

use std::fmt;
use std::str::FromStr;

macro_rules! moods {
    ($($variant:ident $name:literal $sentence:literal;)*) => {
        /// How a simulated camera behaves. In text a mood is its snake_case name: `wrong_password`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Mood {
            $(#[doc = $sentence] $variant,)*
        }

        impl Mood {
            /// Every mood, in the order of the verdict ladder.
            pub const ALL: &'static [Mood] = &[$(Mood::$variant,)*];

            /// Its snake_case name.
            pub fn name(self) -> &'static str {
                match self { $(Mood::$variant => $name,)* }
            }

            /// One sentence for people.
            pub fn describe(self) -> &'static str {
                match self { $(Mood::$variant => $sentence,)* }
            }
        }
    };
}

moods! {
    Healthy "healthy" "Shows a living picture.";
    Refuses "refuses" "Its port is closed (connection refused) and running connections are cut.";
    HangAccept "hang_accept" "Accepts the connection and says nothing; running streams go silent.";
    HangDescribe "hang_describe" "Answers OPTIONS, but never DESCRIBE; over HTTP it answers nothing.";
    HangSetup "hang_setup" "Never answers SETUP; over HTTP it answers nothing.";
    HangPlay "hang_play" "Never answers PLAY; over HTTP it answers nothing.";
    Drip "drip" "Sends a valid answer at one byte a second.";
    EndlessHeaders "endless_headers" "Sends headers without end, at about 20 MB/s.";
    HugeBody "huge_body" "Announces a body of 4 GiB and sends it, at about 20 MB/s.";
    Junk "junk" "Answers with random bytes.";
    LoginPage "login_page" "Answers with an HTML login page (RTSP: with an HTTP answer).";
    WrongPassword "wrong_password" "Refuses every credential with 401.";
    NotFound "not_found" "Answers 404.";
    NoVideo "no_video" "Offers audio only (HTTP: parts of plain text).";
    Busy "busy" "Has no room for a client: 453, over HTTP 503.";
    Unsupported "unsupported" "Offers VP8 video (HTTP: `image/webp`).";
    NoMedia "no_media" "Accepts everything and sends no picture.";
    NoKeyframe "no_keyframe" "Sends valid P frames and never a key frame (JPEG has none: sends nothing).";
    Undecodable "undecodable" "Sends well-framed pictures whose coded data is garbage.";
    Black "black" "Shows black with sensor noise (not for H.265, whose pictures are a clip).";
    Frozen "frozen" "Sends the same picture for ever, byte for byte.";
    FrozenClock "frozen_clock" "Shows a frozen scene, noise and all, over which a clock ticks (H.265: as frozen).";
    Static "static" "Shows a scene where nothing moves but sensor noise: healthy.";
    Covered "covered" "Shows a uniform grey-brown blur with sensor noise (not for H.265).";
    Slow "slow" "Answers late, and the first packet too: `Options::slow` in total.";
    LowFps "low_fps" "Shows two frames a second.";
    PacketLoss "packet_loss" "Loses about a tenth of its RTP packets (HTTP has none to lose: healthy).";
    Changed "changed" "Sends another codec or size: H.264 becomes MJPEG, H.265 H.264, MJPEG half its size.";
    Vanish "vanish" "Plays four pictures, then cuts the connection without a word.";
}

impl fmt::Display for Mood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no mood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no mood is called {text:?}; there are: {}", names())]
pub struct UnknownMood {
    text: String,
}

fn names() -> String {
    Mood::ALL.iter().map(|mood| mood.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Mood {
    type Err = UnknownMood;

    fn from_str(text: &str) -> Result<Self, UnknownMood> {
        let named = Mood::ALL.iter().copied().find(|mood| mood.name() == text.trim());
        named.ok_or_else(|| UnknownMood { text: text.trim().chars().take(40).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mood_is_read_back_from_its_name() {
        for mood in Mood::ALL {
            assert_eq!(mood.to_string().parse(), Ok(*mood));
            assert!(mood.describe().ends_with('.'));
        }
    }

    #[test]
    fn an_unknown_mood_is_refused_with_the_list_of_moods() {
        let error = "sulking".parse::<Mood>().unwrap_err().to_string();
        assert!(error.contains("\"sulking\"") && error.contains("wrong_password"), "{error}");
    }
}
