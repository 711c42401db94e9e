//! The box itself.
