//! Cameras that behave and misbehave on demand, on loopback only: for the demo, the tests and the benches.
//!
//! [`Camera::start`] opens a camera; [`Camera::set_mood`] makes it healthy, black, mute or worse while
//! it runs. Everything a client sees goes through real sockets. Servers and faults are written by hand,
//! since faults need every byte in hand; they serve one kind of client well, a test, and must not face
//! a network.
//!
//! H.265 pictures come from a clip and know no `black` or `covered`.

mod auth;
mod camera;
mod encode;
mod feed;
mod font;
mod http;
mod mood;
mod options;
mod rng;
mod rtp;
mod rtsp;
mod scene;
mod tls;
mod viewer;
mod wire;

pub use camera::{Camera, Stats, reserve};
pub use mood::{Mood, UnknownMood};
pub use options::{Auth, Codec, HttpStyle, Options, Protocol, UdpPolicy};
pub use tls::certificate_pem;
