//! `pulsebox mqtt watch`: what the box publishes, a line for each message.

mod told;

use std::cell::Cell;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pulsebox::camera::Fault;
use pulsebox::config::{self, Mqtt};
use pulsebox::host::is_box_id;
use pulsebox::mqtt::{Heard, watch};
use tokio::signal::unix::{SignalKind, signal};

use self::told::Teller;
use super::{USAGE, fail, runtime};

/// Where the broker is looked up if nothing says so.
const CONFIG: &str = "pulsebox.yaml";
/// The largest file with a password, bytes.
const PASSWORD_MAX: u64 = 64 * 1024;
/// A broker that has gone is looked for again after this time.
const AGAIN: Duration = Duration::from_secs(3);

/// The options of `pulsebox mqtt watch`. What is not given is as the configuration says.
#[derive(clap::Args)]
pub struct Args {
    /// Where the broker is configured; pulsebox.yaml, unless --host is given
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The broker's name or address
    #[arg(long, value_name = "H")]
    host: Option<String>,
    /// Its port, whichever way it is spoken to
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The user name
    #[arg(long, value_name = "U")]
    username: Option<String>,
    /// Where the password is, on the first line
    #[arg(long, value_name = "F")]
    password_file: Option<PathBuf>,
    /// Encrypt
    #[arg(long)]
    tls: bool,
    /// PEM: who signs the broker's certificate
    #[arg(long, value_name = "F")]
    ca_file: Option<PathBuf>,
    /// Speak WebSocket
    #[arg(long)]
    websocket: bool,
    /// Only this box: 8 hex digits
    #[arg(long = "box", value_name = "ID", value_parser = box_id)]
    box_id: Option<String>,
    /// End after so many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Print topics and payloads as they are
    #[arg(long)]
    raw: bool,
}

fn box_id(text: &str) -> Result<String, String> {
    if is_box_id(text) {
        return Ok(text.into());
    }
    Err("give the 8 hex digits that stand in the box's topics".into())
}

/// Runs the command: 0 when it has seen what it was asked for or is interrupted, 1 where the broker is not to be had at first,
/// 2 where it is not known which.
pub fn run(args: &Args) -> ExitCode {
    let (mqtt, zone) = match settings(args) {
        Ok(settings) => settings,
        Err(problem) => return fail(USAGE, &problem),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let ended = runtime.block_on(listen(args, &mqtt, zone));
    // A name server that hangs must not hold the command back.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(1, &problem),
    }
}

async fn listen(args: &Args, mqtt: &Mqtt, zone: TimeZone) -> Result<(), String> {
    let signals = |e: io::Error| format!("cannot listen for signals: {e}");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let teller = Teller {
        status: mqtt.topic.clone(),
        prefix: mqtt.home_assistant.discovery_prefix.clone(),
        box_id: args.box_id.clone(),
        zone,
        raw: args.raw,
    };
    let mut left = args.count;
    let heard = |heard| {
        let Some(line) = teller.line(&heard, Timestamp::now()) else { return ControlFlow::Continue(()) };
        let is_read = writeln!(io::stdout(), "{line}").is_ok();
        left = left.map(|left| left - 1);
        if is_read && left != Some(0) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let watching = until_told(mqtt, args.box_id.as_deref(), heard);
    let over = async {
        match args.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds.into())).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = watching => ended.map_err(|fault: Fault| fault.to_string()),
        () = over => Ok(()),
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// Listens until `heard` breaks off. A broker that goes away after it was there is waited for.
///
/// # Errors
/// The broker is not to be had at first.
async fn until_told(
    mqtt: &Mqtt,
    box_id: Option<&str>,
    mut heard: impl FnMut(Heard) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let was_there = Cell::new(false);
    let is_lost = Cell::new(false);
    loop {
        let subscribed = |place: &str| {
            was_there.set(true);
            is_lost.set(false);
            let _ = writeln!(io::stderr(), "listening to {place}");
        };
        match watch(mqtt, box_id, subscribed, &mut heard).await {
            Err(fault) if was_there.get() => {
                if !is_lost.replace(true) {
                    let again = AGAIN.as_secs();
                    let _ = writeln!(io::stderr(), "pulsebox: {fault}; trying again every {again} s");
                }
                tokio::time::sleep(AGAIN).await;
            }
            ended => return ended,
        }
    }
}

/// The broker and the time zone, as the configuration and then the options say.
fn settings(args: &Args) -> Result<(Mqtt, TimeZone), String> {
    let (mut mqtt, zone) = match (&args.config, &args.host) {
        (None, Some(_)) => (Mqtt::default(), TimeZone::system()),
        (file, _) => {
            let file = file.as_deref().unwrap_or(Path::new(CONFIG));
            let config = config::read(file).map_err(|error| error.to_string())?.0;
            (config.mqtt, config.timezone)
        }
    };
    if let Some(host) = &args.host {
        if config::parse(&format!("mqtt: {{ host: {} }}", serde_json::Value::from(host.as_str()))).is_err() {
            // What stands there may hold a password.
            return Err(
                "--host: give a name or address, without scheme, user, password and port: --port, --username, \
                        --password-file and --websocket are for these"
                    .into(),
            );
        }
        if *host != mqtt.host {
            // What was meant for one broker is not told to another.
            (mqtt.username, mqtt.password) = (String::new(), String::new());
        }
        mqtt.host.clone_from(host);
    }
    if let Some(port) = args.port {
        (mqtt.port, mqtt.tls_port, mqtt.ws_port, mqtt.tls_ws_port) = (port, port, port, port);
    }
    mqtt.use_tls |= args.tls;
    mqtt.use_websocket |= args.websocket;
    if let Some(file) = &args.ca_file {
        mqtt.ca_file = file.to_str().ok_or("--ca-file: the name is not text; rename the file")?.to_owned();
    }
    if let Some(username) = &args.username {
        mqtt.username.clone_from(username);
    }
    if let Some(file) = &args.password_file {
        mqtt.password = password(file)?;
    }
    if mqtt.host.is_empty() {
        return Err("no broker is configured; give one with --host, or as mqtt: host: in the file".into());
    }
    Ok((mqtt, zone))
}

fn password(file: &Path) -> Result<String, String> {
    let unread = |why: &str| format!("{}: no password to be read ({why}); write it on the first line", file.display());
    let size = std::fs::metadata(file).map_err(|error| unread(&error.to_string()))?.len();
    if size > PASSWORD_MAX {
        return Err(unread("the file is too large"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| unread(&error.to_string()))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(unread("the first line is empty")),
    }
}
