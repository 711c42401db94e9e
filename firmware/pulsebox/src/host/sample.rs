//! How the box is: processor, memory, temperature, data partition, addresses, and what Pulsebox itself takes.
//!
//! Read from the kernel's own files in memory (`proc(5)`, Documentation/ABI/testing/sysfs-class-thermal): a
//! few dozen small reads a sample. What cannot be read is 0, empty or none; nothing here fails.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::clock_trust;
use super::disk::disk_space;
use crate::clock::{Clock, Trust};
use crate::monitor::board::{Board, BoxStatus, ClockState};

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(15);
/// A data partition that does not answer must not hold up the rest for longer.
const DISK_DEADLINE: Duration = Duration::from_secs(5);
/// By the uptime and the clock, the start is never twice the same to the second; by more than this it was another.
const CLOCK_WAS_SET: SignedDuration = SignedDuration::from_secs(60);
/// Addresses that are told.
const ADDRESSES_MAX: usize = 16;

/// Keeps the board's word on the box itself true until `stop`: at once, then every 15 s. `data` is the folder
/// whose partition is told of.
pub async fn watch_box(board: Board, data: PathBuf, clock: Clock, stop: CancellationToken) {
    let mut sampler = Sampler::new("/proc".into(), "/sys".into());
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut disk = Disk::default();
    let mut started = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let folder = data.clone();
        let looked =
            disk.look(DISK_DEADLINE, move || disk_space(&folder).map_or((0, 0), |space| (space.size, space.free)));
        let Some(space) = stop.run_until_cancelled(looked).await else { return };
        let sample = sampler.sample();
        started = start(started, clock.now(), sample.uptime_seconds);
        let sampled = BoxStatus {
            started_at: started,
            clock: match clock_trust(clock.now()) {
                Trust::Provisional => ClockState::Untrusted,
                Trust::Taken | Trust::Synchronised => ClockState::Trusted,
            },
            data_total: space.0,
            data_free: space.1,
            ..sample
        };
        board.change_host(|host| {
            // The rest is others' to say.
            let others = std::mem::take(host);
            *host = BoxStatus {
                network: others.network,
                storage_fault: others.storage_fault,
                history_repaired: others.history_repaired,
                config_fault: others.config_fault,
                bytes_written: others.bytes_written,
                broker: others.broker,
                identify_until: others.identify_until,
                leds: others.leds,
                appliance: others.appliance,
                ..sampled
            };
        });
    }
}

/// When the box was started: as it was said before, unless that cannot be; none where the uptime is not known.
fn start(said: Option<Timestamp>, now: Timestamp, uptime_seconds: u64) -> Option<Timestamp> {
    if uptime_seconds == 0 {
        return said;
    }
    let uptime = SignedDuration::from_secs(i64::try_from(uptime_seconds).ok()?);
    let reckoned = Timestamp::from_second(now.checked_sub(uptime).ok()?.as_second()).ok()?;
    said.filter(|said| said.duration_since(reckoned).abs() <= CLOCK_WAS_SET).or(Some(reckoned))
}

/// Looks at the disk, on one thread at most: a disk that hangs holds its thread, and there are not many.
#[derive(Default)]
struct Disk {
    /// A look that has not ended.
    looking: Option<JoinHandle<(u64, u64)>>,
    /// What the last one gave: its figures stand while a disk hangs.
    space: (u64, u64),
}

impl Disk {
    async fn look(&mut self, deadline: Duration, look: impl FnOnce() -> (u64, u64) + Send + 'static) -> (u64, u64) {
        let looking = self.looking.get_or_insert_with(|| tokio::task::spawn_blocking(look));
        if let Ok(ended) = timeout(deadline, looking).await {
            self.looking = None;
            self.space = ended.unwrap_or(self.space);
        }
        self.space
    }
}

/// Reads the kernel's files; remembers what shares are told from.
struct Sampler {
    proc: PathBuf,
    sys: PathBuf,
    /// Busy and all time of all cores, in ticks.
    cores: (u64, u64),
    /// This process's processor time, and when it was read.
    own: (Duration, Instant),
}

impl Sampler {
    fn new(proc: PathBuf, sys: PathBuf) -> Self {
        Self { proc, sys, cores: (0, 0), own: (own_time(), Instant::now()) }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.proc.join(file)).unwrap_or_default()
    }

    fn sample(&mut self) -> BoxStatus {
        let memory = self.read("meminfo");
        let (total, available) = (kilobytes(&memory, "MemTotal:"), kilobytes(&memory, "MemAvailable:"));
        BoxStatus {
            name: self.read("sys/kernel/hostname").trim().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: first_number(&self.read("uptime")) as u64,
            addresses: self.addresses(),
            cpu_percent: self.cores(),
            load1: first_number(&self.read("loadavg")) as f32,
            memory_total: total,
            memory_used: total.saturating_sub(available),
            temperature_c: self.temperature(),
            daemon_memory: kilobytes(&self.read("self/status"), "VmRSS:"),
            daemon_cpu_percent: self.own(),
            ..BoxStatus::default()
        }
    }

    /// Share of the cores' time that was busy since the last sample (at first: since the start), percent.
    fn cores(&mut self) -> f32 {
        let Some(now) = busy_and_all(&self.read("stat")) else { return 0.0 };
        let before = std::mem::replace(&mut self.cores, now);
        let (busy, all) = (now.0.saturating_sub(before.0), now.1.saturating_sub(before.1));
        if all == 0 { 0.0 } else { tenth(busy as f64 * 100.0 / all as f64) }
    }

    /// This process's processor time since the last sample, percent of one core.
    fn own(&mut self) -> f32 {
        let now = (own_time(), Instant::now());
        let before = std::mem::replace(&mut self.own, now);
        let passed = now.1.duration_since(before.1).as_secs_f64();
        if passed < 0.1 { 0.0 } else { tenth(now.0.saturating_sub(before.0).as_secs_f64() * 100.0 / passed) }
    }

    /// Of the processor's sensor, or of the first there is.
    fn temperature(&self) -> Option<f32> {
        let zones = fs::read_dir(self.sys.join("class/thermal")).ok()?.flatten();
        let mut zones: Vec<PathBuf> = zones.map(|zone| zone.path()).filter(|zone| zone.join("temp").exists()).collect();
        let is_processor = |zone: &PathBuf| {
            let kind = fs::read_to_string(zone.join("type")).unwrap_or_default();
            ["cpu", "soc", "x86_pkg"].iter().any(|name| kind.contains(name))
        };
        zones.sort_by_cached_key(|zone| (!is_processor(zone), zone.clone()));
        let of = |zone: &PathBuf| fs::read_to_string(zone.join("temp")).ok()?.trim().parse::<f64>().ok();
        zones.iter().find_map(of).map(|thousandths| tenth(thousandths / 1000.0))
    }

    /// IPv4 from the local routes, then global IPv6.
    fn addresses(&self) -> Vec<IpAddr> {
        let mut found = local_v4(&self.read("net/fib_trie"));
        found.extend(global_v6(&self.read("net/if_inet6")));
        found.truncate(ADDRESSES_MAX);
        found
    }
}

fn own_time() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime)).unwrap_or_default()
}

fn tenth(value: f64) -> f32 {
    ((value * 10.0).round() / 10.0) as f32
}

fn first_number(text: &str) -> f64 {
    text.split_ascii_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// `MemTotal:  8000000 kB` in bytes.
fn kilobytes(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next()?.parse().ok());
    value.map_or(0, |kilobytes: u64| kilobytes.saturating_mul(1024))
}

/// `cpu  user nice system idle iowait irq softirq steal …`: waiting for a disk is idle. Guests' time stands
/// in `user` already.
fn busy_and_all(stat: &str) -> Option<(u64, u64)> {
    let words = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = words.split_ascii_whitespace().take(8).filter_map(|word| word.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.get(3..5)?.iter().sum();
    Some((all - idle, all))
}

/// Each local address is a leaf of the routes' trie: `|-- 192.168.1.5`, below it `/32 host LOCAL`.
fn local_v4(trie: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let mut leaf: Option<Ipv4Addr> = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = leaf.filter(|address| !address.is_loopback() && !address.is_link_local())
            && !found.contains(&address.into())
        {
            found.push(address.into());
        }
    }
    found
}

/// if_inet6: address, index, prefix length, scope (00 global), flags (80: permanent), name.
fn global_v6(inet6: &str) -> impl Iterator<Item = IpAddr> {
    inet6.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?;
        (words.nth(2)? == "00").then(|| Ipv6Addr::from_bits(address).into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::board::BrokerState;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.168.1.0\n        /24 link UNICAST\n\
        Local:\n        +-- 127.0.0.0/8 2 0 2\n           |-- 127.0.0.1\n              /32 host LOCAL\n\
        \n     |-- 192.168.1.5\n        /32 host LOCAL\n     |-- 192.168.1.255\n        /32 link BROADCAST\n\
        \n     |-- 169.254.3.4\n        /32 host LOCAL\n     |-- 192.168.1.5\n        /32 host LOCAL\n";

    fn kernel(files: &[(&str, &str)]) -> (tempfile::TempDir, Sampler) {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sampler = Sampler::new(folder.path().join("proc"), folder.path().join("sys"));
        (folder, sampler)
    }

    #[test]
    fn the_start_stands_still_until_the_clock_is_set() {
        let at = |time: &str| -> Timestamp { format!("2026-11-21T{time}Z").parse().unwrap() };
        assert_eq!(start(None, at("06:00:00"), 0), None);
        let first = start(None, at("06:00:10.9"), 10);
        assert_eq!(first, Some(at("06:00:00")));
        // A minute to and fro is the reckoning, or a clock that is led back gently.
        assert_eq!(start(first, at("07:00:59"), 3600), first);
        assert_eq!(start(first, at("06:59:01"), 3600), first);
        assert_eq!(start(first, at("09:00:00"), 3600), Some(at("08:00:00")));
        assert_eq!(start(first, at("07:00:00"), 0), first);
    }

    #[test]
    fn a_box_is_told_as_the_kernel_tells_it() {
        let (folder, mut sampler) = kernel(&[
            ("proc/sys/kernel/hostname", "pulsebox\n"),
            ("proc/uptime", "350735.47 234388.90\n"),
            ("proc/loadavg", "0.42 0.21 0.10 1/80 1234\n"),
            ("proc/meminfo", "MemTotal:        4000000 kB\nMemFree:  1 kB\nMemAvailable:    3000000 kB\n"),
            ("proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n"),
            ("proc/self/status", "Name: pulsebox\nVmRSS:\t   20480 kB\n"),
            ("proc/net/fib_trie", TRIE),
            (
                "proc/net/if_inet6",
                "fe800000000000000000000000000001 02 40 20 80 eth0\n20010db8000000000000000000000001 02 40 00 80 eth0\n",
            ),
            ("sys/class/thermal/thermal_zone0/temp", "31000\n"),
            ("sys/class/thermal/thermal_zone0/type", "wifi\n"),
            ("sys/class/thermal/thermal_zone1/temp", "48312\n"),
            ("sys/class/thermal/thermal_zone1/type", "cpu-thermal\n"),
        ]);
        let told = sampler.sample();
        assert_eq!((told.name.as_str(), told.uptime_seconds, told.load1), ("pulsebox", 350_735, 0.42));
        assert_eq!((told.memory_total, told.memory_used), (4_096_000_000, 1_024_000_000));
        assert_eq!((told.daemon_memory, told.temperature_c, told.cpu_percent), (20_971_520, Some(48.3), 20.0));
        let addresses: Vec<String> = told.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(addresses, ["192.168.1.5", "2001:db8::1"]);
        fs::write(folder.path().join("proc/stat"), "cpu  250 0 100 750 100 0 0 0 0 0\n").unwrap();
        assert_eq!(sampler.sample().cpu_percent, 75.0, "since the last sample");
    }

    #[test]
    fn a_box_that_tells_nothing_has_nothing_told() {
        let (_folder, mut sampler) = kernel(&[]);
        let told = sampler.sample();
        let nothing = BoxStatus { version: env!("CARGO_PKG_VERSION"), ..BoxStatus::default() };
        assert_eq!(BoxStatus { daemon_cpu_percent: 0.0, ..told }, nothing);
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_one_thread_and_its_last_figures_stand() {
        let (answer, hangs) = std::sync::mpsc::channel();
        let mut disk = Disk::default();
        let deadline = Duration::from_millis(20);
        assert_eq!(disk.look(Duration::from_secs(10), || (100, 50)).await, (100, 50));
        assert_eq!(disk.look(deadline, move || hangs.recv().unwrap()).await, (100, 50));
        for _ in 0..3 {
            assert_eq!(disk.look(deadline, || panic!("a second thread")).await, (100, 50));
        }
        answer.send((100, 40)).unwrap();
        assert_eq!(disk.look(Duration::from_secs(10), || (1, 1)).await, (100, 40));
        assert_eq!(disk.look(Duration::from_secs(10), || (100, 30)).await, (100, 30));
    }

    #[tokio::test]
    async fn the_board_tells_of_the_box_at_once_and_keeps_what_others_said_of_it() {
        let (board, stop) = (Board::default(), CancellationToken::new());
        board.change_host(|host| (host.network, host.config_fault) = (true, Some("line 3".into())));
        board.change_host(|host| host.broker.state = BrokerState::Connected);
        board.identify(Clock::system().now());
        let folder = tempfile::tempdir().unwrap();
        let watching = tokio::spawn(watch_box(board.clone(), folder.path().into(), Clock::system(), stop.clone()));
        let mut board = board.watch();
        let told = timeout(Duration::from_secs(10), board.wait_for(|now| now.host.data_total > 0)).await;
        let host = told.unwrap().unwrap().host.clone();
        assert!(host.memory_total > 0 && host.daemon_memory > 0 && host.data_free <= host.data_total, "{host:?}");
        assert_eq!((host.network, host.config_fault.as_deref()), (true, Some("line 3")));
        assert!(host.broker.state == BrokerState::Connected && host.identify_until.is_some(), "{host:?}");
        stop.cancel();
        watching.await.unwrap();
    }
}
