//! `pulsebox.yaml`: what may stand in it, reading it strictly, following it while it changes, and
//! writing it back without losing it.
//!
//! [`parse`] and [`read`] turn text into a [`Config`] or into every problem that can be found in one
//! go, each with its line and column. [`Store`] holds the file on disk and the configuration in force.
//! [`edit`] changes one setting and leaves the person's comments where they are. [`keys`] is the one
//! table of what may be written; the parser, the documentation and the tests read it.
//!
//! What it cannot do: after a YAML syntax error nothing further is found (the rest of the text has no
//! sure meaning); YAML tags, merge keys (`<<`) and several documents in one file are refused.

pub mod card;
mod check;
mod convert;
pub mod edit;
mod given;
mod id;
pub mod keys;
mod machine;
mod mask;
mod model;
pub mod network;
pub(crate) mod on_disk;
mod problem;
mod store;
mod trial;
mod words;
mod yaml;

use std::path::Path;

pub use id::id_from_name;
pub(crate) use id::is_valid as is_id;
pub use machine::Machine;
pub(crate) use mask::has_masked_secret;
pub use model::*;
pub use problem::{Errors, Problem, ReadError, Warning};
pub use store::{Shown, Store, WriteError, read_in_force};
pub use trial::left_over_network;

/// The largest file that is read, bytes. A thousand cameras with every key need a third of it.
pub const SIZE_LIMIT: u64 = 1024 * 1024;

/// Reads a configuration from text. A byte-order mark and Windows line ends are fine; empty text means
/// nothing to watch.
///
/// # Errors
/// All problems found, at most 100, ordered by line and column. None quotes a secret.
pub fn parse(text: &str) -> Result<(Config, Vec<Warning>), Errors> {
    parse_on(text, Machine::Any)
}

/// As [`parse`], with what holds on `machine` where the text says nothing.
///
/// # Errors
/// As of [`parse`].
pub fn parse_on(text: &str, machine: Machine) -> Result<(Config, Vec<Warning>), Errors> {
    convert::config(text, machine).map_err(|errors| given::with_keys(errors, text))
}

/// Reads a configuration file of at most [`SIZE_LIMIT`] bytes. Blocks.
///
/// # Errors
/// The file cannot be read, or it holds problems; printed as `FILE:LINE:COLUMN: what; what to do`.
pub fn read(path: &Path) -> Result<(Config, Vec<Warning>), ReadError> {
    read_on(path, Machine::Any)
}

/// As [`read`], with what holds on `machine` where the file says nothing.
///
/// # Errors
/// As of [`read`].
pub fn read_on(path: &Path, machine: Machine) -> Result<(Config, Vec<Warning>), ReadError> {
    let text = on_disk::read_text(path)?;
    parse_on(&text, machine).map_err(|errors| ReadError::Bad { path: path.to_owned(), errors })
}
