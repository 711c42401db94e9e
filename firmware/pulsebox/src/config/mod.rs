//! `pulsebox.yaml`: model, validation, live reload, atomic write-back.

mod model;

pub use model::*;
