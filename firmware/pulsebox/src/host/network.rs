//! Whether the box has a link and an address, from the kernel's own files.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::monitor::Link;
use crate::monitor::board::Board;

/// How often the state of the links is read: a few small files in memory.
const EVERY: Duration = Duration::from_secs(2);

/// How far a way into the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// The box has no such socket or radio.
    Absent,
    /// No cable is plugged in; the radio has joined no network.
    Down,
    /// It is joined, and has no address yet.
    NoAddress,
    /// It has an address.
    Up,
}

/// The kernel's interfaces, as /sys and /proc show them.
#[derive(Clone, Debug)]
pub struct Interfaces {
    sys: PathBuf,
    proc: PathBuf,
}

impl Default for Interfaces {
    fn default() -> Self {
        Self { sys: "/sys/class/net".into(), proc: "/proc/net".into() }
    }
}

impl Interfaces {
    /// Names of the interfaces with a carrier (`/sys/class/net/*/carrier`, kernel
    /// Documentation/ABI/testing/sysfs-class-net) that lead out of the box. Bridges of containers and tunnels
    /// are up whatever the cable does, so only hardware counts (`device`), or what stands on it (`lower_*`);
    /// where there is no hardware at all, as in a container, every interface does.
    fn with_carrier(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.sys) else { return Vec::new() };
        let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
        let (real, made): (Vec<_>, Vec<_>) = names.filter(|name| name != "lo").partition(|name| self.is_hardware(name));
        let count = if real.is_empty() { made } else { real };
        count.into_iter().filter(|name| self.is_joined(name)).collect()
    }

    /// Whether a cable is in, or the radio is let in by its network. A radio has a carrier as soon as it is associated,
    /// and is `dormant` until the network has taken its password (kernel, Documentation/networking/operstates.rst):
    /// meanwhile the address that it had before may still be there.
    fn is_joined(&self, name: &str) -> bool {
        let folder = self.sys.join(name);
        let says = |file: &str, word: &str| fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == word);
        says("carrier", "1") && !says("operstate", "dormant")
    }

    fn is_hardware(&self, name: &str) -> bool {
        let folder = self.sys.join(name);
        let stands_on_hardware = || {
            let lower = fs::read_dir(&folder).into_iter().flatten().flatten();
            lower
                .filter(|entry| entry.file_name().to_string_lossy().starts_with("lower_"))
                .any(|entry| entry.path().join("device").exists())
        };
        folder.join("device").exists() || stands_on_hardware()
    }

    /// How far the best of the box's radios is, or of its sockets for a cable.
    pub fn state(&self, is_radio: bool) -> LinkState {
        let Ok(entries) = fs::read_dir(&self.sys) else { return LinkState::Absent };
        let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
        let of_kind = names.filter(|name| {
            let folder = self.sys.join(name);
            // Either of cfg80211's marks (kernel, Documentation/ABI/testing/sysfs-class-net).
            let radio = folder.join("phy80211").exists() || folder.join("wireless").exists();
            folder.join("device").exists() && radio == is_radio
        });
        let state = |name: String| match self.is_joined(&name) {
            false => LinkState::Down,
            true if self.has_address(&name) => LinkState::Up,
            true => LinkState::NoAddress,
        };
        of_kind.map(state).max().unwrap_or(LinkState::Absent)
    }

    /// Whether an interface has an IPv4 route of its own (every address brings one) or an IPv6 address
    /// beyond the link.
    fn has_address(&self, name: &str) -> bool {
        let v4 = fs::read_to_string(self.proc.join("route")).unwrap_or_default();
        let v6 = fs::read_to_string(self.proc.join("if_inet6")).unwrap_or_default();
        // if_inet6: address, index, prefix length, scope (00 global, 20 link), flags, name.
        let global = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            words.nth(3) == Some("00") && words.nth(1) == Some(name)
        };
        // route: interface, destination as a little-endian word. 169.254/16 is what an interface gives itself
        // when nobody answers (RFC 3927).
        let routed = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            words.next() == Some(name) && words.next().is_some_and(|to| !to.ends_with("FEA9"))
        };
        v4.lines().any(routed) || v6.lines().any(global)
    }
}

impl Link for Interfaces {
    fn is_up(&self) -> bool {
        self.with_carrier().iter().any(|name| self.has_address(name))
    }
}

/// Keeps the board's word on the network true until `stop`.
pub async fn watch_network(board: Board, stop: CancellationToken) {
    let interfaces = Interfaces::default();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => board.change_host(|host| host.network = interfaces.is_up()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces(carrier: &str, route: &str, inet6: &str) -> (tempfile::TempDir, Interfaces) {
        let dir = tempfile::tempdir().unwrap();
        let (sys, proc) = (dir.path().join("sys"), dir.path().join("proc"));
        for (name, up) in [("lo", "1"), ("eth0", carrier)] {
            fs::create_dir_all(sys.join(name)).unwrap();
            fs::write(sys.join(name).join("carrier"), up).unwrap();
        }
        fs::create_dir_all(&proc).unwrap();
        fs::write(proc.join("route"), format!("Iface\tDestination\tGateway\n{route}")).unwrap();
        fs::write(proc.join("if_inet6"), inet6).unwrap();
        (dir, Interfaces { sys, proc })
    }

    #[test]
    fn a_cable_and_a_radio_are_told_apart() {
        let (dir, interfaces) = interfaces("1", "eth0\t0001A8C0\t00000000\n", "");
        for name in ["eth0", "wlan0"] {
            fs::create_dir_all(dir.path().join("sys").join(name).join("device")).unwrap();
        }
        assert_eq!((interfaces.state(false), interfaces.state(true)), (LinkState::Up, LinkState::Absent));
        fs::create_dir(dir.path().join("sys/wlan0/phy80211")).unwrap();
        assert_eq!(interfaces.state(true), LinkState::Down);
        fs::write(dir.path().join("sys/wlan0/carrier"), "1").unwrap();
        assert_eq!(interfaces.state(true), LinkState::NoAddress);
    }

    #[test]
    fn a_radio_whose_password_is_not_taken_yet_has_joined_nothing_whatever_address_it_had() {
        let (dir, interfaces) = interfaces("0", "wlan0\t0001A8C0\t00000000\n", "");
        let wlan = dir.path().join("sys/wlan0");
        for folder in ["device", "phy80211"] {
            fs::create_dir_all(wlan.join(folder)).unwrap();
        }
        fs::write(wlan.join("carrier"), "1").unwrap();
        for (operstate, state) in
            [("dormant\n", LinkState::Down), ("up\n", LinkState::Up), ("unknown\n", LinkState::Up)]
        {
            fs::write(wlan.join("operstate"), operstate).unwrap();
            assert_eq!((interfaces.state(true), interfaces.is_up()), (state, state == LinkState::Up), "{operstate}");
        }
    }

    #[test]
    fn a_box_is_blind_without_a_link_or_without_an_address() {
        let route = "eth0\t0001A8C0\t00000000\n";
        let global = "20010db8000000000000000000000001 02 40 00 80     eth0\n";
        let local = "fe800000000000000000000000000001 02 40 20 80     eth0\n";
        for (carrier, route, inet6, up) in [
            ("1", route, "", true),
            ("1", "", global, true),
            ("1", "", local, false),
            ("1", "", "", false),
            ("0", route, global, false),
        ] {
            let (_dir, interfaces) = interfaces(carrier, route, inet6);
            assert_eq!(interfaces.is_up(), up, "{carrier} {route:?} {inet6:?}");
        }
    }

    #[test]
    fn an_address_that_the_box_gave_itself_is_none() {
        let (_dir, interfaces) = interfaces("1", "eth0\t0000FEA9\t00000000\n", "");
        assert!(!interfaces.is_up());
    }

    #[test]
    fn a_bridge_of_containers_does_not_hide_that_the_cable_is_out() {
        let route = "eth0\t0001A8C0\t00000000\ndocker0\t000011AC\t00000000\n";
        let (_dir, interfaces) = interfaces("0", route, "");
        let docker = interfaces.sys.join("docker0");
        fs::create_dir_all(&docker).unwrap();
        fs::write(docker.join("carrier"), "1").unwrap();
        assert!(interfaces.is_up(), "without any hardware, as in a container, the bridge is all there is");
        fs::create_dir_all(interfaces.sys.join("eth0/device")).unwrap();
        assert!(!interfaces.is_up());
        // A bridge over the cable is as good as the cable.
        fs::create_dir_all(docker.join("lower_eth0/device")).unwrap();
        assert!(interfaces.is_up());
    }
}
