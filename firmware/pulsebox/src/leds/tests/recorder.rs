//! LEDs that write down what is done to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::leds::player::Lamp;
use crate::leds::wiring::{NotTaken, Place, Taken, Wiring};

/// What happened to an LED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Taken,
    /// Percent.
    Lit(u8),
    GivenBack,
}

/// All LEDs, by name: `line 17`, `act`.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    log: Vec<(Instant, String, Entry)>,
    /// Cannot be taken, and why.
    refused: BTreeMap<String, String>,
    /// Broke while they were lit, and why.
    broken: BTreeMap<String, String>,
    dims: bool,
    has_no_act: bool,
}

impl Recorder {
    pub fn dimming() -> Self {
        let it = Self::default();
        it.0.lock().unwrap().dims = true;
        it
    }

    pub fn without_act() -> Self {
        let it = Self::default();
        it.0.lock().unwrap().has_no_act = true;
        it
    }

    pub fn refuse(&self, lamp: &str, problem: Option<&str>) {
        set(&mut self.0.lock().unwrap().refused, lamp, problem);
    }

    pub fn break_it(&self, lamp: &str, problem: Option<&str>) {
        set(&mut self.0.lock().unwrap().broken, lamp, problem);
    }

    /// All that happened to an LED, with the time since `from`.
    pub fn of(&self, lamp: &str, from: Instant) -> Vec<(Duration, Entry)> {
        let inner = self.0.lock().unwrap();
        let its = inner.log.iter().filter(|(at, name, _)| name == lamp && *at >= from);
        its.map(|(at, _, entry)| (at.duration_since(from), *entry)).collect()
    }

    /// The same without times, from the beginning.
    pub fn entries(&self, lamp: &str) -> Vec<Entry> {
        let inner = self.0.lock().unwrap();
        inner.log.iter().filter(|(_, name, _)| name == lamp).map(|(.., entry)| *entry).collect()
    }

    /// What an LED does from `from` on, looked at every 50 ms in the middle of them: a character for each, as the
    /// documentation draws it.
    pub fn seen(&self, lamp: &str, from: Instant, characters: u32) -> String {
        let inner = self.0.lock().unwrap();
        let level = |at: Instant| {
            let before = inner.log.iter().rev().find(|(t, name, _)| name == lamp && *t <= at);
            match before {
                Some((.., Entry::Lit(level))) => *level,
                _ => 0,
            }
        };
        let looks = (0..characters).map(|n| level(from + Duration::from_millis(u64::from(n) * 50 + 25)));
        looks.map(crate::leds::demo::mark).collect()
    }
}

fn set(map: &mut BTreeMap<String, String>, lamp: &str, problem: Option<&str>) {
    match problem {
        Some(problem) => map.insert(lamp.into(), problem.into()),
        None => map.remove(lamp),
    };
}

impl Wiring for Recorder {
    fn take(&self, place: &Place) -> Result<Option<Taken>, NotTaken> {
        let mut inner = self.0.lock().unwrap();
        let lamp = match place {
            Place::Act if inner.has_no_act => return Ok(None),
            Place::Act => "act".to_owned(),
            Place::Line(line) => format!("line {}", line.line),
        };
        if let Some(problem) = inner.refused.get(&lamp) {
            return Err(NotTaken { at: lamp, problem: problem.clone() });
        }
        inner.log.push((Instant::now(), lamp.clone(), Entry::Taken));
        let recorded = Recorded { recorder: self.clone(), lamp: lamp.clone(), dims: inner.dims };
        Ok(Some(Taken { lamp: Box::new(recorded), at: lamp }))
    }

    fn machine(&self) -> Option<String> {
        None
    }
}

struct Recorded {
    recorder: Recorder,
    lamp: String,
    dims: bool,
}

impl Lamp for Recorded {
    fn set(&mut self, level: u8) -> Result<(), String> {
        let mut inner = self.recorder.0.lock().unwrap();
        if let Some(problem) = inner.broken.get(&self.lamp) {
            return Err(problem.clone());
        }
        inner.log.push((Instant::now(), self.lamp.clone(), Entry::Lit(level)));
        Ok(())
    }

    fn dims(&self) -> bool {
        self.dims
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let mut inner = self.recorder.0.lock().unwrap();
        inner.log.push((Instant::now(), self.lamp.clone(), Entry::GivenBack));
    }
}
