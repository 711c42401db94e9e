//! Keeps the box on the broker, from connect to connect.

use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use rumqttc::LastWill;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::connect::{LARGEST_IN, Who, connect, place, qos};
use super::publisher::{self, End};
use super::{Means, Names};
use crate::camera::{Fault, Verdict};
use crate::config::{Config, Mqtt};
use crate::monitor::board::{Board, BrokerState, BrokerStatus};

/// The first wait before another try; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest, where the broker is not there: it is heard within seconds of its return.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The longest, where it is there and will not have us: a person must change something first.
const LONGEST_REFUSED: Duration = Duration::from_secs(60);
/// A connection that stood this long was a good one: after it the waits begin anew.
const STOOD: Duration = Duration::from_secs(60);

/// Publishes while `mqtt.enabled`, until `stop`; then says `offline`. Follows the configuration.
pub async fn run(means: Means, stop: CancellationToken) {
    let mut config = means.config.watch();
    while !stop.is_cancelled() {
        let mqtt = Arc::new(config.borrow_and_update().mqtt.clone());
        if mqtt.enabled {
            tell(&means, BrokerState::Connecting, None, &mqtt);
            keep_connected(&means, &mqtt, &stop).await;
        } else {
            tell(&means, BrokerState::Off, None, &mqtt);
            stop.run_until_cancelled(changed(config.clone(), &mqtt)).await;
        }
    }
}

/// Connects again and again until the settings change or `stop`.
async fn keep_connected(means: &Means, mqtt: &Arc<Mqtt>, stop: &CancellationToken) {
    let mut waits = Waits::default();
    // How often in a row the broker has closed a young connection.
    let mut thrown_out = 0;
    loop {
        let (end, stood) = one_connection(means, mqtt, stop).await;
        let (fault, is_closed) = match end {
            End::Stopped | End::Changed => return,
            End::Lost { fault, is_closed } => (fault, is_closed),
        };
        let was_good = stood.is_some_and(|stood| stood >= STOOD);
        thrown_out = if is_closed && !was_good { thrown_out + 1 } else { 0 };
        let fault = if is_closed { taken_over(fault, thrown_out, means, mqtt) } else { fault };
        let longest = longest_wait(fault.verdict);
        tell(means, BrokerState::Lost, Some(fault), mqtt);
        if was_good {
            waits = Waits::default();
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed(means.config.watch(), mqtt) => return,
            () = network_back(&means.board) => {}
            () = sleep(waits.next(longest)) => {}
        }
    }
}

/// Connects and publishes until the end; with it, how long the connection stood, where one was made. In a task of
/// its own: what a broker's junk breaks in the library ends the connection and not the box.
async fn one_connection(means: &Means, mqtt: &Arc<Mqtt>, stop: &CancellationToken) -> (End, Option<Duration>) {
    let (means, mqtt, stop) = (means.clone(), mqtt.clone(), stop.clone());
    let connection = async move {
        let made = tokio::select! {
            () = stop.cancelled() => return (End::Stopped, None),
            () = changed(means.config.watch(), &mqtt) => return (End::Changed, None),
            made = connect(&mqtt, who(&means, &mqtt)) => made,
        };
        match made {
            Ok(connection) => {
                let since = Instant::now();
                tell(&means, BrokerState::Connected, None, &mqtt);
                let changed = changed(means.config.watch(), &mqtt);
                let end = publisher::publish(&means, &mqtt, connection, changed, &stop).await;
                (end, Some(since.elapsed()))
            }
            Err(fault) => (End::Lost { fault, is_closed: false }, None),
        }
    };
    AbortOnDropHandle::new(tokio::spawn(connection)).await.unwrap_or_else(|broken| {
        let detail = format!("publishing broke down ({broken}), a bug: report this with the log before it");
        (End::Lost { fault: Fault::new(Verdict::Protocol, detail), is_closed: false }, None)
    })
}

fn who(means: &Means, mqtt: &Mqtt) -> Who {
    let will = LastWill::new(Names::new(&means.box_id, mqtt).availability(), "offline", qos(mqtt.qos), true);
    Who { client_id: client_id(means, mqtt), will: Some(will), largest_in: LARGEST_IN }
}

fn client_id(means: &Means, mqtt: &Mqtt) -> String {
    if mqtt.client_id.is_empty() { format!("pulsebox-{}", means.box_id) } else { mqtt.client_id.clone() }
}

/// MQTT 3.1.1 gives no reason when it closes a connection. Once may be a broker that stops; again and again, soon
/// after it took us in, is one of three things that only the broker's log tells apart.
fn taken_over(fault: Fault, times: u32, means: &Means, mqtt: &Mqtt) -> Fault {
    let why = format!(
        "another client with the client id `{}` (then set another mqtt.client_id), a topic that this user may not \
         write, or a message too large for the broker: its log says which",
        client_id(means, mqtt)
    );
    let detail = if times < 2 {
        format!("{}: it was stopped, or there is {why}", fault.detail)
    } else {
        format!("{} {times} times: there is {why}", fault.detail)
    };
    Fault::new(fault.verdict, detail)
}

/// Waits until the settings are others than `mqtt`.
async fn changed(mut config: watch::Receiver<Arc<Config>>, mqtt: &Mqtt) {
    if config.wait_for(|config| config.mqtt != *mqtt).await.is_err() {
        // Nobody holds the configuration any more, so it changes no more.
        std::future::pending::<()>().await;
    }
}

/// Waits until the box has its network back, where it is or was without.
async fn network_back(board: &Board) {
    let mut now = board.watch();
    let _ = now.wait_for(|snapshot| !snapshot.host.network).await;
    let _ = now.wait_for(|snapshot| snapshot.host.network).await;
}

/// Puts the broker's state on the board, and into the log where it is another than before.
fn tell(means: &Means, state: BrokerState, fault: Option<Fault>, mqtt: &Mqtt) {
    let before = means.board.now().host.broker.clone();
    let is_new = before.state != state;
    let never = state == BrokerState::Off && before.since.is_none();
    let since = if never || !is_new { before.since } else { Some(means.clock.now()) };
    let (verdict, message) = fault.map(|fault| (fault.verdict, fault.detail)).unzip();
    match (state, &message) {
        (BrokerState::Connected, _) if is_new => log::info!("connected to the broker at {}", place(mqtt)),
        (BrokerState::Lost, Some(message)) if is_new => log::warn!("no connection to the broker: {message}"),
        (BrokerState::Off, _) if is_new => log::info!("MQTT is off"),
        _ => {}
    }
    means.board.change_host(|host| host.broker = BrokerStatus { state, since, verdict, message });
}

fn longest_wait(verdict: Verdict) -> Duration {
    match verdict {
        Verdict::Dns | Verdict::Refused | Verdict::Unreachable | Verdict::Timeout => LONGEST_WAIT,
        _ => LONGEST_REFUSED,
    }
}

/// How long to wait between tries.
#[derive(Debug)]
struct Waits(Duration);

impl Default for Waits {
    fn default() -> Self {
        Self(FIRST_WAIT)
    }
}

impl Waits {
    /// Each twice the one before, a quarter more or less: boxes that lost one broker together do not come back
    /// together.
    fn next(&mut self, longest: Duration) -> Duration {
        let wait = self.0.min(longest);
        self.0 = (wait * 2).min(LONGEST_REFUSED);
        wait.mul_f64(0.75 + 0.5 * fraction())
    }
}

/// At random from 0 to 1.
pub(super) fn fraction() -> f64 {
    let mut random = [0; 2];
    // Without randomness the boxes come back together: a pity, and no fault.
    let _ = SystemRandom::new().fill(&mut random);
    f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_short_for_a_broker_that_is_away_and_differ_from_box_to_box() {
        for (why, waited) in [
            (Verdict::Auth, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]),
            (Verdict::Refused, [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 10.0]),
        ] {
            let mut waits = Waits::default();
            for expected in waited {
                let wait = waits.next(longest_wait(why)).as_secs_f64();
                assert!((0.75 * expected..=1.25 * expected).contains(&wait), "{wait} s in place of {expected}");
            }
        }
        let firsts: Vec<Duration> = (0..20).map(|_| Waits::default().next(LONGEST_WAIT)).collect();
        assert!(firsts.iter().any(|wait| *wait != firsts[0]), "{firsts:?}");
    }
}
