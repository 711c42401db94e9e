//! Pulsebox watches cameras and proves that each shows a living picture.
//!
//! A room may use the rooms before it in this list, never those after it:
//! `config` → `camera` → `picture` → `monitor` (with the board) → `history`, `leds`, `appliance` → `mqtt`, `web`;
//! `picture` → `live` → `web`.
//! `main.rs` wires them. See `README.md`, "How the house is laid out".

pub mod allocator;
pub mod appliance;
pub mod camera;
pub mod clock;
pub mod config;
pub mod history;
pub mod host;
pub mod leds;
pub mod live;
pub mod monitor;
pub mod mqtt;
pub mod picture;
pub mod service;
pub mod web;
