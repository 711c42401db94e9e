//! Holds board, configuration, clock and LEDs together. Awake at an edge of a pattern, at a change of board or
//! configuration, and once a minute where there are quiet hours; else asleep.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::card::{Shown, Sign};
use super::fixtures::{Fixtures, Says};
use super::quiet::is_quiet;
use super::wiring::{Owner, Wiring, wanted};
use crate::clock::Clock;
use crate::config::Config;
use crate::monitor::board::{Board, IDENTIFY, LedsStatus, Snapshot, State};

/// What the room needs.
pub struct Means {
    /// What is shown, and where the LEDs' own state is written.
    pub board: Board,
    /// Which LEDs there are, and when it is quiet.
    pub config: watch::Receiver<Arc<Config>>,
    /// Tells the end of `identify` and the quiet hours.
    pub clock: Clock,
    /// Takes LEDs.
    pub wiring: Arc<dyn Wiring>,
}

/// Shows how box and cameras are until `stop`; then every LED is given back.
pub async fn run(means: Means, stop: CancellationToken) {
    let Means { board, mut config, clock, wiring } = means;
    let machine = {
        let wiring = wiring.clone();
        spawn_blocking(move || wiring.machine()).await.unwrap_or_default()
    };
    let mut snapshots = board.watch();
    let mut fixtures = Fixtures::new(wiring);
    let mut identify = Identify::default();
    config.mark_changed();
    loop {
        let now = Instant::now();
        if config.has_changed().unwrap_or(false) {
            fixtures.want(wanted(&config.borrow_and_update()), now);
        }
        // Borrowed once: two borrows of a watch in one statement and a writer between them wait for each other.
        let config_now = config.borrow().clone();
        let hours = config_now.leds.quiet_hours;
        let wall = clock.now();
        let is_quiet = is_quiet(hours, wall, &config_now.timezone);
        let shown = {
            let snapshot = snapshots.borrow_and_update();
            let shown = identify.shown(&snapshot, is_quiet, wall, now);
            fixtures.say(|owner| says(owner, shown, &snapshot, is_quiet), now);
            shown
        };
        fixtures.ask(now);
        let edge = fixtures.light(now);
        tell(&board, &fixtures, shown, is_quiet, &machine);

        let minute = hours.map(|_| now + to_next_minute(wall));
        let wake = edge.into_iter().chain(minute).chain(identify.ends).min();
        let wake = async {
            match wake {
                Some(wake) => sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            answers = fixtures.answered() => fixtures.settle(answers, Instant::now()),
            Ok(()) = snapshots.changed() => {}
            Ok(()) = config.changed() => config.mark_changed(),
            () = wake => {}
        }
    }
    fixtures.give_back().await;
}

/// What one LED has to say.
fn says(owner: &Owner, shown: Option<Shown>, snapshot: &Snapshot, is_quiet: bool) -> Says {
    match owner {
        Owner::Box(_) => shown.map_or(Says::Nothing, Says::Box),
        Owner::Camera(_) if is_quiet => Says::Nothing,
        Owner::Camera(id) => Says::Camera(snapshot.cameras.get(id).map_or(State::Unknown, |camera| camera.state)),
    }
}

fn tell(board: &Board, fixtures: &Fixtures, shown: Option<Shown>, is_quiet: bool, machine: &Option<String>) {
    let seen = shown.filter(|_| fixtures.has_box_lamp());
    let status = LedsStatus {
        shows: seen.map(|shown| shown.sign.row().name),
        count: seen.map_or(0, |shown| shown.count),
        is_quiet,
        lamps: fixtures.statuses(),
        machine: machine.clone(),
    };
    // Borrowed apart from the change: what is the same wakes nobody.
    let is_same = board.now().host.leds == status;
    if !is_same {
        board.change_host(|host| host.leds = status);
    }
}

/// Quiet hours begin and end with a minute. A clock that is set meanwhile is followed within one, too.
fn to_next_minute(wall: Timestamp) -> Duration {
    let past = u64::try_from(wall.as_millisecond().rem_euclid(60_000)).unwrap_or(0);
    Duration::from_millis(60_000 - past)
}

/// Somebody asked which box this is.
#[derive(Default)]
struct Identify {
    /// As the board has it.
    until: Option<Timestamp>,
    /// The same by the clock that nobody sets; none once it is over.
    ends: Option<Instant>,
}

impl Identify {
    /// What the box shows; none in quiet hours.
    fn shown(&mut self, snapshot: &Snapshot, is_quiet: bool, wall: Timestamp, now: Instant) -> Option<Shown> {
        let until = snapshot.host.identify_until;
        if until != self.until {
            self.until = until;
            let left = until.and_then(|until| Duration::try_from(until.duration_since(wall)).ok());
            // A clock that was set back would stretch it to hours.
            self.ends = left.filter(|left| !left.is_zero()).map(|left| now + left.min(IDENTIFY));
        }
        self.ends = self.ends.filter(|ends| *ends > now);
        match self.ends {
            Some(_) => Some(Shown::plain(Sign::Identify)),
            None if is_quiet => None,
            None => Some(Shown::of(snapshot)),
        }
    }
}
