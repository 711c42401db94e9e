//! `simcam`: simulated cameras from the command line, on loopback.

#![allow(clippy::print_stdout)] // its tables are for people

mod control;
mod demo;
mod viewers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use simcam::{Auth, Camera, Codec, Mood, Options, Protocol, UdpPolicy};
use tokio::signal::unix::{SignalKind, signal};

/// Cameras that behave and misbehave on demand, on 127.0.0.1 only.
#[derive(Parser)]
#[command(version, after_help = moods())]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    camera: CameraArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Start a dozen cameras in all kinds of moods, write their pulsebox.yaml and change moods now and then.
    Demo {
        /// Where to write the configuration.
        #[arg(long)]
        config_out: PathBuf,
        /// Seconds between changes, at least 1.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
        change_every: u64,
        /// Loopback address of the HTTP control.
        #[arg(long)]
        control: Option<SocketAddr>,
    },
    /// Watch Pulsebox's live view of one camera many times over; for `make bench`.
    #[command(hide = true)]
    Viewers(viewers::Watch),
}

#[derive(Args)]
struct CameraArgs {
    /// How many cameras of this kind.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    cameras: u16,
    /// Loopback address of the HTTP control: GET /cameras, PUT /cameras/NAME/mood. With port 0 it takes a free one; it is
    /// told in a line of its own, after the cameras.
    #[arg(long)]
    control: Option<SocketAddr>,
    #[arg(long, value_enum, default_value = "rtsp")]
    protocol: Protocol,
    #[arg(long, value_enum, default_value = "h264")]
    codec: Codec,
    #[arg(long, default_value = "healthy")]
    mood: Mood,
    #[arg(long, requires = "password")]
    user: Option<String>,
    #[arg(long, requires = "user")]
    password: Option<String>,
    #[arg(long, value_enum, default_value = "digest")]
    auth: Auth,
    /// First port; 0: any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[arg(long, default_value_t = 640)]
    width: u32,
    #[arg(long, default_value_t = 360)]
    height: u32,
    #[arg(long, default_value_t = 10)]
    fps: u32,
    /// Milliseconds between key frames.
    #[arg(long, default_value_t = 1000)]
    gop_ms: u64,
    /// Add an audio track.
    #[arg(long)]
    audio: bool,
    #[arg(long, value_enum, default_value = "both")]
    udp: UdpPolicy,
    #[arg(long)]
    max_sessions: Option<usize>,
    /// Wrap it in TLS.
    #[arg(long)]
    tls: bool,
}

fn moods() -> String {
    let row = |mood: &Mood| format!("  {mood:<16} {}\n", mood.describe());
    format!("Moods:\n{}", Mood::ALL.iter().map(row).collect::<String>())
}

/// Cameras by the name that the control knows them by.
type Cameras = Arc<BTreeMap<String, Camera>>;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let ran = match cli.command {
        Some(Command::Demo { config_out, change_every, control }) => {
            demo::run(&config_out, Duration::from_secs(change_every), control).await
        }
        Some(Command::Viewers(watch)) => viewers::run(watch).await,
        None => serve(cli.camera).await,
    };
    match ran {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "simcam: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn serve(args: CameraArgs) -> std::io::Result<()> {
    let mut cameras = BTreeMap::new();
    for number in 0..args.cameras {
        let port = if args.port == 0 { 0 } else { args.port.saturating_add(number) };
        let camera = Camera::start(args.options(port)).await?;
        println!("camera-{:<4} {} {}", number + 1, camera.url_without_credentials(), camera.mood());
        cameras.insert(format!("camera-{}", number + 1), camera);
    }
    let _control = control::start(args.control, Arc::new(cameras)).await?;
    until_told_to_stop().await
}

impl CameraArgs {
    fn options(&self, port: u16) -> Options {
        Options {
            protocol: self.protocol,
            codec: self.codec,
            mood: self.mood,
            credentials: self.user.clone().zip(self.password.clone()),
            auth: self.auth,
            width: self.width,
            height: self.height,
            fps: self.fps,
            gop: Duration::from_millis(self.gop_ms),
            audio: self.audio,
            udp: self.udp,
            max_sessions: self.max_sessions,
            tls: self.tls,
            port,
            ..Options::default()
        }
    }
}

/// Until SIGINT or SIGTERM.
async fn until_told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
