//! What the LEDs cost: processor time of this process while patterns are played in real time on an LED of the kernel's
//! class, its files in memory. One JSON object a line; `scripts/bench-leds.py` puts them beside their peers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pulsebox::clock::Clock;
use pulsebox::config;
use pulsebox::leds::card::{Shown, Sign};
use pulsebox::leds::demo::Stage;
use pulsebox::leds::wiring::Kernel;
use pulsebox::leds::{Means, run};
use pulsebox::monitor::board::Board;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Each measurement takes so long.
const LASTS: Duration = Duration::from_secs(20);

fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

fn tell(what: &str, edges_a_second: f64, used: f64) {
    use std::io::Write as _;
    let seconds = LASTS.as_secs_f64();
    let line = serde_json::json!({ "what": what, "edges": edges_a_second, "seconds": seconds, "cpu": used });
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// An ACT without hardware.
fn act(class: &Path) {
    std::fs::create_dir(class.join("ACT")).unwrap();
    for (file, content) in [("trigger", "[none] timer\n"), ("brightness", "0\n"), ("max_brightness", "1\n")] {
        std::fs::write(class.join("ACT").join(file), content).unwrap();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let class = tempfile::tempdir_in("/dev/shm").unwrap();
    act(class.path());
    let kernel = Arc::new(Kernel::with_leds(class.path().into()));
    let (config, _) = config::parse("").unwrap();
    let stop = CancellationToken::new();

    let mut stage = Stage::with(kernel.clone(), &config).await;
    assert!(!stage.is_dark(), "{:?}", stage.told());
    for (what, shown, edges) in [
        ("nine blinks, pause (`camera_down`)", Shown { sign: Sign::CameraDown, count: 9 }, 18.0 / 6.85),
        ("blinks in threes (`identify`)", Shown::plain(Sign::Identify), 6.0),
        ("solid (`all_up`)", Shown::plain(Sign::AllUp), 0.0),
    ] {
        let before = cpu_seconds();
        stage.play(shown, LASTS, &stop).await;
        tell(what, edges, cpu_seconds() - before);
    }
    stage.strike().await;

    let (board, (_config, watched)) = (Board::default(), watch::channel(Arc::new(config)));
    let means = Means { board, config: watched, clock: Clock::system(), wiring: kernel };
    let room = tokio::spawn(run(means, stop.clone()));
    sleep(Duration::from_millis(200)).await;
    let before = cpu_seconds();
    sleep(LASTS).await;
    tell("the whole room, with its board (`no_network`)", 4.0 / 3.95, cpu_seconds() - before);
    stop.cancel();
    room.await.unwrap();
}
