//! What STATUS.TXT on the card says: for a person without a page, who puts the card into any PC.
//!
//! It is written to `/run/pulsebox/status.txt`, and root's job copies it to the card. A card wears and its FAT is best
//! left alone: what a person must know (where the page is, what was refused, what failed) is written within a minute, or
//! within ten where it goes on changing, and how many cameras are up at most every ten minutes.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::keep::Kept;
use super::places::Places;
use crate::camera::words;
use crate::clock::Clock;
use crate::config::Config;
use crate::monitor::appliance::UpdateState;
use crate::monitor::board::{Board, CameraStatus, ClockState, Counts, Snapshot, State};

/// Whether there is something to write is looked up this often.
const LOOK: Duration = Duration::from_secs(1);
/// The first is written when every camera has been looked at, or after this long.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// Between two that say nothing but other cameras.
const CAMERAS_EVERY: Duration = Duration::from_secs(600);
/// Between two, whatever they say: the last one wins.
const AT_MOST_EVERY: Duration = Duration::from_secs(60);
/// The same after so many within an hour: an address that comes and goes must not wear the card.
const CALM_EVERY: Duration = Duration::from_secs(600);
const CALM_AFTER: usize = 5;
const HOUR: Duration = Duration::from_secs(3600);
/// Cameras that are named.
const NAMED: usize = 50;
/// Characters of a camera's name, or of a message.
const SHORT: usize = 60;
const LONG: usize = 300;

/// What the writer needs.
#[derive(Clone, Debug)]
pub struct Means {
    /// What is.
    pub board: Board,
    /// Where the page is.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where `status.txt` is written.
    pub places: Places,
    /// Dates it.
    pub clock: Clock,
}

/// Keeps `status.txt` true until `stop`.
pub async fn keep_status(means: Means, stop: CancellationToken) {
    let started = Instant::now();
    let mut file = Kept::new(&means.places.told, "status.txt");
    let mut written: Option<(Instant, String, Counts)> = None;
    let mut pace = Pace::default();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let snapshot = means.board.now().clone();
        let config = means.config.borrow().clone();
        let (weighty, counts) = (weighty(&snapshot, &config), Counts::of(&snapshot));
        let is_due = match &written {
            None => counts.unknown == 0 || started.elapsed() >= FIRST_AFTER,
            Some((at, told, told_counts)) => {
                *told != weighty && at.elapsed() >= pace.rest(Instant::now())
                    || !same(told_counts, &counts) && at.elapsed() >= CAMERAS_EVERY
            }
        };
        if !is_due {
            continue;
        }
        let text = text(&snapshot, &config, means.clock.now());
        let Ok(kept) = spawn_blocking(move || {
            file.keep(Some(text));
            file
        })
        .await
        else {
            return; // the program is ending
        };
        file = kept;
        let now = Instant::now();
        pace.wrote(now);
        written = Some((now, weighty, counts));
    }
}

/// When the file was written of late.
#[derive(Debug, Default)]
struct Pace(VecDeque<Instant>);

impl Pace {
    /// How long after the last one the next may be written.
    fn rest(&self, now: Instant) -> Duration {
        let lately = self.0.iter().filter(|at| now.duration_since(**at) < HOUR).count();
        if lately >= CALM_AFTER { CALM_EVERY } else { AT_MOST_EVERY }
    }

    fn wrote(&mut self, now: Instant) {
        self.0.push_back(now);
        if self.0.len() > CALM_AFTER {
            self.0.pop_front();
        }
    }
}

fn same(one: &Counts, other: &Counts) -> bool {
    let all = |counts: &Counts| [counts.up, counts.degraded, counts.down, counts.unknown, counts.paused];
    all(one) == all(other)
}

/// What a person must know at once, in a form to compare: all but the cameras, and how far an update is.
fn weighty(snapshot: &Snapshot, config: &Config) -> String {
    let host = &snapshot.host;
    let box_ = host.appliance.clone().unwrap_or_default();
    let update = box_.update.as_ref().map(|update| (update.state, update.version.clone(), update.message.clone()));
    let faults = (&host.storage_fault, &host.history_repaired, &host.config_fault, host.clock == ClockState::Trusted);
    let cameras = snapshot.cameras.is_empty();
    format!("{:?}{:?}{:?}{:?}{faults:?}{cameras}", addresses(snapshot, config), box_.slot, box_.import, update)
        + &format!("{:?}{:?}", box_.version, box_.data)
}

/// Where the page is, the name first.
fn addresses(snapshot: &Snapshot, config: &Config) -> Vec<String> {
    let (scheme, usual) = if config.web.tls.is_some() { ("https", 443) } else { ("http", 80) };
    let port = config.web.listen.port();
    let host = &snapshot.host;
    let name = host.appliance.as_ref().and_then(|it| it.name.clone()).unwrap_or_else(|| host.name.clone());
    let behind = if port == usual { String::new() } else { format!(":{port}") };
    let by_number = |ip: &IpAddr| match ip {
        IpAddr::V4(_) if port == usual => format!("{scheme}://{ip}/"),
        IpAddr::V6(_) if port == usual => format!("{scheme}://[{ip}]/"),
        _ => format!("{scheme}://{}/", SocketAddr::new(*ip, port)),
    };
    if host.addresses.is_empty() {
        return Vec::new();
    }
    let mut all = vec![format!("{scheme}://{name}.local{behind}/")];
    // Two IPv6 addresses of a network help nobody.
    all.extend(host.addresses.iter().filter(|ip| ip.is_ipv4()).map(by_number));
    all.extend(host.addresses.iter().find(|ip| ip.is_ipv6()).map(by_number));
    all
}

/// One line, no longer than `max`.
fn plain(text: &str, max: usize) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(max).collect();
    if text.chars().count() > max {
        line.push('…');
    }
    line
}

/// What STATUS.TXT says, CRLF: Windows' oldest editor shows it.
fn text(snapshot: &Snapshot, config: &Config, now: Timestamp) -> String {
    let host = &snapshot.host;
    let mut out = String::from("Pulsebox\n========\n\n");
    let mut row = |title: &str, text: &str| {
        let _ = writeln!(out, "{title:<14}{text}");
    };
    let addresses = addresses(snapshot, config);
    match addresses.split_first() {
        None => row("Page:", "nowhere: the box has no network"),
        Some((first, others)) => {
            row("Page:", first);
            others.iter().for_each(|address| row("", address));
        }
    }
    let box_ = host.appliance.clone().unwrap_or_default();
    let (slot, version) = (box_.slot.as_deref().unwrap_or("?"), box_.version.as_deref().unwrap_or("?"));
    row("System:", &format!("{slot}, version {version}"));
    row("Cameras:", &counted(&Counts::of(snapshot)));
    let ailing = || snapshot.in_order().filter(|camera| matches!(camera.state, State::Down | State::Degraded));
    for camera in ailing().take(NAMED) {
        row("", &ailment(camera));
    }
    match ailing().count().saturating_sub(NAMED) {
        0 => {}
        more => row("", &format!("and {more} more")),
    }
    let mut errors = errors(snapshot);
    if errors.is_empty() {
        errors.push("none".into());
    }
    for (n, error) in errors.iter().enumerate() {
        row(if n == 0 { "Last error:" } else { "" }, error);
    }
    let time = now.to_zoned(config.timezone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    match host.clock {
        ClockState::Trusted => row("Written:", &time),
        ClockState::Untrusted => row("Written:", &format!("{time} by a clock that is not set yet")),
    }
    let [first, second] = next(snapshot);
    let _ = write!(out, "\nWhat to do:   {first}\n              {second}\n");
    out.replace('\n', "\r\n")
}

fn counted(counts: &Counts) -> String {
    let all = [
        (counts.up, "up"),
        (counts.degraded, "degraded"),
        (counts.down, "down"),
        (counts.unknown, "not looked at yet"),
        (counts.paused, "paused"),
    ];
    let words: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if words.is_empty() { "none yet".into() } else { words.join(", ") }
}

/// The verdict's own words: a report's message may quote what the camera sent.
fn ailment(camera: &CameraStatus) -> String {
    let verdict = camera.incident.as_ref().map(|incident| incident.verdict);
    let verdict = camera.last.as_ref().map(|report| report.verdict).or(verdict);
    let title = verdict.map_or("", |verdict| verdict.row().words(words::is_local(&camera.url)).title);
    format!("{}: {}, {title}", plain(&camera.name, SHORT), camera.state.name())
}

/// What is wrong with the box, the gravest first.
fn errors(snapshot: &Snapshot) -> Vec<String> {
    let host = &snapshot.host;
    let box_ = host.appliance.clone().unwrap_or_default();
    let told = |message: Option<String>, otherwise: &str| message.unwrap_or_else(|| otherwise.to_owned());
    let update = box_.update.as_ref().and_then(|update| {
        let (what, otherwise) = match update.state {
            UpdateState::RolledBack => ("was taken back", "the box runs the system it had before"),
            UpdateState::Refused => ("was refused", "it does not fit this box"),
            UpdateState::Failed => ("was not written to its end", "the box runs the system it had before"),
            _ => return None,
        };
        let which = update.version.as_ref().map_or("an update".into(), |version| format!("update {version}"));
        Some(format!("{which} {what}: {}", told(update.message.clone(), otherwise)))
    });
    let storage = host.storage_fault.clone().or_else(|| box_.data_fault()).map(|fault| format!("storage: {fault}"));
    let all = [box_.import_fault(), storage, update, host.config_fault.clone(), host.history_repaired.clone()];
    all.into_iter().flatten().map(|error| plain(&error, LONG)).collect()
}

/// Two lines.
fn next(snapshot: &Snapshot) -> [&'static str; 2] {
    let host = &snapshot.host;
    let box_ = host.appliance.clone().unwrap_or_default();
    if box_.import_fault().is_some() {
        return [
            "Correct the file that \"Last error\" names (line and column), or delete it from this card.",
            "Then start the box with it.",
        ];
    }
    if box_.is_updating() {
        return ["An update is being written: do not cut the power.", "The page says when it is done."];
    }
    if host.storage_fault.is_some() || box_.data_fault().is_some() {
        return [
            "The card may be worn: get a new one, flash it, and restore your backup from the page.",
            "Until then the box watches on and keeps nothing.",
        ];
    }
    if host.addresses.is_empty() || !host.network {
        return [
            "Plug in a network cable, or write your Wi-Fi into pulsebox.yaml on this card:",
            "network: { wifi: { ssid: NAME, password: PASSWORD, country: DE } }",
        ];
    }
    if snapshot.cameras.is_empty() {
        return [
            "Open the page in a browser of the same network, and add a camera.",
            "Where the first address does not open, take the next one.",
        ];
    }
    if Counts::of(snapshot).down > 0 {
        return [
            "Open the page: it says of each camera what to do.",
            "Where the first address does not open, take the next one.",
        ];
    }
    ["Nothing: the box watches by itself.", "The page shows the cameras; its LED says when something is wrong."]
}

#[cfg(test)]
mod tests;
