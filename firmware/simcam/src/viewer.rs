//! One client's view of a camera: its feed, followed through changes of mood.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::feed::{Feed, FeedFrame, FeedKey};
use crate::mood::Mood;
use crate::options::{Codec, Options};

/// Pictures of a stream in the mood `vanish`: fewer than a check measures, so that none ends well.
const VANISHES_AFTER: u32 = 4;

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
    /// Pictures to be sent before the connection is cut; none where it is not.
    left: Option<u32>,
}

impl Viewer {
    /// Looks at the feed from now on, after `delay` without a picture. Errors when the feed does not
    /// start.
    pub fn new(options: Arc<Options>, mut moods: watch::Receiver<Mood>, delay: Duration) -> io::Result<Self> {
        let mood = *moods.borrow_and_update();
        let key = FeedKey::of(&options, mood);
        let feed = Feed::join(&key)?;
        let frames = feed.frames();
        let silent_until = Instant::now() + delay;
        let left = (mood == Mood::Vanish).then_some(VANISHES_AFTER);
        // Few as they are, one of them is to be a picture that a check can judge.
        let to_next_key = left.is_some();
        Ok(Self { options, moods, mood, key, feed, frames, to_next_key, silent_until, left })
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
            tokio::select! {
                biased;
                changed = self.moods.changed() => {
                    changed.map_err(|_| io::ErrorKind::ConnectionAborted)?;
                    self.follow()?;
                }
                frame = self.frames.recv() => match frame {
                    Ok(frame) if self.is_sent(&frame) => {
                        if let Some(left) = &mut self.left {
                            *left = left.checked_sub(1).ok_or(io::ErrorKind::ConnectionAborted)?;
                        }
                        return Ok(frame);
                    }
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
        self.left = (self.mood == Mood::Vanish).then_some(VANISHES_AFTER);
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
