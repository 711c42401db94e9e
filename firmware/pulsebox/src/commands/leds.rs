//! `pulsebox leds demo`: every row of the LED card by name, on the LEDs that are configured, or in the terminal.
//! `pulsebox leds off`: the LEDs after a daemon that is no more. `pulsebox leds booting`: before there is one.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use pulsebox::config::{self, Config, Machine};
use pulsebox::leds::absence;
use pulsebox::leds::card::{BoxLamp, CARD, Row, Shown, Sign, Wave};
use pulsebox::leds::demo::{Stage, strip};
use pulsebox::leds::wiring::Kernel;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{USAGE, fail, runtime};

/// Where the daemon looks as well.
const DEFAULT: &str = "pulsebox.yaml";
/// What systemd calls an end that nothing is wrong with (`SERVICE_RESULT`, systemd.exec(5)).
const ORDERLY: &str = "success";
/// Until it is told to stop: no box starts for a day.
const FOR_EVER: Duration = Duration::from_secs(86_400);
/// Cameras down in the row that counts them.
const BLINKS: usize = 3;

/// Where the LEDs are.
#[derive(clap::Args)]
pub struct Place {
    /// The configuration that says where the LEDs are; pulsebox.yaml, where that is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// This is the appliance: its LEDs are at their places unless the configuration says otherwise
    #[arg(long)]
    appliance: bool,
}

/// The command line of `pulsebox leds demo`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// How long each row is shown
    #[arg(long, value_name = "N", default_value = "6", value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Only this row, by its name
    #[arg(long, value_name = "SIGN")]
    only: Option<String>,
}

/// Plays the card. Exit 0 at its end or where it is interrupted, 1 where the configuration is wrong or no LED that it
/// names lights, 2 for a name that is not on the card.
pub fn demo(args: &Args) -> ExitCode {
    let rows: Vec<&Row> = match &args.only {
        None => CARD.iter().collect(),
        Some(name) => CARD.iter().filter(|row| row.name == *name).collect(),
    };
    if let (Some(name), true) = (&args.only, rows.is_empty()) {
        let names: Vec<&str> = CARD.iter().map(|row| row.name).collect();
        return fail(USAGE, &format!("`{name}` is not on the LED card; on it are {}", names.join(", ")));
    }
    if args.place.config.is_none() && !Path::new(DEFAULT).exists() {
        say(&format!(
            "There is no {DEFAULT} in this folder: only the Pi's own LED is played. --config FILE says where yours is; \
             the service's is /var/lib/pulsebox/pulsebox.yaml, the appliance's /data/pulsebox/pulsebox.yaml (with \
             --appliance)."
        ));
    }
    let config = match read(args.place.config.as_deref(), Machine::of(args.place.appliance)) {
        Ok(config) => config,
        Err(problem) => return fail(1, &problem),
    };
    match runtime() {
        Ok(runtime) => runtime.block_on(play(&config, &rows, Duration::from_secs(args.seconds.into()))),
        Err(code) => code,
    }
}

/// Has the LEDs say that Pulsebox is not running. Exit 0, 1 where an LED refuses or the configuration is wrong. Under
/// systemd, nothing is left to do after an orderly end.
pub fn off(place: &Place) -> ExitCode {
    if std::env::var("SERVICE_RESULT").is_ok_and(|result| result == ORDERLY) {
        return ExitCode::SUCCESS;
    }
    let mut ended = ExitCode::SUCCESS;
    let machine = Machine::of(place.appliance);
    let config = read(place.config.as_deref(), machine).or_else(|problem| {
        ended = fail(1, &problem);
        // A box that does not start for a mistake in its file says so on ACT, at least.
        read_text("", machine)
    });
    let Ok(config) = config else { return ended };
    let all = absence::show(&Kernel::default(), &config);
    if all.is_empty() {
        say("No LED is configured, and this machine has none of its own that Pulsebox knows.");
    }
    for left in all {
        match left.problem {
            None => say(&format!("{}: {}", left.lamp, left.at)),
            Some(problem) => ended = fail(1, &format!("{}: {}: {problem}", left.lamp, left.at)),
        }
    }
    ended
}

/// Blinks as the card's row for a box that starts, until SIGTERM; then the lines are given back, and ACT blinks on by
/// the kernel until the daemon takes it. Exit 0, also where nothing lights: a box starts without LEDs too.
pub fn booting(place: &Place) -> ExitCode {
    let machine = Machine::of(place.appliance);
    // So early, the file may not be there yet, or be one that is about to be refused.
    let config = read(place.config.as_deref(), machine).or_else(|_| read_text("", machine));
    let Ok(mut config) = config else { return ExitCode::SUCCESS };
    if std::mem::take(&mut config.leds.act) {
        match Kernel::default().blink_act() {
            Ok(Some(at)) => say(&format!("act: {at}")),
            Ok(None) => {}
            Err(why) => say(&format!("act: {}: {}", why.at, why.problem)),
        }
    }
    // A camera's own LED has nothing to say yet.
    config.cameras.clear();
    match runtime() {
        Ok(runtime) => runtime.block_on(blink(&config)),
        Err(code) => return code,
    }
    ExitCode::SUCCESS
}

async fn blink(config: &Config) {
    let stop = until_told();
    let mut stage = Stage::set(config).await;
    for line in stage.told() {
        say(line);
    }
    if !stage.is_dark() {
        stage.play(Shown::plain(Sign::Booting), FOR_EVER, &stop).await;
    }
    stage.strike().await;
}

fn read_text(text: &str, machine: Machine) -> Result<Config, String> {
    config::parse_on(text, machine).map(|(config, _)| config).map_err(|errors| errors.to_string())
}

/// A file that nobody named need not be there: then it is as an empty one.
fn read(file: Option<&Path>, machine: Machine) -> Result<Config, String> {
    match file {
        None if !Path::new(DEFAULT).exists() => read_text("", machine),
        file => {
            let read = config::read_on(file.unwrap_or(Path::new(DEFAULT)), machine);
            read.map(|(config, _)| config).map_err(|e| e.to_string())
        }
    }
}

/// Cancelled by SIGINT or SIGTERM.
fn until_told() -> CancellationToken {
    let stop = CancellationToken::new();
    if let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stop.cancel();
        });
    }
    stop
}

async fn play(config: &Config, rows: &[&Row], seconds: Duration) -> ExitCode {
    let stop = until_told();
    let mut stage = Stage::set(config).await;
    for line in stage.told() {
        say(line);
    }
    let is_dark = stage.is_dark();
    let failed = is_dark && stage.has_problem();
    if is_dark {
        say("No LED lights here, so the card is drawn: one character is 50 ms.");
    }
    for row in rows {
        let shown = shown(row);
        let counted = if shown.count > 0 { format!(", here {} of them", shown.count) } else { String::new() };
        say(&format!("\n{}: {}{counted}\n  {}", row.name, row.holds, row.advice));
        let words = [row.green, row.red, row.act];
        for (lamp, words) in BoxLamp::ALL.into_iter().zip(words) {
            if is_dark {
                say(&format!("  {:5} {}", lamp.name(), strip(&shown.pattern(lamp))));
            }
            say(&format!("  {:5} {words}", if is_dark { "" } else { lamp.name() }));
        }
        // Drawn into a file, nobody watches it blink.
        if !is_dark || io::stdout().is_terminal() {
            stage.play(shown, seconds, &stop).await;
        }
        if stop.is_cancelled() {
            break;
        }
    }
    stage.strike().await;
    ExitCode::from(u8::from(failed))
}

fn shown(row: &Row) -> Shown {
    let count = if let Wave::Counted = row.wave { BLINKS } else { 0 };
    Shown { sign: row.sign, count }
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
