//! A change of `network:` by the page is on trial: unless somebody who reaches the box by it confirms it, the former one
//! comes back.
//!
//! The former `network:` lies beside the file (`.<name>.trial`) before the new one is written, so that a box that is
//! started anew within the time goes back at once. The card's own file is no trial: whoever puts it there has the card.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::edit::{self, Change};
use super::model::{Config, Network};
use super::store::{Inner, Seen, Store, WriteError};
use super::{Machine, on_disk, parse_on};

/// Time to find the box under its new address and say so.
const CONFIRM_WITHIN: Duration = Duration::from_secs(120);
/// A file in somebody's hands, or a disk that refuses, is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What a new text means for the trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The network stays as it is.
    Nothing,
    /// Another network than the one that is confirmed.
    Begins,
    /// The confirmed one is back.
    Ends,
}

/// Where the former `network:` lies.
pub(super) fn file(path: &Path) -> PathBuf {
    on_disk::beside(path, "trial")
}

/// The `network:` that is confirmed while another is on trial.
fn former(path: &Path) -> Option<Json> {
    serde_json::from_str(&on_disk::read_text(&file(path)).ok()?).ok()
}

/// `text`, the file's at `path`, with the network that is confirmed where another is on trial. Blocks.
pub(super) fn confirmed(path: &Path, text: String) -> String {
    let Some(former) = former(path) else { return text };
    edit::set_keys(&text, &[Change::new("network", former)]).unwrap_or(text)
}

/// When the trial that a box was started in ends: at once.
pub(super) fn left_over(path: &Path, machine: Machine) -> Option<Instant> {
    (machine == Machine::Appliance && file(path).exists()).then(Instant::now)
}

/// The confirmed network, where the box was started while another was on trial: the daemon takes that one back, and
/// where it does not come up nobody would. `run` is a folder that is empty after each start; what was found first in it
/// counts until the next, so that a trial that begins later is not meant. None: the file holds. Blocks.
pub fn left_over_network(path: &Path, run: &Path) -> Option<Network> {
    let marker = run.join("pulsebox-network/left-over");
    let found = fs::metadata(file(path)).map(|it| format!("{} {} {}", it.ino(), it.mtime(), it.mtime_nsec()));
    let found = found.unwrap_or_default();
    let first = fs::read_to_string(&marker).unwrap_or_else(|_| {
        let kept = fs::create_dir_all(run.join("pulsebox-network")).and_then(|()| fs::write(&marker, &found));
        if let Err(error) = kept {
            log::warn!("{}: cannot be written: {error}", marker.display());
        }
        found.clone()
    });
    if found.is_empty() || found != first {
        return None;
    }
    meaning(former(path)?)
}

/// What a `network:` means.
fn meaning(network: Json) -> Option<Network> {
    let text = serde_json::json!({ "network": network }).to_string();
    parse_on(&text, Machine::Appliance).ok().map(|(config, _)| config.network)
}

impl Inner {
    /// Before `config` is written: keeps what to go back to.
    ///
    /// # Errors
    /// It cannot be kept; then the network must not be changed.
    pub(super) fn before_write(&self, seen: &Seen, config: &Config) -> io::Result<Step> {
        if self.machine != Machine::Appliance || config.network == self.current.borrow().network {
            return Ok(Step::Nothing);
        }
        let kept = former(&self.path);
        let confirmed = kept.clone().unwrap_or_else(|| edit::network(&seen.good));
        // By what it means: `network: {}` is none.
        if meaning(confirmed.clone()).is_some_and(|confirmed| confirmed == config.network) {
            return Ok(Step::Ends);
        }
        if kept.is_none() {
            on_disk::replace(&file(&self.path), &confirmed.to_string())?;
        }
        Ok(Step::Begins)
    }

    /// After it was written.
    pub(super) fn after_write(&self, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Begins => {
                log::warn!("the network's settings are on trial for {} s", CONFIRM_WITHIN.as_secs());
                self.trial.send_replace(Some(Instant::now() + CONFIRM_WITHIN));
            }
            Step::Ends => self.is_back(),
        }
    }

    /// The confirmed network is in force again, and in the file.
    fn is_back(&self) {
        let path = file(&self.path);
        if let Err(error) = on_disk::forget(&path) {
            // A start that finds it puts the same network in force.
            log::warn!("{}: cannot be removed: {error}", path.display());
        }
        self.trial.send_replace(None);
    }

    /// Puts the confirmed network back.
    fn revert(&self) -> Result<(), WriteError> {
        let mut seen = self.seen();
        // A change that held the lock meanwhile has its own time.
        if self.trial.borrow().is_none_or(|until| until > Instant::now()) {
            return Ok(());
        }
        if let Some(former) = former(&self.path) {
            let change = [Change::new("network", former)];
            let (text, config) = self.edited(&seen, |text| edit::set_keys(text, &change))?;
            if config.network != self.current.borrow().network {
                self.put(&mut seen, &text)?;
                log::warn!("nobody confirmed the network's settings: the former ones are in force again");
            }
        }
        // Still under the lock: a change that comes now begins a trial of its own.
        self.is_back();
        Ok(())
    }
}

impl Store {
    /// How long the network's settings are still on trial; none where they are not.
    pub fn network_trial(&self) -> Option<Duration> {
        let until = *self.inner().trial.borrow();
        until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Confirms the network's settings that are on trial. False: none are, or they were taken back already.
    ///
    /// # Errors
    /// The program is ending, or the disk refuses; then it is to be said again, and a power cut may take them back.
    pub async fn keep_network(&self) -> Result<bool, WriteError> {
        self.blocking(|inner| {
            let _seen = inner.seen();
            if inner.trial.borrow().is_none() {
                return Ok(false);
            }
            // Over only once that is on the disk: a start that finds the former network takes it back.
            let path = file(&inner.path);
            on_disk::forget(&path).map_err(|source| WriteError::NotWritten { path, source })?;
            inner.trial.send_replace(None);
            Ok(true)
        })
        .await
    }

    /// Takes back what nobody confirms in time, until `stop`.
    pub async fn follow_trial(self: Arc<Self>, stop: CancellationToken) {
        let mut trial = self.inner().trial.subscribe();
        let mut told = false;
        loop {
            let until = *trial.borrow_and_update();
            let over = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = trial.changed() => if changed.is_err() { return },
                () = over => match self.blocking(Inner::revert).await {
                    Ok(()) => told = false,
                    Err(error) => {
                        if !told {
                            log::error!("the network's former settings cannot be put back yet: {error}");
                        }
                        told = true;
                        let now = Instant::now();
                        self.inner().trial.send_if_modified(|until| match until {
                            Some(until) if *until <= now => {
                                *until = now + TRY_AGAIN;
                                true
                            }
                            // A change that came meanwhile has its own time.
                            _ => false,
                        });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::{advance, timeout};

    use super::*;

    const TEXT: &str =
        "# mine\nheartbeat_seconds: 20\nnetwork: { name: barn, wifi: { ssid: Home, password: geheim00 } }\n";

    struct Bench {
        file: PathBuf,
        _folder: tempfile::TempDir,
        store: Arc<Store>,
        stop: CancellationToken,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("pulsebox.yaml");
            fs::write(&file, TEXT).unwrap();
            Self::start(folder, file)
        }

        fn start(folder: tempfile::TempDir, file: PathBuf) -> Self {
            let store = Arc::new(Store::load_on(&file, Machine::Appliance).unwrap());
            let stop = CancellationToken::new();
            tokio::spawn(store.clone().follow_trial(stop.clone()));
            Self { file, _folder: folder, store, stop }
        }

        /// The power goes and comes back.
        fn restart(self) -> Self {
            self.stop.cancel();
            Self::start(self._folder, self.file)
        }

        async fn change(&self, path: &str, value: Json) {
            let change = [Change::new(path, value)];
            self.store.change(move |text| edit::set_keys(text, &change)).await.unwrap();
        }

        fn ssid(&self) -> String {
            self.store.current().network.wifi.as_ref().unwrap().ssid.clone()
        }

        /// Until the trial is over, in true time: the revert runs on a thread.
        async fn until_over(&self) {
            let mut trial = self.store.inner().trial.subscribe();
            tokio::time::resume();
            timeout(Duration::from_secs(20), trial.wait_for(Option::is_none)).await.unwrap().unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_confirms_is_taken_back_to_the_letter() {
        let bench = Bench::new();
        bench.change("network.wifi", json!({ "ssid": "Away", "password": "geheim11" })).await;
        assert_eq!(bench.ssid(), "Away");
        assert_eq!(bench.store.network_trial(), Some(CONFIRM_WITHIN));
        advance(Duration::from_secs(119)).await;
        assert_eq!((bench.ssid().as_str(), bench.store.network_trial()), ("Away", Some(Duration::from_secs(1))));
        bench.change("heartbeat_seconds", json!(30)).await;
        advance(Duration::from_secs(2)).await;
        bench.until_over().await;
        assert_eq!(bench.ssid(), "Home");
        let text = fs::read_to_string(&bench.file).unwrap();
        assert_eq!(crate::config::parse(&text).unwrap().0.network, crate::config::parse(TEXT).unwrap().0.network);
        assert!(text.contains("heartbeat_seconds: 30") && text.contains("# mine"), "the rest stays: {text}");
        assert!(!file(&bench.file).exists() && bench.store.network_trial().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_confirmed_stays() {
        let bench = Bench::new();
        bench.change("network.name", json!("shed")).await;
        assert!(bench.store.keep_network().await.unwrap());
        assert!(!bench.store.keep_network().await.unwrap(), "nothing is on trial any more");
        advance(Duration::from_secs(500)).await;
        assert_eq!(bench.store.current().network.name, "shed");
        let bench = bench.restart();
        assert_eq!((bench.store.network_trial(), bench.store.current().network.name.as_str()), (None, "shed"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_written_as_confirmed_is_still_on_trial() {
        let bench = Bench::new();
        bench.change("network.name", json!("shed")).await;
        let former = fs::read(file(&bench.file)).unwrap();
        fs::remove_file(file(&bench.file)).unwrap();
        fs::create_dir(file(&bench.file)).unwrap();
        assert!(bench.store.keep_network().await.is_err());
        assert!(bench.store.network_trial().is_some(), "nobody is told that it stays");
        fs::remove_dir(file(&bench.file)).unwrap();
        fs::write(file(&bench.file), former).unwrap();
        assert!(bench.store.keep_network().await.unwrap());
        assert!(!file(&bench.file).exists() && bench.store.network_trial().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_comes_as_the_time_is_over_has_its_own_time() {
        let bench = Bench::new();
        bench.change("network.wifi.ssid", json!("Away")).await;
        // As where the change was written before this got the lock.
        bench.store.blocking(Inner::revert).await.unwrap();
        assert_eq!((bench.ssid().as_str(), bench.store.network_trial()), ("Away", Some(CONFIRM_WITHIN)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_within_the_time_takes_it_back() {
        let bench = Bench::new();
        bench.change("network", Json::Null).await;
        let bench = bench.restart();
        bench.until_over().await;
        assert_eq!(bench.ssid(), "Home");
    }

    #[tokio::test(start_paused = true)]
    async fn before_the_daemon_is_there_a_box_that_starts_has_the_former_network() {
        let bench = Bench::new();
        let start = || tempfile::tempdir().unwrap();
        let ssid = |run: &tempfile::TempDir| {
            left_over_network(&bench.file, run.path()).map(|network| network.wifi.map(|wifi| wifi.ssid))
        };
        let first = start();
        assert_eq!(ssid(&first), None, "nothing was on trial");
        bench.change("network.wifi", json!({ "ssid": "Away", "password": "geheim11" })).await;
        assert_eq!(ssid(&first), None, "it began since: it is tried");
        let second = start();
        for _ in 0..2 {
            assert_eq!(ssid(&second), Some(Some("Home".to_owned())));
        }
        assert!(bench.store.keep_network().await.unwrap());
        assert_eq!((ssid(&second), ssid(&start())), (None, None), "confirmed");
        bench.change("network", Json::Null).await;
        assert_eq!(ssid(&second), None, "another trial, of this start");
        assert_eq!(ssid(&start()), Some(Some("Away".to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn several_changes_go_back_to_the_one_that_was_confirmed() {
        let bench = Bench::new();
        bench.change("network.wifi.ssid", json!("One")).await;
        advance(Duration::from_secs(100)).await;
        bench.change("network.wifi.ssid", json!("Two")).await;
        assert_eq!(bench.store.network_trial(), Some(CONFIRM_WITHIN), "each has its time");
        bench.change("network.wifi.ssid", json!("Home")).await;
        assert_eq!(bench.store.network_trial(), None, "as it was");
        bench.change("network.wifi.ssid", json!("Three")).await;
        advance(Duration::from_secs(121)).await;
        bench.until_over().await;
        assert_eq!(bench.ssid(), "Home");
    }

    #[tokio::test(start_paused = true)]
    async fn other_settings_and_other_machines_have_no_trial() {
        let bench = Bench::new();
        bench.change("heartbeat_seconds", json!(40)).await;
        assert_eq!(bench.store.network_trial(), None);
        let elsewhere = Store::load(&bench.file).unwrap();
        let change = [Change::new("network.name", json!("shed"))];
        elsewhere.change(move |text| edit::set_keys(text, &change)).await.unwrap();
        assert_eq!(elsewhere.network_trial(), None);
    }
}
