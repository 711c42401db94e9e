//! A gate on loopback between the RTSP library and the camera.
//!
//! retina opens its own plain TCP connection, sets no limit to what a peer may send, and drops UDP
//! packets that come out of order. So it is pointed at this gate, which holds the real connection
//! (opened by [`super::dial`], TLS or not) and
//! - gives requests the camera's true name and signs them in ([`dialogue`]), so that a camera sees what any
//!   other viewer would send it, and its password is known here only;
//! - bounds every message and names what is not RTSP before the parser chokes on it ([`message`]), and
//!   bounds every picture;
//! - counts packets, bytes and what is missing, and notes when the first video packet came ([`meter`]);
//! - turns RTP over UDP into interleaved packets in their order ([`udp`], [`reorder`]);
//! - says goodbye (TEARDOWN) for every session that was opened, however the library left.
//!
//! One task owns both connections. While the library does not read, the camera is not read either.
//!
//! Cost: one task and one loopback connection a session, at most the largest message (272 KiB) held.

mod dialogue;
mod message;
mod meter;
mod reorder;
#[cfg(test)]
mod tests;
mod udp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::dial::Line;
use super::{Fault, Target, Transport, Verdict};
pub(super) use dialogue::USER_AGENT;
use dialogue::{Dialogue, Heard};
use message::{Unit, unit};
pub(super) use meter::Meter;
use meter::RtpWatch;
use udp::UdpPair;

/// How long the library may take to come to the gate.
const ACCEPT: Duration = Duration::from_secs(5);
/// How long the camera may take to take a request in.
const TAKE: Duration = Duration::from_secs(5);
/// How long the goodbyes may take: the camera's answer to TEARDOWN, and the ends of both connections.
const LINGER: Duration = Duration::from_secs(1);

/// An open gate.
pub(super) struct Gate {
    /// Where the library is to connect to.
    pub address: SocketAddr,
    listener: TcpListener,
    line: Line,
    dialogue: Dialogue,
    udp: Option<UdpPair>,
    meter: Arc<Meter>,
}

impl Gate {
    /// Opens a gate to `line`, which leads to `target`.
    ///
    /// # Errors
    /// `protocol`: this machine has no socket left.
    pub async fn open(line: Line, target: &Target, meter: Arc<Meter>) -> Result<Self, Fault> {
        let local = |e: io::Error| Fault::new(Verdict::Protocol, format!("this machine gave no socket ({e})"));
        let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.map_err(local)?;
        let address = listener.local_addr().map_err(local)?;
        let udp = match target.transport {
            Transport::Tcp => None,
            Transport::Udp => Some(UdpPair::bind(line.local, line.peer).await.map_err(local)?),
        };
        Ok(Self { address, listener, line, dialogue: Dialogue::new(&target.url, address), udp, meter })
    }

    /// Passes everything on until either side closes, then says goodbye. Ends by itself.
    pub async fn run(self) {
        let Self { listener, line, dialogue, udp, meter, .. } = self;
        let Ok(Some(library)) = timeout(ACCEPT, accept(listener)).await else { return };
        let _ = library.set_nodelay(true);
        let mut passage = Passage {
            library,
            asked: BytesMut::with_capacity(2048),
            camera: line,
            said: BytesMut::with_capacity(16 << 10),
            is_library_gone: false,
            dialogue,
            udp,
            rtp: RtpWatch::default(),
            meter,
        };
        let end = passage.pass().await;
        let _ = timeout(LINGER, passage.close(end)).await;
    }
}

/// The library's connection: the first that asks for a description. Anything else that finds the port
/// (another program on this machine) is turned away.
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

/// Both connections, and what has been read from them and not yet passed on.
struct Passage {
    library: TcpStream,
    asked: BytesMut,
    camera: Line,
    said: BytesMut,
    /// Nothing is passed to it any more.
    is_library_gone: bool,
    dialogue: Dialogue,
    udp: Option<UdpPair>,
    rtp: RtpWatch,
    meter: Arc<Meter>,
}

/// Who ended the passage.
enum End {
    Library,
    Camera,
    Gate(Fault),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        End::Gate(fault)
    }
}

impl Passage {
    async fn pass(&mut self) -> End {
        loop {
            let passed = tokio::select! {
                read = self.library.read_buf(&mut self.asked) => match read {
                    Ok(0) | Err(_) => Err(End::Library),
                    Ok(_) => self.outward().await,
                },
                read = self.camera.read_buf(&mut self.said) => match read {
                    Ok(0) | Err(_) => Err(End::Camera),
                    Ok(_) => self.inward().await,
                },
                packets = udp::next(&mut self.udp) => self.inward_udp(packets).await,
            };
            if let Err(end) = passed {
                return end;
            }
        }
    }

    /// Passes on every whole request in `asked`.
    async fn outward(&mut self) -> Result<(), End> {
        loop {
            match unit(&self.asked)? {
                Unit::Partial => return Ok(()),
                Unit::Stray => self.asked.advance(1),
                Unit::Packet { length, .. } => {
                    let packet = self.asked.split_to(4 + length);
                    // Over UDP the camera expects none here.
                    if self.udp.is_none() {
                        self.tell_camera(&packet).await?;
                    }
                }
                Unit::Message { head, body } => {
                    let head = self.asked.split_to(head);
                    let body = self.asked.split_to(body).freeze();
                    let head = String::from_utf8_lossy(&head);
                    let request = match &mut self.udp {
                        Some(udp) => self.dialogue.ask(&udp.asked(&head), body)?,
                        None => self.dialogue.ask(&head, body)?,
                    };
                    self.tell_camera(&request).await?;
                }
            }
        }
    }

    /// Passes on every whole packet and answer in `said`.
    async fn inward(&mut self) -> Result<(), End> {
        loop {
            let (packets, message) = self.whole()?;
            // Packets in a row go in one write.
            let packets = self.said.split_to(packets);
            self.tell_library(&packets).await?;
            let Some((head, body)) = message else { return Ok(()) };
            let head = self.said.split_to(head);
            let body = self.said.split_to(body);
            let head = String::from_utf8_lossy(&head);
            let heard = self.dialogue.hear(&head).map_err(|fault| match self.dialogue.refusal(&head) {
                Some(refusal) => fault.answered(refusal),
                None => fault,
            })?;
            match heard {
                Heard::Pass(head) => {
                    if let Some(refusal) = self.dialogue.refusal(&head) {
                        let _ = self.meter.refusal.set(refusal); // the first one counts
                    }
                    let head = match &self.udp {
                        Some(udp) => udp.answered(head).await,
                        None => head,
                    };
                    self.tell_library(head.as_bytes()).await?;
                    self.tell_library(&body).await?;
                }
                Heard::Again(request) => self.tell_camera(&request).await?,
                Heard::Own => {}
            }
        }
    }

    /// Bytes of the packets at the front of `said`, and of the head and body of the message behind them.
    fn whole(&mut self) -> Result<(usize, Option<(usize, usize)>), Fault> {
        let mut packets = 0;
        loop {
            match unit(&self.said[packets..])? {
                Unit::Partial => return Ok((packets, None)),
                Unit::Stray => packets += 1,
                Unit::Packet { channel, length } => {
                    let start = packets + 4;
                    packets = start + length;
                    // Odd channels carry RTCP.
                    if channel % 2 == 0 {
                        self.rtp.count(channel, &self.said[start..packets], &self.meter)?;
                    }
                }
                Unit::Message { head, body } => return Ok((packets, Some((head, body)))),
            }
        }
    }

    async fn inward_udp(&mut self, packets: Vec<(u8, Vec<u8>)>) -> Result<(), End> {
        let channel = self.udp.as_ref().map_or(0, UdpPair::channel);
        for (offset, packet) in packets {
            if offset == 0 {
                self.rtp.count(channel, &packet, &self.meter)?;
            }
            let Ok(length) = u16::try_from(packet.len()) else { continue };
            let [high, low] = length.to_be_bytes();
            self.tell_library(&[b'$', channel.wrapping_add(offset), high, low]).await?;
            self.tell_library(&packet).await?;
        }
        Ok(())
    }

    /// Waits as long as the library does not read: it is ours, and ends with its session.
    async fn tell_library(&mut self, bytes: &[u8]) -> Result<(), End> {
        if self.is_library_gone {
            return Ok(());
        }
        self.library.write_all(bytes).await.map_err(|_| End::Library)
    }

    async fn tell_camera(&mut self, bytes: &[u8]) -> Result<(), End> {
        let camera = &mut self.camera;
        let written = timeout(TAKE, async {
            camera.write_all(bytes).await?;
            camera.flush().await
        });
        written.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|_| End::Camera)
    }

    /// Ends both connections in good order; the caller sets the deadline.
    async fn close(&mut self, end: End) {
        let ended = match end {
            End::Library => self.part().await,
            other => Err(other),
        };
        let is_library_waiting = !std::mem::replace(&mut self.is_library_gone, true);
        let is_camera_there = !matches!(ended, Err(End::Camera));
        let is_garbled = matches!(ended, Err(End::Gate(_)));
        if let Err(End::Gate(fault)) = ended {
            let _ = self.meter.fault.set(fault);
        }
        if is_library_waiting {
            let _ = self.library.shutdown().await;
        }
        if !is_camera_there {
            return;
        }
        // What comes from here on is not read any more, so the answer shows as the end of the connection.
        let goodbye = if is_garbled { self.dialogue.goodbye().ok().flatten() } else { None };
        if let Some(goodbye) = &goodbye {
            let _ = self.tell_camera(goodbye).await;
        }
        let _ = self.camera.shutdown().await;
        if goodbye.is_some() {
            let _ = tokio::io::copy(&mut self.camera, &mut tokio::io::sink()).await;
        }
    }

    /// Tells the camera that its viewer has gone, and hears it out.
    async fn part(&mut self) -> Result<(), End> {
        self.is_library_gone = true;
        loop {
            self.inward().await?;
            if let Some(goodbye) = self.dialogue.goodbye()? {
                self.tell_camera(&goodbye).await?;
            }
            // A SETUP that is still to be answered may open a session yet.
            if !self.dialogue.is_unsettled() {
                return Ok(());
            }
            if matches!(self.camera.read_buf(&mut self.said).await, Ok(0) | Err(_)) {
                return Err(End::Camera);
            }
        }
    }
}
