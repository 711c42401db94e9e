//! Puts RTP packets that came over UDP back in their order.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::meter::LATE;

/// UDP packets held back while one before them is missing, and how long.
const REORDER_PACKETS: usize = 64;
const REORDER_WAIT: Duration = Duration::from_millis(60);

/// Puts RTP packets back in their order, holding few and not for long.
#[derive(Default)]
pub(super) struct Reorder {
    next: Option<u16>,
    /// By distance from the packet that is missing.
    held: BTreeMap<u16, Vec<u8>>,
    since: Option<Instant>,
}

impl Reorder {
    /// When the packets held back have waited long enough; none while none is held.
    pub fn deadline(&self) -> Option<Instant> {
        self.since.map(|at| at + REORDER_WAIT)
    }

    /// Takes a packet, and gives those whose turn it is.
    pub fn push(&mut self, packet: Vec<u8>) -> Vec<Vec<u8>> {
        let [_, _, high, low, ..] = packet[..] else { return Vec::new() };
        let sequence = u16::from_be_bytes([high, low]);
        let next = *self.next.get_or_insert(sequence);
        match sequence.wrapping_sub(next) {
            0 => {
                self.next = Some(next.wrapping_add(1));
                let mut ready = vec![packet];
                self.shift(1);
                self.take_ready(&mut ready);
                ready
            }
            // A little behind is a late or doubled packet; far behind, a camera that began its count anew.
            ahead if ahead < 0x8000 => {
                self.held.insert(ahead, packet);
                self.since.get_or_insert_with(Instant::now);
                if self.held.len() >= REORDER_PACKETS { self.give_up() } else { Vec::new() }
            }
            behind if behind < LATE => {
                self.held.clear();
                (self.next, self.since) = (Some(sequence.wrapping_add(1)), None);
                vec![packet]
            }
            _ => Vec::new(),
        }
    }

    /// Counts the missing packet as lost and gives what waited for it.
    pub fn give_up(&mut self) -> Vec<Vec<u8>> {
        let mut ready = Vec::new();
        if let (Some((distance, packet)), Some(next)) = (self.held.pop_first(), self.next) {
            ready.push(packet);
            self.next = Some(next.wrapping_add(distance).wrapping_add(1));
            self.shift(distance + 1);
            self.take_ready(&mut ready);
        }
        ready
    }

    fn shift(&mut self, by: u16) {
        if !self.held.is_empty() {
            self.held = std::mem::take(&mut self.held)
                .into_iter()
                .filter_map(|(distance, packet)| Some((distance.checked_sub(by)?, packet)))
                .collect();
        }
    }

    fn take_ready(&mut self, ready: &mut Vec<Vec<u8>>) {
        while let Some(packet) = self.held.remove(&0) {
            ready.push(packet);
            self.next = self.next.map(|n| n.wrapping_add(1));
            self.shift(1);
        }
        self.since = if self.held.is_empty() { None } else { Some(Instant::now()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16) -> Vec<u8> {
        let [high, low] = sequence.to_be_bytes();
        vec![0x80, 96, high, low, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    fn pass(order: &mut Reorder, sequences: &[u16]) -> Vec<u16> {
        let given = sequences.iter().flat_map(|s| order.push(packet(*s))).collect::<Vec<_>>();
        given.iter().map(|p| u16::from_be_bytes([p[2], p[3]])).collect()
    }

    #[test]
    fn udp_packets_are_put_back_in_their_order() {
        let mut order = Reorder::default();
        assert_eq!(pass(&mut order, &[65_534, 0, 65_535, 2, 3, 1, 4]), [65_534, 65_535, 0, 1, 2, 3, 4]);
        assert_eq!(order.deadline(), None);
    }

    #[test]
    fn a_lost_udp_packet_holds_the_others_back_only_so_long() {
        let mut order = Reorder::default();
        assert_eq!(pass(&mut order, &[1, 3, 4]), [1]);
        assert!(order.deadline().is_some());
        assert_eq!(order.give_up().len(), 2);
        let many: Vec<u16> = (6..6 + REORDER_PACKETS as u16).collect();
        assert_eq!(pass(&mut order, &many), many);
    }
}
