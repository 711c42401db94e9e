//! A dozen cameras and more, mostly healthy, for a newcomer who owns none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use simcam::{Auth, Camera, Codec, Mood, Options, Protocol, UdpPolicy};
use tokio::time;

use crate::{Cameras, control, until_told_to_stop};

/// The first port that is tried.
const FIRST_PORT: u16 = 18_600;

/// What a healthy camera changes to, in turn, before it is well again.
const TROUBLES: [Mood; 8] = [
    Mood::Frozen,
    Mood::Refuses,
    Mood::Black,
    Mood::HangDescribe,
    Mood::Covered,
    Mood::NoMedia,
    Mood::WrongPassword,
    Mood::Undecodable,
];

struct Plan {
    id: &'static str,
    name: &'static str,
    options: Options,
}

fn plan(id: &'static str, name: &'static str, mood: Mood) -> Plan {
    let options = Options { mood, title: Some(name.to_owned()), ..Options::default() };
    Plan { id, name, options }
}

/// Each kind of camera once; the last ones are in trouble.
fn plans() -> Vec<Plan> {
    let credentials = Some(("viewer".to_owned(), "garden path".to_owned()));
    let with = |plan: Plan, change: &dyn Fn(&mut Options)| {
        let mut plan = plan;
        change(&mut plan.options);
        plan
    };
    let healthy = |id, name| plan(id, name, Mood::Healthy);
    vec![
        healthy("front-door", "Front door"),
        with(healthy("driveway", "Driveway"), &|o| (o.credentials, o.audio) = (credentials.clone(), true)),
        with(healthy("garden", "Garden"), &|o| o.codec = Codec::Mjpeg),
        with(healthy("pool", "Pool"), &|o| o.codec = Codec::H265),
        with(healthy("workshop", "Workshop"), &|o| o.protocol = Protocol::HttpMjpeg),
        with(healthy("weather-mast", "Weather mast"), &|o| o.protocol = Protocol::HttpStill),
        with(healthy("barn", "Barn"), &|o| {
            (o.credentials, o.auth, o.udp) = (credentials.clone(), Auth::Basic, UdpPolicy::TcpOnly);
        }),
        plan("stairwell", "Stairwell", Mood::Static),
        plan("garage", "Garage", Mood::Frozen),
        plan("cellar", "Cellar", Mood::Black),
        plan("back-gate", "Back gate", Mood::Covered),
        with(plan("office", "Office", Mood::WrongPassword), &|o| o.credentials = credentials.clone()),
        plan("old-nursery", "Old nursery", Mood::NotFound),
        plan("lobby", "Lobby", Mood::Busy),
        plan("loft", "Loft", Mood::NoMedia),
        plan("bridge", "Bridge", Mood::Slow),
        plan("boathouse", "Boathouse", Mood::LowFps),
        plan("stable", "Stable", Mood::HangDescribe),
        plan("shed", "Shed", Mood::Refuses),
        plan("far-field", "Far field", Mood::PacketLoss),
    ]
}

/// Runs the demo until SIGINT or SIGTERM. Errors: no camera can start, or the file cannot be written.
pub(crate) async fn run(config_out: &Path, change_every: Duration, control_at: Option<SocketAddr>) -> io::Result<()> {
    let plans = plans();
    let mut cameras = BTreeMap::new();
    for (place, plan) in plans.iter().enumerate() {
        cameras.insert(plan.id.to_owned(), start(plan, FIRST_PORT + place as u16).await?);
    }
    let cameras: Cameras = Arc::new(cameras);
    let _control = control::start(control_at, cameras.clone()).await?;
    write_atomically(config_out, &config(&plans, &cameras))?;
    for plan in &plans {
        let camera = &cameras[plan.id];
        println!("{:<14} {:<36} {:<16} {}", plan.name, masked(camera), camera.mood(), camera.mood().describe());
    }
    println!("configuration: {}", config_out.display());
    tokio::select! {
        stopped = until_told_to_stop() => stopped,
        never = change_moods(&plans, &cameras, change_every) => match never {},
    }
}

/// On its own port, or on any other if that one is taken.
async fn start(plan: &Plan, port: u16) -> io::Result<Camera> {
    let options = Options { port, ..plan.options.clone() };
    match Camera::start(options).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Camera::start(plan.options.clone()).await,
        started => started,
    }
}

fn masked(camera: &Camera) -> String {
    let mask = if camera.options().credentials.is_some() { "://***@" } else { "://" };
    camera.url_without_credentials().replacen("://", mask, 1)
}

/// Makes one healthy camera ill, and it well again, in turn.
async fn change_moods(plans: &[Plan], cameras: &Cameras, every: Duration) -> std::convert::Infallible {
    let healthy: Vec<&Plan> = plans.iter().filter(|plan| plan.options.mood == Mood::Healthy).collect();
    let mut turns = time::interval_at(time::Instant::now() + every, every);
    let mut turn = 0;
    loop {
        turns.tick().await;
        // Strides of one and three visit each camera and, with it, different troubles.
        let plan = healthy[turn / 2 % healthy.len()];
        let trouble = possible(plan, TROUBLES[turn / 2 * 3 % TROUBLES.len()]);
        let mood = if turn % 2 == 0 { trouble } else { Mood::Healthy };
        cameras[plan.id].set_mood(mood).await;
        println!("{}: {mood}. {}", plan.name, mood.describe());
        turn += 1;
    }
}

/// H.265 pictures come from a clip and cannot be black or covered.
fn possible(plan: &Plan, trouble: Mood) -> Mood {
    match trouble {
        Mood::Black | Mood::Covered if plan.options.codec == Codec::H265 => Mood::Frozen,
        trouble => trouble,
    }
}

/// The cameras as pulsebox.yaml. Names and URLs hold nothing that a double-quoted YAML text escapes.
fn config(plans: &[Plan], cameras: &Cameras) -> String {
    let mut yaml = String::from("# Written by `simcam demo`.\nheartbeat_seconds: 5\nstreams:\n");
    for plan in plans {
        let _ =
            writeln!(yaml, "  - id: {}\n    name: \"{}\"\n    url: \"{}\"", plan.id, plan.name, cameras[plan.id].url());
        // A demonstration cannot wait two minutes to call a picture frozen.
        yaml += "    alarm: { frozen_seconds: 10 }\n";
        if plan.options.mood == Mood::LowFps {
            yaml += "    expect: { min_fps: 5 }\n";
        }
    }
    yaml
}

/// A reader sees the old file or the new one, never half of it.
fn write_atomically(file: &Path, text: &str) -> io::Result<()> {
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("cannot write {}: {error}", file.display()));
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(".new");
    let write = || {
        let mut new = std::fs::File::create(&temporary)?;
        new.write_all(text.as_bytes())?;
        new.sync_all()?;
        std::fs::rename(&temporary, file)
    };
    write().map_err(failed)
}
