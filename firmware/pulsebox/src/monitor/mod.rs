//! Looks at each camera when its time has come and keeps the board.
//!
//! `check` is one look; `board` is what is known now and what just happened; `plan` decides when the
//! next look is due; `verdict`s become states by the thresholds in `state`.

pub mod board;
