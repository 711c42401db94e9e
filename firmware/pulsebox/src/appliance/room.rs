//! Holds facts, asks and board together: looks once a second, and is asked by web and MQTT.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::facts::Faults;
use super::keep::{self, Kept};
use super::{Ask, Asks, Facts, Places, upload, wellness};
use crate::config::Config;
use crate::monitor::appliance::UpdateState;
use crate::monitor::board::{Board, Snapshot};

/// Facts are read this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Files in memory answer within this time, or the machine has other troubles.
const ANSWER: Duration = Duration::from_secs(5);

/// What the room needs.
#[derive(Clone, Debug)]
pub struct Means {
    /// Where `host.appliance` is written.
    pub board: Board,
    /// Which cameras there are.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where facts and asks lie.
    pub places: Places,
}

/// Why root's jobs were not asked.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// What goes on and must end first, a clause.
    #[error("{0}")]
    Busy(&'static str),
    /// There is nothing to install.
    #[error("no update waits")]
    NothingWaits,
    /// The folder of asks cannot be written.
    #[error("{} cannot be asked for: {source}", ask.name())]
    Unheard {
        /// What was to be asked for.
        ask: Ask,
        /// Why it cannot be.
        source: io::Error,
    },
}

/// Nothing goes on.
fn free(why: Option<&'static str>) -> Result<(), NotAsked> {
    why.map_or(Ok(()), |why| Err(NotAsked::Busy(why)))
}

/// The appliance. Cheap to clone; clones are one.
#[derive(Clone, Debug)]
pub struct Room {
    board: Board,
    config: watch::Receiver<Arc<Config>>,
    places: Places,
    asks: Asks,
    /// Why what is written does not stay.
    data_fault: watch::Sender<Option<String>>,
    uploads: Arc<Semaphore>,
}

impl Room {
    /// Reads the facts and puts them on the board, so that nobody takes this box for another kind of machine. Blocks
    /// for a moment.
    pub fn open(means: Means) -> Self {
        let Means { board, config, places } = means;
        let asks = Asks::new(places.asks.clone());
        let room = Self {
            board,
            config,
            places,
            asks,
            data_fault: watch::Sender::new(None),
            uploads: Arc::new(Semaphore::new(1)),
        };
        room.tell(&Facts::read(&room.places.facts));
        room.clear_bundles();
        room
    }

    /// Removes an upload whose ask the power took along: nobody waits for it, and it is large.
    fn clear_bundles(&self) {
        if self.busy().is_some() {
            return; // the daemon alone has started anew
        }
        match upload::clear(&self.places.bundles) {
            Ok(true) => log::warn!("an uploaded update was not taken before the box was switched off; upload it again"),
            Ok(false) => {}
            Err(error) => log::warn!("a former upload cannot be removed: {error}"),
        }
    }

    /// Why what is written does not stay, a sentence; none while all is well.
    pub fn data_fault(&self) -> watch::Receiver<Option<String>> {
        self.data_fault.subscribe()
    }

    /// Where an uploaded bundle is put.
    pub fn bundles(&self) -> PathBuf {
        self.places.bundles.clone()
    }

    /// A place for one upload; none while another goes on.
    pub fn upload_place(&self) -> Option<OwnedSemaphorePermit> {
        self.uploads.clone().try_acquire_owned().ok()
    }

    /// How the update is; none where that is not known.
    pub fn update_state(&self) -> Option<UpdateState> {
        self.board.now().host.appliance.as_ref()?.update_state()
    }

    /// Why no update can be begun now, a clause; none where one can.
    pub fn busy(&self) -> Option<&'static str> {
        if let Some(why) = self.writing() {
            return Some(why);
        }
        if self.update_state() == Some(UpdateState::Trying) {
            return Some("the last update is on trial still");
        }
        let is_pending = |ask| self.asks.is_pending(ask);
        (is_pending(Ask::Install) || is_pending(Ask::Check)).then_some("an update is about to be looked at")
    }

    /// Why the box must not be restarted now, a clause; none where it may.
    fn writing(&self) -> Option<&'static str> {
        match self.update_state() {
            Some(UpdateState::Checking) => Some("an update is being checked"),
            Some(UpdateState::Writing) => Some("an update is being written"),
            Some(UpdateState::Written) => Some("an update is written, and the box restarts for it"),
            _ => None,
        }
    }

    /// Why the box must not be wiped now, a clause; none where it may: with the trial wiped as well, a system that nobody
    /// has proved would be taken for a good one.
    fn keeping(&self) -> Option<&'static str> {
        let is_trying = self.update_state() == Some(UpdateState::Trying);
        self.writing().or(is_trying.then_some("the last update is on trial still, ten minutes at most"))
    }

    /// Has the bundle installed that waits.
    ///
    /// # Errors
    /// None waits, or another update goes on.
    pub async fn install(&self) -> Result<(), NotAsked> {
        free(self.busy())?;
        if self.update_state() != Some(UpdateState::Waiting) {
            return Err(NotAsked::NothingWaits);
        }
        self.ask(Ask::Install).await
    }

    /// Has the box restarted.
    ///
    /// # Errors
    /// An update is being written.
    pub async fn restart(&self) -> Result<(), NotAsked> {
        free(self.writing())?;
        self.ask(Ask::Restart).await
    }

    /// Has the box wiped and restarted.
    ///
    /// # Errors
    /// An update is being written, or is on trial.
    pub async fn reset(&self) -> Result<(), NotAsked> {
        free(self.keeping())?;
        self.ask(Ask::Reset).await
    }

    /// Asks root's jobs for something, whatever goes on.
    ///
    /// # Errors
    /// The folder of asks cannot be written.
    pub async fn ask(&self, ask: Ask) -> Result<(), NotAsked> {
        let asks = self.asks.clone();
        let asked = spawn_blocking(move || asks.ask(ask)).await.map_err(io::Error::other).flatten();
        asked.map_err(|source| NotAsked::Unheard { ask, source })
    }

    /// Keeps the board true, and `up` and `wellness` for root's jobs, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let folder = self.places.told.clone();
        let bundles = self.places.bundles.clone();
        let kept = || Files {
            up: Kept::new(&folder, "up"),
            wellness: Kept::new(&folder, "wellness"),
            faults: Kept::new(&bundles, Faults::NAME),
            bundles: bundles.clone(),
        };
        let mut files = kept();
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut at_work = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let snapshot = self.board.now().clone();
            let config = self.config.borrow().clone();
            let facts = self.places.facts.clone();
            let work = at_work.get_or_insert_with(|| {
                let mut files = std::mem::replace(&mut files, kept());
                spawn_blocking(move || {
                    let facts = Facts::read(&facts);
                    files.keep(&facts, &snapshot, &config);
                    (facts, files)
                })
            });
            // One thread at most: what hangs is waited for again.
            let Ok(done) = timeout(ANSWER, work).await else { continue };
            at_work = None;
            if let Ok((facts, kept)) = done {
                files = kept;
                self.tell(&facts);
            }
        }
    }

    fn tell(&self, facts: &Facts) {
        let now = Some(facts.appliance.clone());
        // Compared before the change: what is the same wakes nobody.
        if self.board.now().host.appliance == now {
            return;
        }
        self.data_fault.send_replace(facts.appliance.data_fault());
        self.board.change_host(|host| host.appliance = now);
    }
}

/// What the daemon keeps for root's jobs, and for the daemon of the next system.
struct Files {
    up: Kept,
    wellness: Kept,
    /// What was wrong before the update; it outlives the restart.
    faults: Kept,
    bundles: PathBuf,
}

impl Files {
    fn keep(&mut self, facts: &Facts, snapshot: &Snapshot, config: &Config) {
        self.up.keep(Some(keep::up(snapshot)));
        let is_configured = |id: &str| config.camera(id).is_some();
        let judged = |trial| wellness::judge(trial, Faults::read(&self.bundles), snapshot, is_configured);
        self.wellness.keep(facts.trial.as_ref().map(judged).map(|told| keep::wellness(&told)));
        if facts.appliance.update_state() == Some(UpdateState::Writing) {
            // A bundle from a stick comes by no upload, which would have made the folder.
            let _ = std::fs::create_dir_all(&self.bundles);
            self.faults.keep(Some(Faults::of(&snapshot.host).text()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tokio::time::timeout;

    use super::*;
    use crate::monitor::board::{CameraStatus, State};

    struct Running {
        run: tempfile::TempDir,
        room: Room,
        _config: watch::Sender<Arc<Config>>,
    }

    fn room(yaml: &str) -> Running {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir_all(run.path().join("box")).unwrap();
        fs::create_dir_all(run.path().join("pulsebox")).unwrap();
        let (config, _) = crate::config::parse(yaml).unwrap();
        let (sender, config) = watch::channel(Arc::new(config));
        let places = Places::new(run.path(), &run.path().join("data"));
        let room = Room::open(Means { board: Board::default(), config, places });
        Running { run, room, _config: sender }
    }

    fn tell(run: &Path, name: &str, text: &str) {
        let new = run.join("box").join(format!(".{name}"));
        fs::write(&new, text).unwrap();
        fs::rename(new, run.join("box").join(name)).unwrap();
    }

    async fn until(path: &Path, words: &str) -> String {
        let found = async {
            loop {
                let text = fs::read_to_string(path).unwrap_or_default();
                if text.contains(words) {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(20), found).await.unwrap_or_else(|_| panic!("{words}"))
    }

    #[tokio::test]
    async fn the_board_follows_the_facts_and_roots_jobs_hear_of_the_cameras() {
        let Running { run, room, _config } = room("streams: [ { name: a, url: 'rtsp://127.0.0.1:1/a' } ]");
        assert!(room.board.now().host.appliance.is_some(), "at once");
        let stop = CancellationToken::new();
        let task = tokio::spawn(room.clone().run(stop.clone()));
        let run = run.path();
        assert_eq!(until(&run.join("pulsebox/up"), "network").await, "\nnetwork=no\nlooked=yes\n");

        room.board.change_host(|host| host.network = true);
        let camera = Arc::new(CameraStatus::unseen("a", State::Up));
        room.board.change(
            |now| {
                now.order = ["a".to_owned()].into();
                now.cameras.insert("a".into(), camera);
            },
            [],
        );
        tell(run, "data", "state=memory\nmessage=no partition; use another card\n");
        tell(run, "update", "state=trying\nversion=2\nwas_up=a\nwas_network=yes\n");
        let mut data_fault = room.data_fault();
        let told =
            timeout(Duration::from_secs(20), data_fault.wait_for(Option::is_some)).await.unwrap().unwrap().clone();
        assert_eq!(told.as_deref(), Some("no partition; use another card"));
        let wellness = until(&run.join("pulsebox/wellness"), "state=").await;
        assert_eq!(wellness, "state=not-yet\nmessage=cameras that were up before are missing: a (not looked at yet)\n");
        let up = until(&run.join("pulsebox/up"), "network=yes").await;
        assert_eq!(up, "\nnetwork=yes\nlooked=no\n", "nobody looked at it yet");
        assert_eq!(room.busy(), Some("the last update is on trial still"));

        tell(run, "update", "state=good\nversion=2\n");
        let gone = async {
            while run.join("pulsebox/wellness").exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(20), gone).await.unwrap();
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn what_was_wrong_before_an_update_is_known_to_the_daemon_that_judges_it() {
        let Running { run, room, _config } = room("");
        let stop = CancellationToken::new();
        let task = tokio::spawn(room.clone().run(stop.clone()));
        let run = run.path();
        let faults = run.join("data/update/faults");
        room.board.change_host(|host| {
            host.network = true;
            host.config_fault = Some("pulsebox.yaml:3:1: no such key".into());
        });
        until(&run.join("pulsebox/up"), "network=yes").await;
        assert!(!faults.exists(), "nothing is written for nothing");
        tell(run, "update", "state=writing\npercent=3\nversion=2\n");
        assert_eq!(until(&faults, "storage").await, "config=yes\nstorage=no\n");
        tell(run, "update", "state=trying\nversion=2\nwas_up=\nwas_network=yes\n");
        let wellness = run.join("pulsebox/wellness");
        until(&wellness, "state=well").await;
        fs::remove_file(&faults).unwrap();
        until(&wellness, "state=not-yet\nmessage=the configuration that was good before is not read").await;
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn an_upload_whose_ask_was_lost_with_the_power_does_not_stay() {
        let Running { run, room, _config } = room("");
        let again =
            || Room::open(Means { board: Board::default(), config: _config.subscribe(), places: room.places.clone() });
        let bundle = room.bundles().join("update.raucb");
        fs::create_dir_all(room.bundles()).unwrap();
        fs::write(&bundle, "whole").unwrap();
        fs::write(room.bundles().join("update.raucb.part"), "half").unwrap();
        room.ask(Ask::Install).await.unwrap();
        again();
        assert!(bundle.exists(), "the daemon alone has started anew: its job is about to take it");
        fs::remove_dir_all(run.path().join("pulsebox/ask")).unwrap();
        again();
        assert_eq!(fs::read_dir(room.bundles()).unwrap().count(), 0);
        again();
    }

    #[tokio::test]
    async fn nothing_is_begun_while_an_update_runs_or_was_just_asked_for() {
        let Running { run, room, _config } = room("");
        assert_eq!(room.busy(), None);
        room.ask(Ask::Check).await.unwrap();
        assert!(room.busy().unwrap().contains("about to be"));
        assert_eq!(room.writing(), None);
        fs::remove_file(run.path().join("pulsebox/ask/check")).unwrap();
        for state in ["checking", "writing", "written"] {
            tell(run.path(), "update", &format!("state={state}\n"));
            room.tell(&Facts::read(&room.places.facts));
            assert!(room.busy().is_some() && room.writing().is_some(), "{state}");
        }
        assert_eq!(room.keeping(), room.writing());
        tell(run.path(), "update", "state=trying\n");
        room.tell(&Facts::read(&room.places.facts));
        assert!(room.writing().is_none() && room.keeping().unwrap().contains("on trial"));
        let one = room.upload_place();
        assert!(one.is_some() && room.upload_place().is_none());
        drop(one);
        assert!(room.upload_place().is_some());
    }
}
