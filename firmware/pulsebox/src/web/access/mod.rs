//! Who may do what: the password, sessions, tokens.
//!
//! One password for the people of a house, set by whoever opens the page first; a cookie for each browser that
//! gave it; a token for each program. Kept in `access.json` in the data folder, hashed. Without a folder that can
//! be written to all works from memory, and [`Access::fault`] says that a restart forgets it. A damaged file
//! opens nothing: nobody can sign in until `pulsebox password` was run. A file that goes missing while the box
//! runs opens nothing either: it is written anew from memory.
//!
//! What it cannot do: tell one person from another; prove who sets the first password; keep a secret that
//! crosses the network unencrypted (see `web: tls:`).

mod attempts;
mod backup;
mod kept;
mod password;
mod policy;
mod refusal;
mod routes;
mod sealed;
mod secret;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::attempts::Attempts;
use self::kept::{Kept, Session, Token};
use self::password::Hasher;
use self::secret::{Digest, random, random_text};
use crate::clock::Clock;
use crate::config::on_disk::Stamp;

pub use kept::{Forgotten, forget_password};
pub(super) use policy::{Need, need};
pub use refusal::Refusal;
pub(super) use routes::{COOKIE, cookie_name, routes, set_cookie};

/// Sessions kept; the one unused for longest makes room.
const SESSIONS: usize = 100;
/// Tokens kept.
const TOKENS: usize = 50;
/// What a token begins with, so that a scanner of leaked secrets knows one.
const TOKEN_PREFIX: &str = "pbx_";
/// Between two looks whether `pulsebox password` changed the file.
const LOOK: Duration = Duration::from_secs(2);

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything but settings and tokens.
    Read,
    /// Everything.
    Admin,
}

impl Scope {
    /// Whether who has this may do what needs `needed`.
    pub fn covers(self, needed: Scope) -> bool {
        self == Scope::Admin || needed == Scope::Read
    }
}

/// Who makes a call that needs sign-in: the guard puts it into the request's extensions.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What they may do.
    pub scope: Scope,
    /// Cancelled when the session or token ends: what stays open for this caller must end then. (The guard ends
    /// event streams and multipart answers by itself; a WebSocket's handler must look.)
    pub ended: CancellationToken,
    /// The session's cookie, where it is one.
    session: Option<Digest>,
}

impl Caller {
    /// Lets pass who may do what needs `scope`: for calls that need more than their method and path say.
    ///
    /// # Errors
    /// The token may only read.
    pub(super) fn must_have(&self, scope: Scope) -> Result<(), Refusal> {
        if self.scope.covers(scope) { Ok(()) } else { Err(Refusal::ReadOnly) }
    }

    /// Whether a browser's cookie says who it is: such a call must come from our own page.
    pub fn is_browser(&self) -> bool {
        self.session.is_some()
    }
}

/// A new token; its text is shown this once.
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct MadeToken {
    /// For naming it.
    pub id: String,
    /// What to send as `Authorization: Bearer …`.
    pub token: String,
    /// What uses it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
}

impl fmt::Debug for MadeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeToken").field("id", &self.id).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// A token as it is listed.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ListedToken {
    pub id: String,
    name: String,
    scope: Scope,
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used: Option<Timestamp>,
}

/// Who may do what. Cheap to clone.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    path: Option<PathBuf>,
    clock: Clock,
    hasher: Hasher,
    attempts: Mutex<Attempts>,
    state: Mutex<State>,
    /// What the file looked like when it was last read or written. Held while it is; never with `state` held.
    disk: Mutex<Option<Stamp>>,
}

struct State {
    kept: Kept,
    /// Why what is kept cannot be read: then nobody signs in.
    damaged: Option<String>,
    /// Why what is here is not on the disk.
    unwritten: Option<String>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Access").field("kept", &state.kept).field("damaged", &state.damaged).finish()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in between leaves values that are whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    /// Reads what is kept in the folder `data`; without a folder (tests) everything is kept in memory only. A file
    /// that cannot be read is told by [`Access::fault`]. Blocks: call it at start.
    pub fn open(data: Option<&Path>, clock: Clock) -> Self {
        let path = data.map(|data| data.join(kept::FILE));
        let access = Self(Arc::new(Inner {
            clock,
            hasher: Hasher::default(),
            attempts: Mutex::new(Attempts::new(Instant::now())),
            state: Mutex::new(State { kept: Kept::default(), damaged: None, unwritten: None }),
            disk: Mutex::new(None),
            path,
        }));
        if let Some(path) = &access.0.path {
            let mut stamp = locked(&access.0.disk);
            access.0.read(path, &mut stamp);
        }
        access
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0.state)
    }

    /// Whether somebody has set a password, or had before the file was damaged.
    pub fn is_claimed(&self) -> bool {
        let state = self.state();
        state.damaged.is_some() || state.kept.password.is_some()
    }

    /// What is wrong with the file, in one line; none where all is well.
    pub fn fault(&self) -> Option<String> {
        let state = self.state();
        let damaged = state.damaged.as_ref().map(|why| format!("nobody can sign in: {why}; run `pulsebox password`"));
        damaged.or_else(|| state.unwritten.clone())
    }

    /// Sets the first password.
    ///
    /// # Errors
    /// The box has one already; the password is too short or too long; the file is damaged.
    pub async fn claim(&self, password: &str) -> Result<(), Refusal> {
        self.may_be_claimed()?;
        password::check_length(password)?;
        let hash = self.0.hasher.hash(password).await?;
        {
            let mut state = self.state();
            if state.kept.password.is_some() {
                return Err(Refusal::Claimed); // another was quicker
            }
            state.kept.password = Some(hash);
        }
        self.save().await;
        log::info!("this box has been claimed: its first password is set");
        Ok(())
    }

    fn may_be_claimed(&self) -> Result<(), Refusal> {
        let state = self.state();
        match (&state.damaged, &state.kept.password) {
            (Some(why), _) => Err(Refusal::Damaged(why.clone())),
            (None, Some(_)) => Err(Refusal::Claimed),
            (None, None) => Ok(()),
        }
    }

    /// Counts a try of a password from this address.
    ///
    /// # Errors
    /// There were too many.
    pub(super) fn count_attempt(&self, from: IpAddr) -> Result<(), Refusal> {
        locked(&self.0.attempts).take(from, Instant::now()).map_err(Refusal::TooOften)
    }

    /// Takes back a try that was right.
    fn forgive_attempt(&self, from: IpAddr) {
        locked(&self.0.attempts).forgive(from);
    }

    /// Checks the password, at the pace that tries are allowed.
    ///
    /// # Errors
    /// It is wrong, was tried too often, or there is none.
    pub(super) async fn check_password(&self, password: &str, from: IpAddr) -> Result<(), Refusal> {
        let kept = {
            let state = self.state();
            if let Some(why) = &state.damaged {
                return Err(Refusal::Damaged(why.clone()));
            }
            state.kept.password.clone().ok_or(Refusal::Unclaimed)?
        };
        self.count_attempt(from)?;
        if !self.0.hasher.is_right(password, &kept).await? {
            log::warn!("a wrong password was given from {from}");
            return Err(Refusal::WrongPassword);
        }
        self.forgive_attempt(from);
        Ok(())
    }

    /// Begins a session; gives the cookie's value.
    pub(super) async fn begin_session(&self, lifetime: SignedDuration) -> Result<String, Refusal> {
        let id = random_text()?;
        let now = self.0.clock.now();
        let session = Session {
            id: Digest::of(&id),
            renewed: now,
            expires: later(now, lifetime),
            ended: CancellationToken::new(),
        };
        {
            let sessions = &mut self.state().kept.sessions;
            retain(sessions, |session| session.expires > now);
            if sessions.len() >= SESSIONS
                && let Some(oldest) = (0..sessions.len()).min_by_key(|i| sessions[*i].renewed)
            {
                sessions.swap_remove(oldest).ended.cancel();
            }
            sessions.push(session);
        }
        self.save().await;
        Ok(id)
    }

    /// Whose session this cookie is, and whether its end is due to be moved on.
    pub(super) fn session(&self, cookie: &str, lifetime: SignedDuration) -> Option<(Caller, bool)> {
        let (id, now) = (Digest::of(cookie), self.0.clock.now());
        let state = self.state();
        // Each is compared in constant time; where the search ends helps nobody to guess 256 random bits.
        let found = state.kept.sessions.iter().find(|session| session.id.is(&id))?;
        if state.damaged.is_some() || found.expires <= now {
            return None;
        }
        let caller = Caller { scope: Scope::Admin, ended: found.ended.clone(), session: Some(found.id) };
        Some((caller, found.is_due(now, lifetime)))
    }

    /// Moves a session's end on; whether it did: of the calls that a page makes at once, one does.
    pub(super) async fn renew(&self, caller: &Caller, lifetime: SignedDuration) -> bool {
        let (Some(id), now) = (caller.session, self.0.clock.now()) else { return false };
        {
            let mut state = self.state();
            let Some(session) = state.kept.sessions.iter_mut().find(|session| session.id.is(&id)) else { return false };
            if !session.is_due(now, lifetime) {
                return false;
            }
            (session.renewed, session.expires) = (now, later(now, lifetime));
        }
        self.save().await;
        true
    }

    /// Ends the caller's session.
    pub(super) async fn end_session(&self, caller: &Caller) {
        let Some(id) = caller.session else { return };
        retain(&mut self.state().kept.sessions, |session| !session.id.is(&id));
        self.save().await;
    }

    /// Sets another password and ends every session but the caller's.
    ///
    /// # Errors
    /// The current password is wrong or was tried too often; the new one is too short or too long.
    pub(super) async fn change_password(
        &self,
        caller: &Caller,
        current: &str,
        new: &str,
        from: IpAddr,
    ) -> Result<(), Refusal> {
        password::check_length(new)?;
        self.check_password(current, from).await?;
        let hash = self.0.hasher.hash(new).await?;
        {
            let mut state = self.state();
            state.kept.password = Some(hash);
            retain(&mut state.kept.sessions, |session| caller.session.is_some_and(|own| session.id.is(&own)));
        }
        self.save().await;
        log::info!("the password was changed; every other session has ended");
        Ok(())
    }

    /// Makes a token for a program. `name`: 1 to 60 characters.
    ///
    /// # Errors
    /// The name is none, or there are 50 tokens already.
    pub async fn make_token(&self, name: &str, scope: Scope) -> Result<MadeToken, Refusal> {
        let name = name.trim();
        if !(1..=60).contains(&name.chars().count()) || name.contains(char::is_control) {
            return Err(Refusal::TokenName);
        }
        let token = format!("{TOKEN_PREFIX}{}", random_text()?);
        let id = u64::from_be_bytes(random()?);
        let kept = Token {
            id: format!("{id:016x}"),
            name: name.to_owned(),
            scope,
            digest: Digest::of(&token),
            created: self.0.clock.now(),
            last_used: None,
            ended: CancellationToken::new(),
        };
        let made = MadeToken { id: kept.id.clone(), token, name: name.to_owned(), scope };
        {
            let tokens = &mut self.state().kept.tokens;
            if tokens.len() >= TOKENS {
                return Err(Refusal::TooManyTokens(TOKENS));
            }
            tokens.push(kept);
        }
        self.save().await;
        Ok(made)
    }

    /// All tokens, oldest first, without what they are.
    pub(super) fn tokens(&self) -> Vec<ListedToken> {
        let listed = |token: &Token| ListedToken {
            id: token.id.clone(),
            name: token.name.clone(),
            scope: token.scope,
            created: token.created,
            last_used: token.last_used,
        };
        self.state().kept.tokens.iter().map(listed).collect()
    }

    /// Whose token this is.
    pub(super) fn token(&self, text: &str) -> Option<Caller> {
        let digest = Digest::of(text);
        let mut state = self.state();
        if state.damaged.is_some() {
            return None;
        }
        let found = state.kept.tokens.iter_mut().filter(|token| token.digest.is(&digest)).last()?;
        found.last_used = Some(self.0.clock.now());
        Some(Caller { scope: found.scope, ended: found.ended.clone(), session: None })
    }

    /// Ends a token.
    ///
    /// # Errors
    /// There is none of this id.
    pub(super) async fn end_token(&self, id: &str) -> Result<(), Refusal> {
        {
            let tokens = &mut self.state().kept.tokens;
            let place = tokens.iter().position(|token| token.id == id).ok_or(Refusal::UnknownToken)?;
            tokens.remove(place).ended.cancel();
        }
        self.save().await;
        Ok(())
    }

    /// Picks up within 2 s what `pulsebox password` did to the file, and writes a lost one anew, until `stop`.
    pub(super) async fn follow(self, stop: CancellationToken) {
        let Some(path) = self.0.path.clone() else { return };
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let (inner, path) = (self.0.clone(), path.clone());
            let looked = tokio::task::spawn_blocking(move || {
                let mut stamp = locked(&inner.disk);
                // One that could not be written anew is tried again until it can.
                let is_lost = stamp.is_none() && locked(&inner.state).unwritten.is_some();
                if is_lost || Stamp::of(&path) != *stamp {
                    inner.read(&path, &mut stamp);
                }
            });
            if looked.await.is_err_and(|error| error.is_cancelled()) {
                return; // the runtime is going down
            }
        }
    }

    /// Writes what is here, or tells why not with [`Access::fault`].
    async fn save(&self) {
        let Some(path) = self.0.path.clone() else { return };
        let inner = self.0.clone();
        let saved = tokio::task::spawn_blocking(move || inner.write(&path)).await;
        if let Err(error) = saved {
            log::error!("writing who may sign in failed, a bug: {error}");
        }
    }
}

impl Inner {
    /// Takes what the file holds. One that has gone is written anew: a partition that falls off, or an `rm`, must
    /// not hand the box to whoever opens the page next. (`pulsebox password` removes a damaged file only.)
    fn read(&self, path: &Path, stamp: &mut Option<Stamp>) {
        *stamp = Stamp::of(path);
        let read = kept::read(path);
        let mut state = locked(&self.state);
        if matches!(read, Ok(None)) && state.damaged.is_none() && state.kept.password.is_some() {
            if state.unwritten.is_none() {
                log::warn!("{} is gone; it is written anew", path.display());
            }
            drop(state);
            return self.put(path, stamp);
        }
        for session in &state.kept.sessions {
            session.ended.cancel();
        }
        for token in &state.kept.tokens {
            token.ended.cancel();
        }
        state.unwritten = None;
        (state.kept, state.damaged) = match read {
            Ok(kept) => (kept.unwrap_or_default(), None),
            Err(why) => {
                log::error!("nobody can sign in: {why}; run `pulsebox password` on the box");
                (Kept::default(), Some(why))
            }
        };
    }

    /// Writes what is here. A file that somebody else has written in between is read instead: `pulsebox password`
    /// must not be undone by a session that is moved on.
    fn write(&self, path: &Path) {
        let mut stamp = locked(&self.disk);
        if Stamp::of(path) != *stamp {
            return self.read(path, &mut stamp);
        }
        self.put(path, &mut stamp);
    }

    fn put(&self, path: &Path, stamp: &mut Option<Stamp>) {
        let kept = {
            let state = locked(&self.state);
            // A damaged file holds what keeps the box shut; what is here does not.
            if state.damaged.is_some() {
                return;
            }
            state.kept.clone()
        };
        let written = kept::write(path, &kept);
        *stamp = Stamp::of(path);
        let mut state = locked(&self.state);
        let before = state.unwritten.take();
        if let Err(error) = written {
            let fault = format!(
                "password, sessions and tokens are forgotten at the next start: {} cannot be written ({error})",
                path.display()
            );
            if before.is_none() {
                log::warn!("{fault}");
            }
            state.unwritten = Some(fault);
        }
    }
}

/// Keeps the sessions for which `stays` holds and ends the others.
fn retain(sessions: &mut Vec<Session>, stays: impl Fn(&Session) -> bool) {
    sessions.retain(|session| {
        let stays = stays(session);
        if !stays {
            session.ended.cancel();
        }
        stays
    });
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
