//! The one slow hash: argon2id with OWASP's parameters (19 MiB, two passes, one lane), about a quarter of a
//! second on the slowest Pi. One runs at a time, on a thread of its own: memory and the second core stay free
//! for the cameras.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Refusal;
use super::secret::random;

/// The shortest password taken, characters (NIST SP 800-63B's least).
const SHORTEST: usize = 8;
/// The longest, characters.
const LONGEST: usize = 256;
/// Memory, KiB.
const MEMORY: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// How long a hash may wait for those before it.
const WAIT: Duration = Duration::from_secs(10);

/// Hashes passwords, one at a time. Clones share the one place.
#[derive(Clone, Debug)]
pub(super) struct Hasher(Arc<Semaphore>);

impl Default for Hasher {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Hasher {
    /// The password's PHC string (`$argon2id$…`), with a fresh salt.
    pub async fn hash(&self, password: &str) -> Result<String, Refusal> {
        let salt = SaltString::encode_b64(&random::<16>()?).map_err(|_| Refusal::NoRandomness)?;
        let password = password.to_owned();
        self.run(move || {
            Ok(argon2()?.hash_password(password.as_bytes(), &salt).map_err(|_| Refusal::Busy)?.to_string())
        })
        .await
    }

    /// Whether `kept` is this password's.
    pub async fn is_right(&self, password: &str, kept: &str) -> Result<bool, Refusal> {
        if password.chars().count() > LONGEST {
            return Ok(false); // nobody could have set it
        }
        let (password, kept) = (password.to_owned(), kept.to_owned());
        self.run(move || {
            let kept =
                PasswordHash::new(&kept).map_err(|_| Refusal::Damaged("the password's hash is no hash".into()))?;
            Ok(argon2()?.verify_password(password.as_bytes(), &kept).is_ok())
        })
        .await
    }

    #[allow(dead_code)] // the backup comes next
    /// A key of 256 bits made from a password and a salt, for what is sealed with it.
    pub async fn key(&self, password: &str, salt: [u8; 16]) -> Result<[u8; 32], Refusal> {
        if password.chars().count() > LONGEST {
            return Err(Refusal::WrongPassword);
        }
        let password = password.to_owned();
        self.run(move || {
            let mut key = [0; 32];
            argon2()?.hash_password_into(password.as_bytes(), &salt, &mut key).map_err(|_| Refusal::Busy)?;
            Ok(key)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let Ok(Ok(place)) = timeout(WAIT, self.0.clone().acquire_owned()).await else { return Err(Refusal::Busy) };
        // The place goes with the work: a caller that hangs up must not let a second hash run beside it.
        let worked = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        worked.await.unwrap_or(Err(Refusal::Busy))
    }
}

fn argon2() -> Result<Argon2<'static>, Refusal> {
    let params = Params::new(MEMORY, PASSES, 1, None).map_err(|_| Refusal::Busy)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Whether a new password may be this.
///
/// # Errors
/// It is too short or too long.
pub(super) fn check_length(password: &str) -> Result<(), Refusal> {
    match password.chars().count() {
        SHORTEST..=LONGEST => Ok(()),
        length => Err(Refusal::PasswordLength(length)),
    }
}

/// Whether a kept text is a hash that can be checked against.
pub(super) fn is_hash(kept: &str) -> bool {
    PasswordHash::new(kept).is_ok_and(|hash| hash.hash.is_some())
}
