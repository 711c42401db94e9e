//! The web through its front door: a real server on loopback, asked over real sockets.

mod access;
mod api;
mod appliance;
mod docs;
mod events;
mod fixture;
mod mqtt;
mod page;
mod wire;
