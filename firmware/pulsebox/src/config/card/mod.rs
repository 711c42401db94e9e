//! Takes `pulsebox.yaml` from the card's boot partition: where a person's PC can put it, and where its passwords may
//! not stay.
//!
//! [`find`] says which file is meant, [`mend`] what it says, [`take`] puts it into the data folder and clears it off the
//! card. Every step is done again at the next start where the power went before its end.

mod find;
mod mend;
mod take;

use std::path::PathBuf;

pub use take::import;

/// What [`import`] works on.
#[derive(Clone, Debug)]
pub struct Import {
    /// The boot partition's folder.
    pub from: PathBuf,
    /// The data folder; what is written in it gets its owner.
    pub into: PathBuf,
    /// Leave the card's file as it is: the data folder is forgotten when the power goes.
    pub keep: bool,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// In one word.
    pub state: State,
    /// The file's name on the card; empty where there is none.
    pub file: String,
    /// For a person, one line, without secrets; empty where there is nothing to say.
    pub message: String,
    /// The card could not be written: its file is still there.
    pub is_card_read_only: bool,
}

/// As in the fact `import`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There was no file.
    None,
    /// Its settings are in force from now on.
    Taken,
    /// Nothing was changed.
    Refused,
}

impl State {
    /// As the fact says it.
    pub fn name(self) -> &'static str {
        match self {
            State::None => "none",
            State::Taken => "taken",
            State::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests;
