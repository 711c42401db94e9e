//! Plays a pattern on a lamp. Each edge is reckoned from the pattern's begin, so nothing drifts; a player that was
//! held up lights what is due now and skips what has passed. It has no task and no clock: whoever owns it says
//! what time it is and sleeps until the edge that it names.

use tokio::time::Instant;

use super::pattern::Pattern;

/// What lights up. Dropping it gives it back, and may block for a moment.
pub trait Lamp: Send {
    /// Lights it, 0 to 100 percent. Blocks for a few microseconds.
    ///
    /// # Errors
    /// It is there no more: what happened, for a person.
    fn set(&mut self, level: u8) -> Result<(), String>;

    /// Whether levels between 0 and 100 are told apart.
    fn dims(&self) -> bool {
        false
    }
}

/// A lamp and what it plays; dark at first.
pub struct Player {
    lamp: Box<dyn Lamp>,
    pattern: Pattern,
    begun: Instant,
    /// None where it is not known what the lamp does.
    lit: Option<u8>,
}

impl Player {
    /// A lamp that plays nothing yet.
    pub fn new(lamp: Box<dyn Lamp>) -> Self {
        Self { lamp, pattern: Pattern::steady(0), begun: Instant::now(), lit: None }
    }

    /// Whether the lamp can be dimmed.
    pub fn dims(&self) -> bool {
        self.lamp.dims()
    }

    /// Plays this from now on, as if it had begun at `begun`.
    pub fn play(&mut self, pattern: &Pattern, begun: Instant) {
        self.pattern = if self.lamp.dims() { pattern.clone() } else { pattern.switched() };
        self.begun = begun;
    }

    /// Lights what is due at `now`, and says when to come again; none where nothing changes by itself.
    ///
    /// # Errors
    /// As [`Lamp::set`].
    pub fn light(&mut self, now: Instant) -> Result<Option<Instant>, String> {
        let (level, edge) = self.pattern.at(now.saturating_duration_since(self.begun));
        if self.lit != Some(level) {
            self.lit = None;
            self.lamp.set(level)?;
            self.lit = Some(level);
        }
        Ok(edge.map(|edge| self.begun + edge))
    }
}
