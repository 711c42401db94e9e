//! The card played for somebody who looks at the LEDs, or at a terminal.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::card::{BoxLamp, Shown};
use super::fixtures::{Fixtures, Says};
use super::pattern::{ON_FROM, Pattern};
use super::player::{Lamp, Player};
use super::wiring::{Kernel, Wiring, wanted};
use crate::config::Config;

/// LEDs that do not answer by then are gone without.
const ANSWER: Duration = Duration::from_secs(5);
/// What one character of a strip stands for.
const CHARACTER: Duration = Duration::from_millis(50);
/// The longest strip, in characters.
const STRIP: usize = 100;

/// The LEDs of a configuration, those of single cameras too: they show what ACT shows.
pub struct Stage {
    fixtures: Fixtures,
    told: Vec<String>,
    has_problem: bool,
}

impl Stage {
    /// Takes every LED that the configuration names; waits 5 s at most.
    pub async fn set(config: &Config) -> Self {
        Self::with(Arc::new(Kernel::default()), config).await
    }

    /// The same, with LEDs from elsewhere.
    pub async fn with(wiring: Arc<dyn Wiring>, config: &Config) -> Self {
        let mut fixtures = Fixtures::new(wiring);
        let now = Instant::now();
        fixtures.want(wanted(config), now);
        fixtures.ask(now);
        match timeout_at(now + ANSWER, fixtures.answered()).await {
            Ok(answers) => fixtures.settle(answers, Instant::now()),
            Err(_) => {
                fixtures.light(now + ANSWER);
            }
        }
        let lamps = fixtures.statuses();
        let told = lamps.iter().map(|lamp| match &lamp.problem {
            None => format!("{}: {}{}", lamp.lamp, lamp.at, if lamp.dims { ", dimmed" } else { "" }),
            Some(problem) => format!("{}: {}: {problem}", lamp.lamp, lamp.at),
        });
        let mut told: Vec<String> = told.collect();
        if told.is_empty() {
            told.push("No LED is configured, and this machine has none of its own that Pulsebox knows.".into());
        }
        let has_problem = lamps.iter().any(|lamp| lamp.problem.is_some());
        Self { fixtures, told, has_problem }
    }

    /// A line for each LED: where it is, or what is wrong with it.
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// Whether nothing lights.
    pub fn is_dark(&self) -> bool {
        !self.fixtures.has_lamp()
    }

    /// Whether an LED that is configured does not light.
    pub fn has_problem(&self) -> bool {
        self.has_problem
    }

    /// Shows one row for a while, or until `stop`; in the terminal where nothing lights.
    pub async fn play(&mut self, shown: Shown, lasts: Duration, stop: &CancellationToken) {
        let begun = Instant::now();
        let mut drawn = self.is_dark().then(|| Drawn::new(shown, begun));
        self.fixtures.say(|_| Says::Box(shown), begun);
        let end = begun + lasts;
        while Instant::now() < end && !stop.is_cancelled() {
            let now = Instant::now();
            let edge = match &mut drawn {
                Some(drawn) => drawn.light(now),
                None => self.fixtures.light(now),
            };
            let wake = edge.map_or(end, |edge| edge.min(end));
            stop.run_until_cancelled(sleep_until(wake)).await;
        }
        if drawn.is_some() {
            let _ = writeln!(io::stdout());
        }
    }

    /// Gives the LEDs back.
    pub async fn strike(self) {
        self.fixtures.give_back().await;
    }
}

/// The box's lamps as three characters of a line that is written over.
struct Drawn([Player; 3]);

impl Drawn {
    fn new(shown: Shown, begun: Instant) -> Self {
        Self(BoxLamp::ALL.map(|lamp| {
            let mut player = Player::new(Box::new(Character(lamp)));
            player.play(&shown.pattern(lamp), begun);
            player
        }))
    }

    fn light(&mut self, now: Instant) -> Option<Instant> {
        let edges = self.0.iter_mut().filter_map(|player| player.light(now).ok()?);
        let next = edges.min();
        let _ = io::stdout().flush();
        next
    }
}

/// A lamp of one character.
struct Character(BoxLamp);

impl Lamp for Character {
    fn set(&mut self, level: u8) -> Result<(), String> {
        let column = 3 + 10 * self.0 as usize;
        let mark = mark(level);
        // Back to its column (ANSI `CHA`), over what stands there.
        write!(io::stdout(), "\x1b[{column}G{mark} {:6}", self.0.name()).map_err(|error| error.to_string())
    }

    fn dims(&self) -> bool {
        true
    }
}

pub(crate) fn mark(level: u8) -> char {
    match level {
        0 => '·',
        1..ON_FROM => '░',
        ON_FROM..100 => '▓',
        100.. => '█',
    }
}

/// One period of a pattern as text, a character for each 50 ms.
pub fn strip(pattern: &Pattern) -> String {
    let characters = pattern.period().as_millis().div_ceil(CHARACTER.as_millis());
    let characters = usize::try_from(characters).unwrap_or(STRIP).clamp(20, STRIP);
    let times = (0..u32::try_from(characters).unwrap_or(0)).map(|n| CHARACTER * n);
    times.map(|at| mark(pattern.at(at).0)).collect()
}
