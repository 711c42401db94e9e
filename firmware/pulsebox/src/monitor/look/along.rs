//! A look at a camera that somebody watches: it reads along and opens no session of its own.
//!
//! The session was opened for the viewer, so nothing is learnt of how long the camera takes to answer: no rung is
//! climbed but the picture's, and there is no time to the first packet. Only where the session cannot be opened, the
//! rungs are those of its opening.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Look, MEASURE, MEASURE_FRAMES, MEASURE_MAX, Rate, Reading, SECOND_CHANCES, Want, decode};
use crate::camera::sessions::{Ending, Item, LiveFrame, Tap};
use crate::camera::{Fault, Reception, Rung, RungTime, StreamInfo, Verdict};
use crate::picture::{self, Looked};

/// A key frame that came at most this long before the look proves the picture of now.
const FRESH: Duration = Duration::from_secs(5);

/// Looks along, `deadline` at most. None where the session ends because the camera's settings were changed or its
/// last viewer has gone: then look by yourself.
pub(super) async fn look_along(tap: Tap, deadline: Duration, want: &Want) -> Option<Look> {
    let started = Instant::now();
    let before = tap.reception();
    let mut along = Along { tap, started, rate: Rate::default(), key: None, is_alive: false };
    let looked = along.look(started + deadline, want.thumbnail).await;
    let ms = started.elapsed().as_micros() as f64 / 1e3;
    let mut rungs = Vec::new();
    let mut reading = Reading::Along;
    let (picture, fault) = match looked {
        Ok((looked, age)) => {
            if matches!(looked, Looked::Decoded(_)) {
                rungs.push(RungTime { rung: Rung::Picture, ms });
            }
            if age == Age::Old {
                reading = Reading::AlongOld;
            }
            (Some(looked), None)
        }
        Err(Ending::Changed) => return None,
        Err(Ending::Broken { fault, opened: true }) => (None, Some(fault)),
        Err(Ending::Broken { fault, opened: false }) => {
            rungs = along.tap.rungs();
            reading = Reading::Own;
            (None, Some(fault))
        }
    };
    Some(Look {
        at: want.at,
        ms,
        rungs,
        reading,
        first_packet_ms: None,
        first_frame_ms: None,
        stream: along.stream(before),
        picture,
        fault,
    })
}

struct Along {
    tap: Tap,
    started: Instant,
    rate: Rate,
    /// The last fresh key frame.
    key: Option<Arc<LiveFrame>>,
    /// A frame has come since the look began.
    is_alive: bool,
}

/// Whether a key frame proves the picture of now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Old,
}

fn broken(fault: Fault) -> Ending {
    Ending::Broken { fault, opened: true }
}

impl Along {
    async fn look(&mut self, end: Instant, thumbnail: bool) -> Result<(Looked, Age), Ending> {
        let mut damage = None;
        for _ in 0..=SECOND_CHANCES {
            match timeout_at(end, self.read()).await {
                Ok(read) => read?,
                Err(_) => match damage {
                    Some(fault) => return Err(broken(fault)),
                    None => return Ok((self.look_back().await?, Age::Old)),
                },
            }
            let Some(key) = self.key.take() else { continue };
            match decode(key.frame.clone(), thumbnail).await.0 {
                Ok(looked) => return Ok((looked, Age::Fresh)),
                Err(fault) if fault.verdict != Verdict::Undecodable => return Err(broken(fault)),
                Err(fault) => damage = Some(fault),
            }
        }
        Err(broken(damage.unwrap_or_else(|| self.out_of_time())))
    }

    /// Where the time is over and no fresh key frame has come: some cameras send one a minute, or only as they begin
    /// to play. What flows behind the last one proves the stream. No thumbnail is made of it: it shows the past.
    async fn look_back(&self) -> Result<Looked, Ending> {
        let key = self.tap.newest_key().filter(|_| self.is_alive).ok_or_else(|| broken(self.out_of_time()))?;
        decode(key.frame.clone(), false).await.0.map_err(broken)
    }

    /// Reads until there is a fresh key frame, a frame that came just now, and enough to tell the rate.
    async fn read(&mut self) -> Result<(), Ending> {
        let began = Instant::now();
        loop {
            let is_seen = self.key.is_some() && self.is_alive;
            let enough = if self.rate.frames >= MEASURE_FRAMES { MEASURE } else { MEASURE_MAX };
            // A still has no rate.
            let until = if self.tap.is_stream() { began + enough } else { began };
            if is_seen && until <= Instant::now() {
                break;
            }
            if !is_seen {
                let item = self.tap.next().await?;
                self.take(item);
            } else if let Ok(item) = timeout_at(until, self.tap.next()).await {
                self.take(item?);
            }
        }
        self.rate.watched = began.elapsed();
        Ok(())
    }

    fn take(&mut self, item: Item) {
        let live = match item {
            Item::Frame(live) => live,
            // The rate across a gap would be none.
            Item::Skipped(_) => {
                self.rate = Rate::default();
                return;
            }
        };
        let is_new = live.frame.arrived >= self.started;
        // A still comes once a second at best: the one in hand is as good.
        self.is_alive |= is_new || !self.tap.is_stream();
        self.rate.add(&live.frame);
        if live.frame.key && live.frame.arrived + FRESH >= self.started {
            self.key = Some(live);
        }
    }

    fn out_of_time(&self) -> Fault {
        let waited = self.started.elapsed().as_secs_f32();
        if self.is_alive {
            Fault::new(Verdict::NoKeyframe, format!("a key frame did not come within {waited:.1} s"))
        } else {
            Fault::new(Verdict::NoMedia, format!("nothing came for {waited:.1} s"))
        }
    }

    fn stream(&self, before: Option<Reception>) -> StreamInfo {
        let Some(last) = self.tap.newest_key() else { return StreamInfo::default() };
        let mut info = picture::describe(&last.frame);
        if self.tap.is_stream() {
            info.fps = self.rate.fps();
            info.kbps = self.rate.kbps();
            let came = self.tap.reception().map(|now| now.since(before.unwrap_or_default()));
            info.loss_percent = came.and_then(Reception::loss_percent);
        }
        info
    }
}
