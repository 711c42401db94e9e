//! The LEDs that the configuration names: taken, played on, given back, and tried again where that failed.
//!
//! Taking and giving back may block, so both are one job on a blocking thread, and one job at a time: a line that one
//! LED gives up can be the next one's.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};

use super::card::{BoxLamp, Shown};
use super::own::own_pattern;
use super::pattern::Pattern;
use super::player::Player;
use super::wiring::{NotTaken, Owner, Place, Taken, Wiring};
use crate::monitor::board::{LampStatus, State};

/// An LED that could not be taken is tried again after this long.
pub const AGAIN: Duration = Duration::from_secs(10);
/// A driver that has not answered by then is told of.
const ANSWER: Duration = Duration::from_secs(5);
/// Giving back at the end takes no longer; what is left then is the kernel's to release.
const LAST_ANSWER: Duration = Duration::from_millis(800);

/// What an LED has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Nothing: quiet hours.
    Nothing,
    /// How the box is.
    Box(Shown),
    /// How its camera is.
    Camera(State),
}

impl Says {
    /// On this owner's LED.
    pub fn pattern(self, owner: &Owner) -> Pattern {
        match (self, owner) {
            (Self::Nothing, _) => Pattern::steady(0),
            (Self::Box(shown), Owner::Box(lamp)) => shown.pattern(*lamp),
            // The demo has every LED show the card.
            (Self::Box(shown), Owner::Camera(_)) => shown.pattern(BoxLamp::Act),
            (Self::Camera(state), _) => own_pattern(state),
        }
    }
}

/// One LED.
struct Fixture {
    owner: Owner,
    place: Place,
    light: Light,
    says: Says,
    /// Since when it says so.
    since: Instant,
    /// The problem that the log knows of.
    told: Option<String>,
}

/// Whether it lights.
enum Light {
    /// To be taken.
    Due,
    /// Being taken; what stood against it the last time holds until that is known.
    Asked { is_late: bool, before: Option<NotTaken> },
    /// Ours.
    Ours { player: Player, at: String },
    /// There is none, and none is missed.
    Absent,
    /// Not to be had for now.
    Failed { why: NotTaken, again: Instant },
}

/// What was asked for, and what came of it.
type Answers = Vec<(Owner, Place, Result<Option<Taken>, NotTaken>)>;

/// All LEDs.
pub struct Fixtures {
    wiring: Arc<dyn Wiring>,
    fixtures: Vec<Fixture>,
    /// Not wanted any more, to be dropped where that may block.
    given_up: Vec<Player>,
    job: Option<Job>,
}

struct Job {
    answers: JoinHandle<Answers>,
    late: Option<Instant>,
}

impl Fixtures {
    /// None yet.
    pub fn new(wiring: Arc<dyn Wiring>) -> Self {
        Self { wiring, fixtures: Vec::new(), given_up: Vec::new(), job: None }
    }

    /// From now on these are wanted; those that stay at their place are not touched.
    pub fn want(&mut self, wanted: Vec<(Owner, Place)>, now: Instant) {
        let mut before = std::mem::take(&mut self.fixtures);
        for (owner, place) in wanted {
            let same = before.iter().position(|old| old.owner == owner && old.place == place);
            self.fixtures.push(match same {
                Some(n) => before.swap_remove(n),
                None => Fixture { owner, place, light: Light::Due, says: Says::Nothing, since: now, told: None },
            });
        }
        self.given_up.extend(before.into_iter().filter_map(|old| match old.light {
            Light::Ours { player, .. } => Some(player),
            _ => None,
        }));
    }

    /// Asks for what is due, unless a job is under way.
    pub fn ask(&mut self, now: Instant) {
        if self.job.is_some() {
            return;
        }
        let mut asked = Vec::new();
        for fixture in &mut self.fixtures {
            let before = match &fixture.light {
                Light::Due => None,
                Light::Failed { again, why } if *again <= now => Some(why.clone()),
                _ => continue,
            };
            fixture.light = Light::Asked { is_late: false, before };
            asked.push((fixture.owner.clone(), fixture.place.clone()));
        }
        let given_up = std::mem::take(&mut self.given_up);
        if asked.is_empty() && given_up.is_empty() {
            return;
        }
        let wiring = self.wiring.clone();
        let answers = spawn_blocking(move || {
            drop(given_up);
            let take = |(owner, place)| {
                let taken = wiring.take(&place);
                (owner, place, taken)
            };
            asked.into_iter().map(take).collect()
        });
        self.job = Some(Job { answers, late: Some(now + ANSWER) });
    }

    /// The job's end; never where there is none.
    pub async fn answered(&mut self) -> Result<Answers, JoinError> {
        match &mut self.job {
            Some(job) => (&mut job.answers).await,
            None => pending().await,
        }
    }

    /// Takes in what [`Self::answered`] gave.
    pub fn settle(&mut self, answers: Result<Answers, JoinError>, now: Instant) {
        self.job = None;
        for (owner, place, taken) in answers.unwrap_or_default() {
            let fixture = self.fixtures.iter_mut().find(|fixture| fixture.owner == owner && fixture.place == place);
            match (fixture, taken) {
                (Some(fixture), taken) => fixture.settle(taken, now),
                (None, Ok(Some(taken))) => self.given_up.push(Player::new(taken.lamp)),
                (None, _) => {}
            }
        }
        // The thread broke down: who was asked for is asked for again.
        for fixture in &mut self.fixtures {
            if let Light::Asked { .. } = fixture.light {
                let problem = "its driver broke down; report this with the log before it".to_owned();
                fixture.settle(Err(NotTaken { at: String::new(), problem }), now);
            }
        }
    }

    /// What each LED has to say from `now` on; one that says it already goes on as it is.
    pub fn say(&mut self, says: impl Fn(&Owner) -> Says, now: Instant) {
        for fixture in &mut self.fixtures {
            let says = says(&fixture.owner);
            if says != fixture.says {
                (fixture.says, fixture.since) = (says, now);
                fixture.play();
            }
        }
    }

    /// Lights what is due, and says when to come again.
    pub fn light(&mut self, now: Instant) -> Option<Instant> {
        let late = self.mark_late(now);
        let mut next = late;
        for fixture in &mut self.fixtures {
            let at = match &mut fixture.light {
                Light::Ours { player, at } => match player.light(now) {
                    Ok(edge) => {
                        // Not before: one that is taken and cannot be lit is not told of every 10 s.
                        if fixture.told.take().is_some() {
                            log::info!("the LED `{}` lights again, at {at}", fixture.owner.name());
                        }
                        edge
                    }
                    Err(problem) => {
                        let why = NotTaken { at: at.clone(), problem };
                        self.given_up.extend(fixture.fail(why, now));
                        Some(now)
                    }
                },
                // What is due while a job is under way waits for its end.
                Light::Failed { again, .. } if self.job.is_none() => Some(*again),
                _ => None,
            };
            next = next.into_iter().chain(at).min();
        }
        next
    }

    /// Tells of a driver that does not answer; or when that will be.
    fn mark_late(&mut self, now: Instant) -> Option<Instant> {
        let job = self.job.as_mut()?;
        let late = job.late?;
        if now < late {
            return Some(late);
        }
        job.late = None;
        for fixture in &mut self.fixtures {
            if let Light::Asked { is_late, .. } = &mut fixture.light {
                *is_late = true;
                fixture.warn(NO_ANSWER);
            }
        }
        None
    }

    /// Whether an LED of the box is ours.
    pub fn has_box_lamp(&self) -> bool {
        let is_one = |it: &Fixture| matches!((&it.owner, &it.light), (Owner::Box(_), Light::Ours { .. }));
        self.fixtures.iter().any(is_one)
    }

    /// Whether any LED is ours.
    pub fn has_lamp(&self) -> bool {
        self.fixtures.iter().any(|it| matches!(it.light, Light::Ours { .. }))
    }

    /// Each LED for the board; those that are nowhere and not missed apart.
    pub fn statuses(&self) -> Vec<LampStatus> {
        self.fixtures.iter().filter_map(Fixture::status).collect()
    }

    /// Gives all back. Waits for that 0.8 s at most.
    pub async fn give_back(mut self) {
        if let Some(job) = self.job.take() {
            // What it took is dropped with its answers.
            let _ = timeout(LAST_ANSWER, job.answers).await;
        }
        let all = spawn_blocking(move || drop(self));
        if timeout(LAST_ANSWER, all).await.is_err() {
            log::warn!("not every LED was given back in time");
        }
    }
}

const NO_ANSWER: &str = "its driver does not answer; it is waited for";

impl Fixture {
    fn settle(&mut self, taken: Result<Option<Taken>, NotTaken>, now: Instant) {
        match taken {
            Ok(Some(taken)) => {
                self.light = Light::Ours { player: Player::new(taken.lamp), at: taken.at };
                self.play();
            }
            Ok(None) => self.light = Light::Absent,
            Err(why) => {
                self.fail(why, now);
            }
        }
    }

    /// Gives up the lamp, if there was one.
    fn fail(&mut self, why: NotTaken, now: Instant) -> Option<Player> {
        self.warn(&format!("{}: {}", why.at, why.problem));
        match std::mem::replace(&mut self.light, Light::Failed { why, again: now + AGAIN }) {
            Light::Ours { player, .. } => Some(player),
            _ => None,
        }
    }

    /// Once, until it lights again or something else is wrong.
    fn warn(&mut self, problem: &str) {
        if self.told.as_deref() != Some(problem) {
            log::warn!("the LED `{}` does not light: {problem}", self.owner.name());
            self.told = Some(problem.to_owned());
        }
    }

    fn play(&mut self) {
        if let Light::Ours { player, .. } = &mut self.light {
            player.play(&self.says.pattern(&self.owner), self.since);
        }
    }

    fn status(&self) -> Option<LampStatus> {
        let (at, dims, problem) = match &self.light {
            Light::Ours { player, at } => (at.clone(), player.dims(), None),
            Light::Asked { is_late: true, .. } => (String::new(), false, Some(NO_ANSWER.to_owned())),
            Light::Failed { why, .. } | Light::Asked { before: Some(why), .. } => {
                (why.at.clone(), false, Some(why.problem.clone()))
            }
            Light::Due | Light::Asked { .. } | Light::Absent => return None,
        };
        Some(LampStatus { lamp: self.owner.name().to_owned(), at, dims, problem })
    }
}
