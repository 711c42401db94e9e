//! Whether the box has a link and an address, from the kernel's own files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::monitor::Link;
use crate::monitor::board::Board;

/// How often the state of the links is read: a few small files in memory.
const EVERY: Duration = Duration::from_secs(2);

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
    /// Names of the interfaces with a carrier, loopback apart (`/sys/class/net/*/carrier`, kernel
    /// Documentation/ABI/testing/sysfs-class-net).
    fn with_carrier(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.sys) else { return Vec::new() };
        let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
        names.filter(|name| name != "lo" && is_one(&self.sys.join(name).join("carrier"))).collect()
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
        v4.lines().any(|line| line.split_ascii_whitespace().next() == Some(name)) || v6.lines().any(global)
    }
}

impl Link for Interfaces {
    fn is_up(&self) -> bool {
        self.with_carrier().iter().any(|name| self.has_address(name))
    }
}

fn is_one(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim() == "1")
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
}
