//! What is said of a verdict: the ladder's own words, which are made for cameras on the network, and others where the
//! camera is plugged in at the box.

use serde::Serialize;

use super::fault::{Row, Verdict};

/// The words for one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Words {
    /// What a person reads first, a sentence without its full stop.
    pub title: &'static str,
    /// What to do about it, whole sentences.
    pub advice: &'static str,
}

impl Row {
    /// What is said of a camera on the network, or at the box.
    pub fn words(&self, is_local: bool) -> Words {
        self.local.filter(|_| is_local).unwrap_or(Words { title: self.title, advice: self.advice })
    }
}

/// Whether a camera's URL, masked or not, means one that is plugged in at the box.
pub fn is_local(url: &str) -> bool {
    url.starts_with("v4l2:")
}

/// The words for a camera at the box, where they differ. What only a network does to a camera is not here.
pub(super) const fn of_local(verdict: Verdict) -> Option<Words> {
    let (title, advice) = match verdict {
        Verdict::Timeout => {
            ("The camera does not answer", "Unplug it and plug it in again; if it stays, try another port.")
        }
        Verdict::Auth => (
            "Pulsebox may not open the camera",
            "Let the user that Pulsebox runs as into the group `video`, and restart it.",
        ),
        Verdict::NotFound => (
            "The camera is not plugged in",
            "Plug it in, or try another cable and port. `pulsebox cameras`, and “Add” on the page, list what is there.",
        ),
        Verdict::Busy => (
            "Another program has the camera",
            "End it: a camera at the box sends to one program at a time. Pulsebox shares it among all its own viewers.",
        ),
        Verdict::Protocol => (
            "The camera's driver fails",
            "Unplug the camera and plug it in again; if it stays, try another port and look into the kernel's log.",
        ),
        Verdict::Unsupported => (
            "The device sends nothing that Pulsebox reads",
            "`pulsebox cameras` lists what it sends. Take what follows the `?` out of its URL, or another camera.",
        ),
        Verdict::NoMedia => (
            "The camera starts, then sends nothing",
            "Unplug it and plug it in again, at another port or a hub with power of its own; of a CSI camera, look at \
             the ribbon cable.",
        ),
        Verdict::NoKeyframe => {
            ("Video arrives, but no picture can start", "Ask for another format: `?format=mjpeg` after its URL.")
        }
        Verdict::Undecodable => (
            "The picture is damaged",
            "Look at the cable. Two cameras at one hub may be more than it carries: use another port, or ask for less \
             with `?size=640x480` after the URL.",
        ),
        Verdict::Slow => (
            "The camera is slow to start",
            "Many take a second or two. If this one always does, raise `alarm: slow_seconds` for it.",
        ),
        Verdict::LowFps => (
            "Fewer pictures a second than expected",
            "Look at its exposure time in the dark; with several cameras at one hub, ask for less with `?size=640x480` \
             after the URL.",
        ),
        Verdict::PacketLoss => (
            "Pictures are lost on the way",
            "Look at the cable. Two cameras at one hub may be more than it carries: use another port, or ask for less \
             with `?size=640x480` after the URL.",
        ),
        Verdict::Frozen => {
            ("The picture has stopped", "Unplug the camera and plug it in again: it sends one old picture.")
        }
        _ => return None,
    };
    Some(Words { title, advice })
}

#[cfg(test)]
mod tests {
    use crate::camera::LADDER;

    #[test]
    fn a_camera_at_the_box_is_told_of_no_network_and_no_password() {
        let told: Vec<_> = LADDER.iter().filter(|row| row.local.is_some()).collect();
        assert!(told.len() > 5);
        for row in told {
            let words = row.words(true);
            let said = format!("{} {}", words.title, words.advice);
            for foreign in ["password", "Wi-Fi", "RTSP", "transport", "network", "stream"] {
                assert!(!said.contains(foreign), "{}: {said}", row.name);
            }
            assert!(!words.title.ends_with('.') && words.advice.ends_with('.'), "{said}");
            assert_eq!(row.words(false).title, row.title);
        }
    }

    #[test]
    fn what_both_have_is_told_of_both_in_the_same_words() {
        for row in LADDER.iter().filter(|row| row.local.is_none()) {
            assert_eq!((row.words(true).title, row.words(true).advice), (row.title, row.advice));
        }
    }
}
