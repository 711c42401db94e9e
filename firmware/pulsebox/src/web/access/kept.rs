//! What is kept of sign-in, and the file it is kept in: `access.json` in the data folder, mode 0600.

use std::fmt;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::Scope;
use super::password;
use super::secret::Digest;
use crate::config::ReadError;
use crate::config::on_disk::{self, read_text};

/// The file's name.
pub(super) const FILE: &str = "access.json";
/// Where a damaged one is set aside.
const DAMAGED: &str = "access.json.damaged";
/// The file's shape.
const VERSION: u32 = 1;

/// All that is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    version: u32,
    /// A PHC string; none until somebody claims the box.
    pub password: Option<String>,
    pub sessions: Vec<Session>,
    pub tokens: Vec<Token>,
}

/// A person who is signed in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    pub id: Digest,
    /// When the browser was last given the cookie.
    pub renewed: Timestamp,
    pub expires: Timestamp,
    /// Cancelled when it ends: open streams end with it.
    #[serde(skip)]
    pub ended: CancellationToken,
}

impl Session {
    /// Whether its end is to be moved on. Once a day at most: each time is a write to the card.
    pub fn is_due(&self, now: Timestamp, lifetime: SignedDuration) -> bool {
        now.duration_since(self.renewed) > (lifetime / 10).min(SignedDuration::from_hours(24))
    }
}

/// A program's key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    /// Public, for naming it.
    pub id: String,
    pub name: String,
    pub scope: Scope,
    pub digest: Digest,
    pub created: Timestamp,
    /// Written with whatever is written next, so that no use of a token writes to the card.
    pub last_used: Option<Timestamp>,
    #[serde(skip)]
    pub ended: CancellationToken,
}

impl Default for Kept {
    fn default() -> Self {
        Self { version: VERSION, password: None, sessions: Vec::new(), tokens: Vec::new() }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("claimed", &self.password.is_some())
            .field("sessions", &self.sessions.len())
            .field("tokens", &self.tokens.len())
            .finish()
    }
}

/// Reads the file; none where it is not there. Blocks.
///
/// # Errors
/// Why it cannot be read: never a box without a password for that.
pub(super) fn read(path: &Path) -> Result<Option<Kept>, String> {
    let fault = |why: &dyn fmt::Display| format!("{} is damaged ({why})", path.display());
    let text = match read_text(path) {
        Ok(text) => text,
        // Under a file, or in a folder that is not there, nothing is kept.
        Err(ReadError::Unreadable { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(ReadError::Unreadable { source, .. }) => {
            return Err(format!("{} cannot be read ({source})", path.display()));
        }
        Err(ReadError::Bad { .. }) => return Err(fault(&"it is not text, or far too large")),
    };
    let kept: Kept = serde_json::from_str(&text).map_err(|e| {
        // Line and column only: the parser's own words may quote what stands there.
        fault(&format_args!("line {}, column {}", e.line(), e.column()))
    })?;
    if kept.version != VERSION {
        return Err(format!("{} was written by a newer Pulsebox (version {})", path.display(), kept.version));
    }
    if kept.password.as_deref().is_some_and(|hash| !password::is_hash(hash)) {
        return Err(fault(&"the password's hash is no hash"));
    }
    Ok(Some(kept))
}

/// Replaces the file. Blocks.
pub(super) fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    let text = serde_json::to_string_pretty(kept).map_err(io::Error::other)?;
    on_disk::replace(path, &text)
}

/// Forgets the password and every session in the data folder's file; tokens stay. A file that cannot be read is
/// set aside as `access.json.damaged`. For the command `pulsebox password`; blocks.
///
/// # Errors
/// The file can be neither read nor set aside, or not be written.
pub fn forget_password(data: &Path) -> io::Result<Forgotten> {
    let path = data.join(FILE);
    match read(&path) {
        Ok(None | Some(Kept { password: None, .. })) => Ok(Forgotten::Nothing),
        Ok(Some(kept)) => {
            let (sessions, owner) = (kept.sessions.len(), std::fs::metadata(&path)?);
            write(&path, &Kept { password: None, sessions: Vec::new(), ..kept })?;
            // Run with sudo, this must not take the file away from the daemon's user.
            chown(&path, Some(owner.uid()), Some(owner.gid()))?;
            Ok(Forgotten::Password { sessions })
        }
        Err(_) => {
            std::fs::rename(&path, data.join(DAMAGED))?;
            Ok(Forgotten::Damaged)
        }
    }
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// There was no password.
    Nothing,
    /// The password and so many sessions.
    Password {
        /// How many were signed in.
        sessions: usize,
    },
    /// The file was damaged and was set aside, tokens and all.
    Damaged,
}
