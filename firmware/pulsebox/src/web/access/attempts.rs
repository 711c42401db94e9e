//! How often a password may be tried: a bucket for each address and one for all together.
//!
//! A refusal costs no hash and no memory beyond a bounded map. An address that tries too often shuts itself
//! out for seconds; many addresses together shut out new sign-ins for seconds, and never those who are signed in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// Tries in a row from one address, and how long one takes to come back.
const ONE: (f64, Duration) = (5.0, Duration::from_secs(12));
/// The same for all together: what bounds the hashes that a network full of attackers can cause.
const ALL: (f64, Duration) = (30.0, Duration::from_secs(2));
/// Addresses remembered. Beyond them the common bucket alone counts.
const ADDRESSES: usize = 1000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn new((most, _): (f64, Duration), now: Instant) -> Self {
        Self { left: most, at: now }
    }

    fn refill(&mut self, (most, each): (f64, Duration), now: Instant) {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() / each.as_secs_f64();
        (self.left, self.at) = ((self.left + grown).min(most), now);
    }

    /// How long until one may be taken; none where it may now.
    fn wait(&self, (_, each): (f64, Duration)) -> Option<Duration> {
        (self.left < 1.0).then(|| each.mul_f64(1.0 - self.left))
    }
}

/// Counts tries.
#[derive(Debug)]
pub(super) struct Attempts {
    all: Bucket,
    by_address: HashMap<IpAddr, Bucket>,
}

impl Attempts {
    pub fn new(now: Instant) -> Self {
        Self { all: Bucket::new(ALL, now), by_address: HashMap::new() }
    }

    /// Counts a try.
    ///
    /// # Errors
    /// How long to wait for the next; then nothing is counted.
    pub fn take(&mut self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        self.all.refill(ALL, now);
        let from = network(from);
        if self.by_address.len() >= ADDRESSES && !self.by_address.contains_key(&from) {
            self.by_address.retain(|_, bucket| {
                bucket.refill(ONE, now);
                bucket.left < ONE.0
            });
        }
        if self.by_address.len() < ADDRESSES || self.by_address.contains_key(&from) {
            let own = self.by_address.entry(from).or_insert(Bucket::new(ONE, now));
            own.refill(ONE, now);
            if let Some(wait) = own.wait(ONE).max(self.all.wait(ALL)) {
                return Err(wait);
            }
            own.left -= 1.0;
        } else if let Some(wait) = self.all.wait(ALL) {
            return Err(wait);
        }
        self.all.left -= 1.0;
        Ok(())
    }

    /// Takes back a try that was right.
    pub fn forgive(&mut self, from: IpAddr) {
        self.by_address.remove(&network(from));
        self.all.left = (self.all.left + 1.0).min(ALL.0);
    }
}

/// What one party holds: an IPv4 address, or the first half of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_tries_cost_few_hashes_little_memory_and_a_minutes_wait() {
        let mut attempts = Attempts::new(Instant::now());
        let attacker = |n: u32| IpAddr::from(n.to_be_bytes());
        let taken = (0..10_000).filter(|n| attempts.take(attacker(n % 4), Instant::now()).is_ok()).count();
        assert_eq!(taken, 20, "five from each of four addresses");
        let taken = (0..10_000).filter(|n| attempts.take(attacker(10 + n), Instant::now()).is_ok()).count();
        assert_eq!(taken, 10, "the rest of thirty from all together");
        assert!(attempts.by_address.len() <= ADDRESSES);
        assert!(attempts.take(attacker(1), Instant::now()).unwrap_err() <= Duration::from_secs(12));
        tokio::time::advance(Duration::from_secs(13)).await;
        assert_eq!(attempts.take(attacker(1), Instant::now()), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_home_of_ipv6_addresses_is_one_party_and_a_right_password_is_forgiven() {
        let mut attempts = Attempts::new(Instant::now());
        let v6 = |n: u16| IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 2, 3, n, 5, 6, 7));
        let taken = (0..100).filter(|n| attempts.take(v6(*n), Instant::now()).is_ok()).count();
        assert_eq!(taken, 5);
        attempts.forgive(v6(200));
        assert_eq!(attempts.take(v6(1), Instant::now()), Ok(()));
    }
}
