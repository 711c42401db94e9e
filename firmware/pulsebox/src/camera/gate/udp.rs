//! RTP over UDP, told to the library as interleaved (RFC 2326, section 10.12), so that one path serves both.

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::sleep_until;

use super::message::{header, parameter, request_line, with_replaced};
use super::reorder::Reorder;

/// Bytes asked of the kernel for packets that wait: the largest key frame of a 4 MP camera, twice over.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Two UDP sockets, RTP on an even port and RTCP on the next (RFC 3550, section 11).
pub(super) struct UdpPair {
    /// The `interleaved=` that the library asked for.
    channels: Option<String>,
    port: u16,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    peer: IpAddr,
    order: Reorder,
    buffer: Box<[u8; 65_535]>,
}

impl UdpPair {
    /// Binds two ports at this machine's address `local`, towards the camera at `peer`.
    pub async fn bind(local: IpAddr, peer: IpAddr) -> std::io::Result<Self> {
        let mut last = None;
        for _ in 0..32 {
            let rtp = UdpSocket::bind((local, 0)).await?;
            let port = rtp.local_addr()?.port();
            if port % 2 == 1 || port == u16::MAX {
                continue;
            }
            match UdpSocket::bind((local, port + 1)).await {
                Ok(rtcp) => {
                    // A key frame comes as one burst; as much as the system allows, and never a failure.
                    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&rtp, RECEIVE_BUFFER);
                    let buffer = Box::new([0; 65_535]);
                    return Ok(Self { channels: None, port, rtp, rtcp, peer, order: Reorder::default(), buffer });
                }
                Err(e) => last = Some(e),
            }
        }
        Err(last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()))
    }

    /// The library's request, with its interleaved transport told to the camera as UDP.
    pub fn asked(&mut self, head: &str) -> String {
        let Some(("SETUP", _)) = request_line(head) else { return head.to_owned() };
        let channels = header(head, "transport").and_then(|value| parameter(value, "interleaved"));
        self.channels = channels.map(str::to_owned).or(self.channels.take());
        with_replaced(head, "transport", &format!("RTP/AVP;unicast;client_port={}-{}", self.port, self.port + 1))
    }

    /// The camera's answer, with the UDP transport it gave told to the library as interleaved.
    pub async fn answered(&self, head: String) -> String {
        let (Some(value), Some(channels)) = (header(&head, "transport"), &self.channels) else { return head };
        if value.to_ascii_uppercase().contains("/TCP") {
            return head; // the camera insists on interleaved: so be it
        }
        let server_port = parameter(value, "server_port").and_then(|p| p.split('-').next()?.trim().parse().ok());
        if let Some(port) = server_port {
            self.punch(port).await;
        }
        let ssrc = parameter(value, "ssrc").map(|s| format!(";ssrc={s}")).unwrap_or_default();
        with_replaced(&head, "transport", &format!("RTP/AVP/TCP;unicast;interleaved={channels}{ssrc}"))
    }

    /// The interleaved channel of RTP; RTCP has the next one.
    pub fn channel(&self) -> u8 {
        self.channels.as_ref().and_then(|c| c.split('-').next()?.parse().ok()).unwrap_or(0)
    }

    /// Opens the way back through firewalls on our side, as RFC 7604 (section 5) describes: an empty RTP
    /// packet and an empty receiver report.
    async fn punch(&self, server_port: u16) {
        let rtp = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let receiver_report = [0x80, 201, 0, 1, 0, 0, 0, 0];
        let _ = self.rtp.send_to(&rtp, (self.peer, server_port)).await;
        if let Some(next) = server_port.checked_add(1) {
            let _ = self.rtcp.send_to(&receiver_report, (self.peer, next)).await;
        }
    }

    /// The next packets in their order: `(0, RTP)` or `(1, RTCP)`.
    async fn next(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut control = [0; 2048];
        loop {
            let waited_enough = self.order.deadline();
            let received = tokio::select! {
                r = self.rtp.recv_from(&mut self.buffer[..]) => r.map(|(n, from)| (0, n, from)),
                r = self.rtcp.recv_from(&mut control) => r.map(|(n, from)| (1, n, from)),
                () = async {
                    match waited_enough {
                        Some(at) => sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => {
                    return self.order.give_up().into_iter().map(|p| (0, p)).collect();
                }
            };
            match received {
                Ok((_, _, from)) if from.ip() != self.peer => {}
                Ok((0, n, _)) => {
                    let ready = self.order.push(self.buffer[..n].to_vec());
                    if !ready.is_empty() {
                        return ready.into_iter().map(|p| (0, p)).collect();
                    }
                }
                Ok((_, n, _)) => return vec![(1, control[..n].to_vec())],
                // An ICMP refusal from the camera's port shows here; it may open it a moment later.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

/// The next packets of a camera that sends by UDP; never any where it does not.
pub(super) async fn next(pair: &mut Option<UdpPair>) -> Vec<(u8, Vec<u8>)> {
    match pair {
        Some(pair) => pair.next().await,
        None => std::future::pending().await,
    }
}
