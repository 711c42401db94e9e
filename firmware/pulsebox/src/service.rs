//! How the daemon speaks to whoever started it: logs, and systemd's ready, status and watchdog.
//!
//! Under systemd, records go to the journal with their fields (`CAMERA=`, `FAULT=`, `STATE=`), so that
//! `journalctl CAMERA=garage` works; elsewhere they go to stderr, a line each.

use std::io::Write;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use sd_notify::NotifyState;
use systemd_journal_logger::JournalLog;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::camera::url::mask;
use crate::monitor::board::{Board, Counts};

/// The environment variable that sets how much is logged: error, warn, info (default), debug or trace.
pub const LOG_LEVEL: &str = "PULSEBOX_LOG";

/// Starts logging, to the journal where stderr is connected to it, else to stderr.
pub fn start_logging() {
    let level = std::env::var(LOG_LEVEL).ok().and_then(|v| v.parse().ok()).unwrap_or(LevelFilter::Info);
    let journal = systemd_journal_logger::connected_to_journal().then(JournalLog::new).and_then(Result::ok);
    log::set_max_level(level);
    // Fails only where a logger is set already, as in tests.
    let _ = log::set_boxed_logger(Box::new(Sink { level, journal }));
}

struct Sink {
    level: LevelFilter,
    journal: Option<JournalLog>,
}

impl Sink {
    /// Libraries speak to programmers: of them only errors are of use here, unless one asks for more.
    fn level_for(&self, target: &str) -> LevelFilter {
        let ours = target == "pulsebox" || target.starts_with("pulsebox::");
        if ours || self.level >= LevelFilter::Debug { self.level } else { self.level.min(LevelFilter::Error) }
    }
}

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level_for(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // The last line of defence: whoever wrote the message, no URL in it keeps its credentials.
        let text = mask(&record.args().to_string());
        match &self.journal {
            Some(journal) => journal.log(
                &Record::builder()
                    .metadata(record.metadata().clone())
                    .key_values(record.key_values())
                    .module_path(record.module_path())
                    .file(record.file())
                    .line(record.line())
                    .args(format_args!("{text}"))
                    .build(),
            ),
            None => {
                let word = match record.level() {
                    Level::Error => "error: ",
                    Level::Warn => "warning: ",
                    Level::Info => "",
                    Level::Debug | Level::Trace => "debug: ",
                };
                let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
                let _ = writeln!(std::io::stderr(), "{now} {word}{text}");
            }
        }
    }

    fn flush(&self) {}
}

/// Tells systemd that the daemon is ready. Nothing happens where systemd did not start it.
pub fn ready() {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

/// Tells systemd that the daemon is stopping.
pub fn stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// Feeds systemd's watchdog while `well` says so, and keeps its status line true, until `stop`.
/// With no watchdog asked for (`WATCHDOG_USEC`), only the status line is kept.
pub async fn keep_systemd_informed(board: Board, well: impl Fn() -> bool, stop: CancellationToken) {
    let watchdog = sd_notify::watchdog_enabled();
    let every = watchdog.map_or(Duration::from_secs(10), |limit| limit / 3).max(Duration::from_millis(100));
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if watchdog.is_some() && well() {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
        let status = status_line(&board);
        if status != told {
            let _ = sd_notify::notify(&[NotifyState::Status(&status)]);
            told = status;
        }
    }
}

/// `11 of 13 cameras up, 1 down, 1 degraded`.
pub fn status_line(board: &Board) -> String {
    let Counts { up, degraded, down, unknown, paused } = Counts::of(&board.now());
    let all = up + degraded + down + unknown + paused;
    if all == 0 {
        return "nothing to watch yet".into();
    }
    let others = [(down, "down"), (degraded, "degraded"), (unknown, "unknown"), (paused, "paused")];
    let others = others.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!(", {n} {word}"));
    format!("{up} of {all} cameras up{}", others.collect::<String>())
}
