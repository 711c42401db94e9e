//! One client's view of a camera: its feed, followed through changes of mood.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{self, Instant};

use crate::feed::{Feed, FeedFrame, FeedKey};
use crate::mood::Mood;
use crate::options::{Codec, Options};

/// How long a stream plays in the mood `vanish`.
const VANISHES_AFTER: Duration = Duration::from_millis(500);

/// Frames as this camera sends them to one client.
pub(crate) struct Viewer {
    options: Arc<Options>,
    moods: watch::Receiver<Mood>,
    mood: Mood,
    key: FeedKey,
    feed: Arc<Feed>,
    frames: broadcast::Receiver<Arc<FeedFrame>>,
    /// Nothing is sent before the next key frame.
    to_next_key: bool,
    silent_until: Instant,
    vanish_at: Option<Instant>,
}

impl Viewer {
    /// Looks at the feed from now on, after `delay` without a picture. Errors when the feed does not
    /// start.
    pub fn new(options: Arc<Options>, mut moods: watch::Receiver<Mood>, delay: Duration) -> io::Result<Self> {
        let mood = *moods.borrow_and_update();
        let key = FeedKey::of(&options, mood);
        let feed = Feed::join(&key)?;
        let frames = feed.frames();
        let now = Instant::now();
        let vanish_at = (mood == Mood::Vanish).then(|| now + VANISHES_AFTER);
        Ok(Self { options, moods, mood, key, feed, frames, to_next_key: false, silent_until: now + delay, vanish_at })
    }

    /// What is shown at present.
    pub fn key(&self) -> &FeedKey {
        &self.key
    }

    /// The mood that the frames are sent in.
    pub fn mood(&self) -> Mood {
        self.mood
    }

    /// The next frame to send; an error when the connection is to be cut. Nothing is lost when it is
    /// cancelled.
    pub async fn next(&mut self) -> io::Result<Arc<FeedFrame>> {
        loop {
            let vanish = self.vanish_at.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                biased;
                changed = self.moods.changed() => {
                    changed.map_err(|_| io::ErrorKind::ConnectionAborted)?;
                    self.follow()?;
                }
                () = time::sleep_until(vanish) => {
                    if self.vanish_at.is_some() {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                }
                frame = self.frames.recv() => match frame {
                    Ok(frame) if self.is_sent(&frame) => return Ok(frame),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => self.to_next_key = true,
                    Err(RecvError::Closed) => return Err(io::ErrorKind::ConnectionAborted.into()),
                },
            }
        }
    }

    /// Takes on the camera's new mood.
    fn follow(&mut self) -> io::Result<()> {
        self.mood = *self.moods.borrow_and_update();
        self.vanish_at = (self.mood == Mood::Vanish).then(|| Instant::now() + VANISHES_AFTER);
        let key = FeedKey::of(&self.options, self.mood);
        if key != self.key {
            self.feed = Feed::join(&key)?;
            self.frames = self.feed.frames();
            self.key = key;
            self.to_next_key = true;
        }
        Ok(())
    }

    fn is_sent(&mut self, frame: &FeedFrame) -> bool {
        if matches!(self.mood, Mood::NoMedia | Mood::HangAccept) || Instant::now() < self.silent_until {
            return false;
        }
        if self.mood == Mood::NoKeyframe && frame.key {
            return false;
        }
        if frame.key {
            self.to_next_key = false;
        }
        !self.to_next_key || (self.mood == Mood::NoKeyframe && self.key.codec != Codec::Mjpeg)
    }
}
