//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// Problems reported of one file; a file with more is wrong in kind, and the list would help nobody.
pub(super) const REPORTED: usize = 100;

/// A place in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The key that it is about, as a person finds it: `streams[0].alarm.failures`; none where the text is
    /// no YAML.
    pub key: Option<String>,
    /// What is wrong; quotes no secret.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

impl Problem {
    pub(super) fn new(place: Place, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { line: place.line, column: place.column, key: None, what: what.into(), advice: advice.into() }
    }
}

impl fmt::Display for Problem {
    /// `LINE:COLUMN: what; what to do`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.line, self.column, self.what, self.advice)
    }
}

/// Something that works but is hardly meant. The same shape as a [`Problem`].
pub type Warning = Problem;

/// All that is wrong with one text, ordered by line and column, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(Vec<Problem>);

impl Errors {
    /// From at least one problem.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        problems.truncate(REPORTED);
        Self(problems)
    }

    /// The same, each with the key that `key_at` finds for it.
    pub(super) fn with_keys(mut self, key_at: impl Fn(&Problem) -> Option<String>) -> Self {
        for problem in &mut self.0 {
            problem.key = key_at(problem);
        }
        self
    }

    /// The same, each at the place that `place_of` says.
    pub(super) fn moved(mut self, place_of: impl Fn(Place) -> Place) -> Self {
        for problem in &mut self.0 {
            let place = place_of(Place { line: problem.line, column: problem.column });
            (problem.line, problem.column) = (place.line, place.column);
        }
        self
    }

    /// The problems.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl From<Problem> for Errors {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Errors {
    /// One problem a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// Why a file gives no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened or read.
    #[error("{}: cannot be read ({source}); check that the file exists and that Pulsebox may read it", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It is read, and what it says is wrong.
    #[error("{}", lines(path, errors))]
    Bad {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        errors: Errors,
    },
}

/// Problems that are told in one line.
const TOLD: usize = 3;

impl ReadError {
    /// The first [`TOLD`] problems in one line, and how many more there are: who carries a card to and fro mends them
    /// all at once.
    pub fn summary(&self) -> String {
        let whole = self.to_string();
        let told = whole.lines().take(TOLD).collect::<Vec<_>>().join("; ");
        match whole.lines().count().saturating_sub(TOLD) {
            0 => told,
            1 => format!("{told} (and one more problem)"),
            n => format!("{told} (and {n} more problems)"),
        }
    }
}

fn lines(path: &std::path::Path, errors: &Errors) -> String {
    let lines: Vec<String> = errors.0.iter().map(|problem| format!("{}:{problem}", path.display())).collect();
    lines.join("\n")
}
