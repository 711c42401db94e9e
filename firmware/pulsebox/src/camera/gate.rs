//! A gate on loopback between the RTSP library and the camera.
//!
//! retina opens its own plain TCP connection, sets no limit to what a peer may send, and drops UDP
//! packets that come out of order. So it is pointed at this gate, which holds the real connection
//! (opened by [`super::dial`], TLS or not) and
//! - bounds every message: [`HEADER_MAX`], [`BODY_MAX`], [`FRAME_MAX`];
//! - names what is not RTSP before the parser chokes on it;
//! - counts packets and bytes, and notes when the first video packet came;
//! - turns RTP over UDP into interleaved packets in their order (RFC 2326, section 10.12), so that one
//!   path serves both transports.
//!
//! The request URIs name the gate, not the camera. Cameras behind a port forwarding see foreign hosts in
//! them every day and go by the path; digest answers stay right because nothing is rewritten.
//!
//! Cost: one task and one loopback connection a session, at most [`HEADER_MAX`] + [`BODY_MAX`] bytes held.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{Instant, sleep_until, timeout};

use super::dial::Line;
use super::{Fault, Transport, Verdict};

/// Bytes of one RTSP message's head.
const HEADER_MAX: usize = 16 << 10;
/// Bytes of one RTSP message's body; a session description of a camera is a few hundred.
const BODY_MAX: usize = 256 << 10;
/// Bytes of RTP packets with one timestamp, that is of one picture.
const FRAME_MAX: u64 = 16 << 20;
/// How long the library may take to come to the gate.
const ACCEPT: Duration = Duration::from_secs(5);
/// How long the library may hold its goodbye back once it has closed, and the camera its own.
const LINGER: Duration = Duration::from_secs(1);
/// UDP packets held back while one before them is missing, and how long.
const REORDER_PACKETS: usize = 64;
const REORDER_WAIT: Duration = Duration::from_millis(60);

/// What went through the gate so far. Shared with the session, lock-free.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// What the gate refused to let through.
    pub fault: OnceLock<Fault>,
    /// When the first video packet came.
    pub first_packet: OnceLock<Instant>,
    /// Video packets.
    pub packets: AtomicU64,
    /// Bytes of video packets, with their RTP headers.
    pub bytes: AtomicU64,
}

/// An open gate.
pub(super) struct Gate {
    /// Where the library is to connect to.
    pub address: SocketAddr,
    listener: TcpListener,
    line: Line,
    udp: Option<UdpPair>,
    meter: Arc<Meter>,
}

impl Gate {
    /// Opens a gate to `line`.
    pub async fn open(line: Line, transport: Transport, meter: Arc<Meter>) -> Result<Self, Fault> {
        let local = |e: std::io::Error| Fault::new(Verdict::Protocol, format!("this machine gave no socket ({e})"));
        let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.map_err(local)?;
        let udp = match transport {
            Transport::Tcp => None,
            Transport::Udp => Some(UdpPair::bind(line.local, line.peer).await.map_err(local)?),
        };
        Ok(Self { address: listener.local_addr().map_err(local)?, listener, line, udp, meter })
    }

    /// Passes everything on until either side closes. Ends by itself.
    pub async fn run(self) {
        let Self { listener, line, udp, meter, .. } = self;
        let Ok(Some(library)) = timeout(ACCEPT, accept(listener)).await else { return };
        let _ = library.set_nodelay(true);
        let (from_library, to_library) = library.into_split();
        let (from_camera, to_camera) = tokio::io::split(line);
        let plan = Arc::new(UdpPlan::default());
        let port = udp.as_ref().map(|pair| pair.port);
        let mut inward = Inward { to_library, meter, udp, plan: plan.clone(), rtp: RtpWatch::default() };
        let requests = outward(from_library, to_camera, port, &plan);
        tokio::select! {
            () = inward.run(from_camera) => {}
            // The library has said its last word (a TEARDOWN, where it could): nothing is waited for.
            () = requests => {}
        }
        let _ = timeout(LINGER, inward.to_library.shutdown()).await;
    }
}

/// The library's connection: the first that asks for a description. Anything else that finds the port
/// (another program on this machine, a late goodbye to an earlier gate) is turned away.
async fn accept(listener: TcpListener) -> Option<TcpStream> {
    loop {
        let (stream, _) = listener.accept().await.ok()?;
        let mut start = [0; 8];
        let peeked = timeout(Duration::from_secs(1), async {
            loop {
                match stream.peek(&mut start).await {
                    Ok(n) if n == start.len() => return true,
                    Ok(0) | Err(_) => return false,
                    Ok(_) => tokio::task::yield_now().await,
                }
            }
        });
        if peeked.await == Ok(true) && &start == b"DESCRIBE" {
            return Some(stream);
        }
    }
}

/// What SETUP agreed on, where the camera sends by UDP.
#[derive(Default)]
struct UdpPlan {
    /// The `interleaved=` that the library asked for.
    channels: OnceLock<String>,
}

/// Requests, from the library to the camera.
async fn outward(mut from: OwnedReadHalf, mut to: WriteHalf<Line>, udp_port: Option<u16>, plan: &UdpPlan) {
    let mut buffer = BytesMut::with_capacity(2048);
    loop {
        match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let sent = match udp_port {
            None => {
                let sent = to.write_all(&buffer).await;
                buffer.clear();
                sent
            }
            Some(port) => send_with_udp(&mut buffer, &mut to, port, plan).await,
        };
        if sent.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _ = timeout(LINGER, to.shutdown()).await;
}

async fn send_with_udp(
    buffer: &mut BytesMut,
    to: &mut WriteHalf<Line>,
    port: u16,
    plan: &UdpPlan,
) -> std::io::Result<()> {
    while let Some(end) = header_end(buffer) {
        let head = buffer.split_to(end);
        let text = String::from_utf8_lossy(&head);
        let rewritten = if text.starts_with("SETUP ") {
            replace_header(&text, "transport", |value| {
                if let Some(channels) = parameter(value, "interleaved") {
                    let _ = plan.channels.set(channels.to_owned());
                }
                format!("RTP/AVP;unicast;client_port={port}-{}", port + 1)
            })
        } else {
            text.into_owned()
        };
        to.write_all(rewritten.as_bytes()).await?;
    }
    Ok(())
}

/// Answers and packets, from the camera to the library.
struct Inward {
    to_library: OwnedWriteHalf,
    meter: Arc<Meter>,
    udp: Option<UdpPair>,
    plan: Arc<UdpPlan>,
    rtp: RtpWatch,
}

/// One message at the front of a buffer.
enum Unit {
    /// Not all of it is here yet.
    Partial,
    /// An interleaved packet or stray line end of this many bytes.
    Pass(usize),
    /// An RTSP message: bytes of its head, and of its body.
    Message(usize, usize),
}

impl Inward {
    async fn run(&mut self, mut from: ReadHalf<Line>) {
        let mut buffer = BytesMut::with_capacity(16 << 10);
        loop {
            let ended = tokio::select! {
                read = from.read_buf(&mut buffer) => match read {
                    Ok(0) | Err(_) => true,
                    Ok(_) => self.forward(&mut buffer).await.is_err(),
                },
                packets = next_udp(&mut self.udp) => self.forward_udp(packets).await.is_err(),
            };
            if ended {
                return;
            }
        }
    }

    /// Passes on every whole message in `buffer`. An error ends the session.
    async fn forward(&mut self, buffer: &mut BytesMut) -> Result<(), ()> {
        let mut whole = 0;
        loop {
            let unit = self.unit(&buffer[whole..]).map_err(|fault| {
                let _ = self.meter.fault.set(fault);
            })?;
            match unit {
                Unit::Partial => break,
                Unit::Pass(n) => whole += n,
                Unit::Message(head, body) if self.udp.is_some() => {
                    let text = String::from_utf8_lossy(&buffer[whole..whole + head]).into_owned();
                    let answer = self.udp_answer(&text).await;
                    self.write(&buffer[..whole]).await?;
                    self.write(answer.as_bytes()).await?;
                    self.write(&buffer[whole + head..whole + head + body]).await?;
                    buffer.advance(whole + head + body);
                    whole = 0;
                }
                Unit::Message(head, body) => whole += head + body,
            }
        }
        self.write(&buffer[..whole]).await?;
        buffer.advance(whole);
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.to_library.write_all(bytes).await.map_err(drop)
    }

    fn unit(&mut self, bytes: &[u8]) -> Result<Unit, Fault> {
        let protocol = |detail: &str| Err(Fault::new(Verdict::Protocol, detail));
        match bytes {
            [] => Ok(Unit::Partial),
            // Some cameras send stray line ends between messages.
            [b'\r' | b'\n', ..] => Ok(Unit::Pass(1)),
            [b'$', channel, high, low, packet @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if packet.len() < length {
                    return Ok(Unit::Partial);
                }
                if channel % 2 == 0 {
                    self.rtp.count(&packet[..length], &self.meter)?;
                }
                Ok(Unit::Pass(4 + length))
            }
            [b'$', ..] => Ok(Unit::Partial),
            [b'A'..=b'Z', ..] => {
                if bytes.starts_with(b"HTTP/") {
                    return protocol("a web server answers on this port, not an RTSP server");
                }
                let Some(head) = header_end(&bytes[..bytes.len().min(HEADER_MAX)]) else {
                    if bytes.len() >= HEADER_MAX {
                        return protocol("the camera sends headers without end");
                    }
                    return Ok(Unit::Partial);
                };
                let text = String::from_utf8_lossy(&bytes[..head]);
                let body = match header(&text, "content-length").map(str::parse::<u64>) {
                    None => 0,
                    Some(Ok(n)) if n <= BODY_MAX as u64 => n as usize,
                    Some(Ok(n)) => {
                        return protocol(&format!(
                            "the camera announces a message of {n} bytes; {BODY_MAX} are plenty"
                        ));
                    }
                    Some(Err(_)) => return protocol("the camera announces a message without a sensible length"),
                };
                if bytes.len() < head + body { Ok(Unit::Partial) } else { Ok(Unit::Message(head, body)) }
            }
            _ => protocol("the camera sends bytes that are not RTSP"),
        }
    }

    /// The camera's answer, with the UDP transport it gave told to the library as interleaved.
    async fn udp_answer(&mut self, text: &str) -> String {
        let (Some(value), Some(pair), Some(channels)) =
            (header(text, "transport"), self.udp.as_mut(), self.plan.channels.get())
        else {
            return text.to_owned();
        };
        if value.to_ascii_uppercase().contains("/TCP") {
            return text.to_owned(); // the camera insists on interleaved: so be it
        }
        let server_port = parameter(value, "server_port").and_then(|p| p.split('-').next()?.trim().parse().ok());
        if let Some(port) = server_port {
            pair.punch(port).await;
        }
        let ssrc = parameter(value, "ssrc").map(|s| format!(";ssrc={s}")).unwrap_or_default();
        replace_header(text, "transport", |_| format!("RTP/AVP/TCP;unicast;interleaved={channels}{ssrc}"))
    }

    async fn forward_udp(&mut self, packets: Vec<(u8, Vec<u8>)>) -> Result<(), ()> {
        let channel = self.plan.channels.get().and_then(|c| c.split('-').next()?.parse::<u8>().ok()).unwrap_or(0);
        for (offset, packet) in packets {
            if offset == 0
                && let Err(fault) = self.rtp.count(&packet, &self.meter)
            {
                let _ = self.meter.fault.set(fault);
                return Err(());
            }
            let Ok(length) = u16::try_from(packet.len()) else { continue };
            let [high, low] = length.to_be_bytes();
            self.write(&[b'$', channel.wrapping_add(offset), high, low]).await?;
            self.write(&packet).await?;
        }
        Ok(())
    }
}

/// Counts RTP packets and bounds the size of one picture.
#[derive(Default)]
struct RtpWatch {
    timestamp: u32,
    frame_bytes: u64,
}

impl RtpWatch {
    fn count(&mut self, packet: &[u8], meter: &Meter) -> Result<(), Fault> {
        // RFC 3550, section 5.1: version 2, timestamp in bytes 4 to 7.
        let [first, _, _, _, t0, t1, t2, t3, ..] = packet else { return Ok(()) };
        if first >> 6 != 2 {
            return Ok(());
        }
        meter.first_packet.get_or_init(Instant::now);
        meter.packets.fetch_add(1, Ordering::Relaxed);
        meter.bytes.fetch_add(packet.len() as u64, Ordering::Relaxed);
        let timestamp = u32::from_be_bytes([*t0, *t1, *t2, *t3]);
        if timestamp != self.timestamp {
            (self.timestamp, self.frame_bytes) = (timestamp, 0);
        }
        self.frame_bytes += packet.len() as u64;
        if self.frame_bytes > FRAME_MAX {
            return Err(Fault::new(Verdict::Protocol, format!("one picture of more than {} MiB", FRAME_MAX >> 20)));
        }
        Ok(())
    }
}

/// Two UDP sockets, RTP on an even port and RTCP on the next (RFC 3550, section 11).
struct UdpPair {
    port: u16,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    peer: IpAddr,
    order: Reorder,
    buffer: Box<[u8; 65_535]>,
}

impl UdpPair {
    async fn bind(local: IpAddr, peer: IpAddr) -> std::io::Result<Self> {
        let mut last = None;
        for _ in 0..32 {
            let rtp = UdpSocket::bind((local, 0)).await?;
            let port = rtp.local_addr()?.port();
            if port % 2 == 1 || port == u16::MAX {
                continue;
            }
            match UdpSocket::bind((local, port + 1)).await {
                Ok(rtcp) => {
                    let buffer = Box::new([0; 65_535]);
                    return Ok(Self { port, rtp, rtcp, peer, order: Reorder::default(), buffer });
                }
                Err(e) => last = Some(e),
            }
        }
        Err(last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()))
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

async fn next_udp(pair: &mut Option<UdpPair>) -> Vec<(u8, Vec<u8>)> {
    match pair {
        Some(pair) => pair.next().await,
        None => std::future::pending().await,
    }
}

/// Puts RTP packets back in their order, holding few and not for long.
#[derive(Default)]
struct Reorder {
    next: Option<u16>,
    /// By distance from the packet that is missing.
    held: BTreeMap<u16, Vec<u8>>,
    since: Option<Instant>,
}

impl Reorder {
    fn deadline(&self) -> Option<Instant> {
        self.since.map(|at| at + REORDER_WAIT)
    }

    fn push(&mut self, packet: Vec<u8>) -> Vec<Vec<u8>> {
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
            // Far behind is a late or doubled packet; far ahead, a camera that restarted its count.
            ahead if ahead < 0x8000 => {
                self.held.insert(ahead, packet);
                self.since.get_or_insert_with(Instant::now);
                if self.held.len() >= REORDER_PACKETS { self.give_up() } else { Vec::new() }
            }
            behind if behind < 0xff00 => {
                self.held.clear();
                (self.next, self.since) = (Some(sequence.wrapping_add(1)), None);
                vec![packet]
            }
            _ => Vec::new(),
        }
    }

    /// Counts the missing packet as lost and gives what waited for it.
    fn give_up(&mut self) -> Vec<Vec<u8>> {
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

/// Bytes of a message's head with its empty line, if that is here.
fn header_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

/// A header's value.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// `a=1;b=2`: the value of one parameter.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split([';', ',']).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn replace_header(head: &str, name: &str, mut value: impl FnMut(&str) -> String) -> String {
    head.split("\r\n")
        .map(|line| match line.split_once(':') {
            Some((key, old)) if key.trim().eq_ignore_ascii_case(name) => format!("{key}: {}", value(old.trim())),
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\r\n")
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

    #[test]
    fn headers_are_read_and_replaced_whatever_their_case() {
        let head =
            "RTSP/1.0 200 OK\r\nCSeq: 3\r\ntransport: RTP/AVP;client_port=5000-5001;server_port=6000-6001\r\n\r\n";
        let value = header(head, "Transport").unwrap();
        assert_eq!(parameter(value, "server_port"), Some("6000-6001"));
        let replaced = replace_header(head, "Transport", |_| "RTP/AVP/TCP;interleaved=0-1".into());
        assert_eq!(replaced, "RTSP/1.0 200 OK\r\nCSeq: 3\r\ntransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n");
    }
}
