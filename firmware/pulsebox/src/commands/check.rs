//! `pulsebox check URL`: one look at one camera, told rung by rung.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use pulsebox::camera::{CameraUrl, OnRung, RungTime, Severity, Transport};
use pulsebox::clock::Clock;
use pulsebox::config::CameraConfig;
use pulsebox::monitor::board::Report;
use pulsebox::monitor::judge::describe;
use pulsebox::monitor::look::GOODBYE;
use pulsebox::monitor::one_off::{Found, look_once};
use pulsebox::picture::Jpeg;
use serde_json::json;

use super::{USAGE, fail, runtime};

/// The options of `pulsebox check`.
#[derive(clap::Args)]
pub struct Args {
    /// rtsp://, rtsps://, http:// or https://, with user:password@ where the camera wants one
    url: String,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// The deadline of the check, in seconds
    #[arg(long, value_name = "S", default_value_t = 15.0, value_parser = seconds)]
    timeout: f64,
    /// Write the picture there, as JPEG, 640 px wide at most
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Which way RTSP video comes: tcp or udp
    #[arg(long, value_name = "WAY", default_value = "tcp", value_parser = transport)]
    transport: Transport,
    /// Take any TLS certificate
    #[arg(long)]
    tls_insecure: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if (0.1..=120.0).contains(&s) => Ok(s),
        _ => Err("give a number of seconds from 0.1 to 120".into()),
    }
}

fn transport(text: &str) -> Result<Transport, String> {
    match text {
        "tcp" => Ok(Transport::Tcp),
        "udp" => Ok(Transport::Udp),
        _ => Err("give tcp or udp".into()),
    }
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    let url = match CameraUrl::parse(&args.url) {
        Ok(url) => url,
        Err(problem) => return fail(USAGE, &problem),
    };
    let camera = CameraConfig {
        transport: args.transport,
        tls_insecure: args.tls_insecure,
        timeout: Duration::from_secs_f64(args.timeout),
        ..CameraConfig::new("check", url)
    };
    let style = Style { colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() };
    if !args.json {
        say(&format!("{}\n", camera.url));
    }
    let on_rung: Option<OnRung> = (!args.json).then(|| Arc::new(move |time| say(&style.rung(time))) as OnRung);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let Found { report, picture } = runtime.block_on(async {
        let (found, goodbye) = look_once(&camera, Clock::system().now(), args.picture.is_some(), on_rung).await;
        goodbye.wait(GOODBYE).await;
        found
    });
    if args.json {
        say(&json(&camera.url, &report).to_string());
    } else {
        say(&style.verdict(&report));
    }
    // A name server that hangs must not hold the command back.
    runtime.shutdown_background();
    match save(args, picture.as_ref(), &report) {
        Err(problem) => fail(1, &problem),
        Ok(()) if report.verdict.severity() == Severity::Fault => ExitCode::from(1),
        Ok(()) => ExitCode::SUCCESS,
    }
}

/// The object that `--json` prints.
fn json(url: &CameraUrl, report: &Report) -> serde_json::Value {
    json!({
        "url": url,
        "verdict": report.verdict,
        "severity": report.verdict.severity(),
        "message": report.message,
        "advice": report.verdict.row().words(url.is_local()).advice,
        "rungs": report.rungs,
        "total_ms": report.ms,
        "stream": report.stream,
        "decoded": report.decoded,
    })
}

fn save(args: &Args, picture: Option<&Jpeg>, report: &Report) -> Result<(), String> {
    let Some(path) = &args.picture else { return Ok(()) };
    match picture {
        Some(picture) => std::fs::write(path, &picture.data)
            .map_err(|e| format!("{}: the picture was not written: {e}", path.display())),
        // The fault says it already, with exit code 1.
        None if report.verdict.severity() == Severity::Fault => Ok(()),
        None => Err(format!("{}: not written: a picture in this codec is proved but not decoded", path.display())),
    }
}

#[derive(Clone, Copy)]
struct Style {
    colour: bool,
}

impl Style {
    fn rung(self, time: RungTime) -> String {
        format!("  {} {:<16}{:>10.1} ms", self.paint("32", "✓"), time.rung, time.ms)
    }

    fn verdict(self, report: &Report) -> String {
        let row = report.verdict.row();
        let mut text = String::new();
        let unreached = row.rung.filter(|rung| report.rungs.iter().all(|r| r.rung != *rung));
        if let (Severity::Fault, Some(rung)) = (row.severity, unreached) {
            text += &format!("  {} {rung}\n", self.paint("31", "✗"));
        }
        let stream = describe(&report.stream);
        if !stream.is_empty() {
            text += &format!("\n  {}\n", stream.replace(", ", " · "));
            if report.stream.codec.is_some() && !report.decoded && row.severity != Severity::Fault {
                text += "  The picture is proved by its structure, not decoded: black and covered are not judged.\n";
            }
        }
        let colour = match row.severity {
            Severity::Ok => "1;32",
            Severity::Warning | Severity::Unknown => "1;33",
            Severity::Fault => "1;31",
        };
        text + &format!("\n{}  {}", self.paint(colour, row.name), report.message)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A line on stdout; a reader that has gone away is no failure.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
