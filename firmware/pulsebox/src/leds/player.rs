//! Plays what is shown on the lamps, with a clock of its own: each edge is reckoned from the pattern's begin, so
//! it never drifts, and nothing is awake between two edges.

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::card::{Lights, Shown};

/// What lights up.
pub trait Lamps: Send {
    /// Sets all lamps. Blocks for a few microseconds at most; whatever fails is told elsewhere.
    fn set(&mut self, lights: Lights);
}

/// Plays until `stop`; then all is dark. None is dark too (quiet hours). A change of what is shown begins its pattern
/// at once.
pub async fn play(lamps: &mut dyn Lamps, mut shown: watch::Receiver<Option<Shown>>, stop: &CancellationToken) {
    let mut lit = None;
    loop {
        let now = *shown.borrow_and_update();
        let pattern = now.map(Shown::pattern);
        let begun = Instant::now();
        loop {
            let (lights, next) = pattern.as_ref().map_or((Lights::default(), None), |it| it.at(begun.elapsed()));
            if lit != Some(lights) {
                lamps.set(lights);
                lit = Some(lights);
            }
            let edge = async {
                match next {
                    Some(next) => sleep_until(begun + next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => {
                    lamps.set(Lights::default());
                    return;
                }
                is_other = shown.wait_for(|other| *other != now) => {
                    if is_other.is_err() {
                        stop.cancelled().await;
                    }
                    break;
                }
                () = edge => {}
            }
        }
    }
}
