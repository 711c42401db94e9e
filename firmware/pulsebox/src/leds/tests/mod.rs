//! The room from outside: a board and a configuration in, light out. The lamps are a recorder; real drivers are tried
//! in a virtual machine (vm/tests).

mod day;
mod looks;
mod quiet;
mod taking;
mod waves;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::room::{Means, run};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::monitor::board::{Board, CameraStatus, State};

pub(super) use recorder::{Entry, Recorder};

mod recorder;

/// Green on 27, red on 17, and ACT.
const ALL_THREE: &str = "leds: { green: 27, red: 17 }";

/// A room that runs, with all that goes in and comes out.
pub(super) struct House {
    board: Board,
    config: watch::Sender<Arc<Config>>,
    recorder: Recorder,
    stop: CancellationToken,
    room: JoinHandle<()>,
}

fn parsed(yaml: &str) -> Arc<Config> {
    Arc::new(config::parse(yaml).unwrap().0)
}

impl House {
    /// With a network and this configuration, at this time.
    async fn at(yaml: &str, start: &str) -> Self {
        let house = Self::with(yaml, start, Recorder::default());
        settled().await;
        house
    }

    async fn new(yaml: &str) -> Self {
        Self::at(yaml, "2026-11-21T12:00:00Z").await
    }

    fn with(yaml: &str, start: &str, recorder: Recorder) -> Self {
        let board = Board::default();
        board.change_host(|host| host.network = true);
        let (config, watched) = watch::channel(parsed(yaml));
        let stop = CancellationToken::new();
        let clock = Clock::turned(start.parse().unwrap());
        let means = Means { board: board.clone(), config: watched, clock, wiring: Arc::new(recorder.clone()) };
        let room = tokio::spawn(run(means, stop.clone()));
        Self { board, config, recorder, stop, room }
    }

    /// Cameras in these states: `0`, `1` and so on.
    fn put(&self, states: &[State]) {
        let cameras = states.iter().enumerate().map(|(n, state)| (n.to_string(), Arc::new(camera(n, *state))));
        let cameras = cameras.collect();
        self.board.change(|snapshot| snapshot.cameras = cameras, []);
    }

    fn configure(&self, yaml: &str) {
        self.config.send_replace(parsed(yaml));
    }

    async fn end(self) -> Recorder {
        self.stop.cancel();
        self.room.await.unwrap();
        self.recorder
    }
}

/// The room has had its say, and blocking threads theirs; no time passes but a millisecond.
async fn settled() {
    sleep(Duration::from_millis(1)).await;
}

fn camera(n: usize, state: State) -> CameraStatus {
    CameraStatus::unseen(n.to_string(), state)
}
