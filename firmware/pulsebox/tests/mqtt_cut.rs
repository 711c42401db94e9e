//! A network that is cut between the box and its broker: no reset, no refusal, only silence.

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::broker::{Broker, Setup};
use common::daemon::{Home, PATIENCE, config};

/// The broker's network: a namespace at the far end of a cable. Both go when this is dropped.
struct FarEnd {
    namespace: String,
    cable: String,
    address: String,
}

impl FarEnd {
    /// None where this machine does not let us make one; CI must.
    fn new() -> Option<Self> {
        let n = std::process::id() % 16_000;
        let far = Self {
            namespace: format!("pulsebox-{n}"),
            cable: format!("pbx{n}"),
            address: format!("10.213.{}.{}", n / 64, n % 64 * 4 + 2),
        };
        let near = format!("10.213.{}.{}/30", n / 64, n % 64 * 4 + 1);
        let steps = [
            format!("netns add {}", far.namespace),
            format!("link add {} type veth peer name far netns {}", far.cable, far.namespace),
            format!("addr add {near} dev {}", far.cable),
            format!("link set {} up", far.cable),
            format!("-n {} addr add {}/30 dev far", far.namespace, far.address),
            format!("-n {} link set far up", far.namespace),
        ];
        for step in steps {
            if !ip(&step) {
                assert!(std::env::var_os("CI").is_none(), "CI must be able to run ip {step}");
                eprintln!("SKIPPED for lack of rights: ip {step}");
                return None;
            }
        }
        Some(far)
    }

    /// Pulls the cable's far end out, or plugs it in.
    fn plug(&self, is_in: bool) {
        assert!(ip(&format!("-n {} link set far {}", self.namespace, if is_in { "up" } else { "down" })));
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.cable));
        ip(&format!("netns del {}", self.namespace));
    }
}

fn ip(words: &str) -> bool {
    Command::new("ip").args(words.split(' ')).output().is_ok_and(|done| done.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_is_told_within_the_keep_alive_and_mended_within_seconds_whatever_the_qos() {
    let Some(far) = FarEnd::new() else { return };
    let setup = Setup { namespace: Some((far.namespace.clone(), far.address.clone())), ..Setup::default() };
    let broker = Broker::with(setup).await;
    // With QoS 0 no acknowledgement is ever missed.
    let homes = [0, 1].map(|qos| {
        let empty = config::<&str>(&[]).replace("streams:\n", "");
        Home::new(&(empty + &broker.yaml(&format!(", qos: {qos}"))))
    });
    let (one, other) = tokio::join!(homes[0].start(), homes[1].start());
    for daemon in [&one, &other] {
        let connected = |system: &serde_json::Value| system["host"]["broker"]["state"] == "connected";
        daemon.until("/api/system", PATIENCE, connected).await;
    }

    far.plug(false);
    let cut = Instant::now();
    for daemon in [&one, &other] {
        let lost = |system: &serde_json::Value| system["host"]["broker"]["state"] == "lost";
        daemon.until("/api/system", Duration::from_secs(60), lost).await;
    }
    assert!(cut.elapsed() < Duration::from_secs(50), "told after {:?}", cut.elapsed());
    for daemon in [&one, &other] {
        let system = daemon.json("/api/system").await.1;
        let verdict = system["host"]["broker"]["verdict"].as_str().unwrap().to_owned();
        assert!(["timeout", "unreachable"].contains(&verdict.as_str()), "{}", system["host"]["broker"]);
    }

    far.plug(true);
    for (daemon, home) in [(&one, &homes[0]), (&other, &homes[1])] {
        let connected = |system: &serde_json::Value| system["host"]["broker"]["state"] == "connected";
        daemon.until("/api/system", PATIENCE, connected).await;
        let id = std::fs::read_to_string(home.path("data/box-id")).unwrap();
        let availability = format!("pulsebox/{}/availability", id.trim());
        let listener = broker.listen(&[&availability]).await;
        listener.on(&availability, PATIENCE, |heard| heard.text() == "online").await;
    }
}
