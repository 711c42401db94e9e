//! A backup: `pulsebox.yaml` with its secrets, sealed under a password (argon2id, ChaCha20-Poly1305).
//!
//! Whoever has the file and not the password learns when it was made, by which version, and how long the text is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Refusal;
use super::password::Hasher;
use super::secret::random;

/// The shape of the file; another number is another way of sealing.
const SHAPE: u32 = 1;
const SALT_LEN: usize = 16;

/// A sealed configuration, as the file holds it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Backup {
    /// 1.
    pulsebox_backup: u32,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    made: Timestamp,
    /// By which Pulsebox.
    version: String,
    /// Base64.
    salt: String,
    /// Base64.
    nonce: String,
    /// The text, sealed; base64.
    sealed: String,
}

impl Backup {
    /// Seals `text` under `password`.
    pub async fn seal(text: String, password: &str, made: Timestamp, hasher: &Hasher) -> Result<Self, Refusal> {
        let (salt, nonce) = (random::<SALT_LEN>()?, random::<NONCE_LEN>()?);
        let mut backup = Self {
            pulsebox_backup: SHAPE,
            made,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            salt: STANDARD.encode(salt),
            nonce: STANDARD.encode(nonce),
            sealed: String::new(),
        };
        let key = key(hasher.key(password, salt).await?)?;
        let mut bytes = text.into_bytes();
        let sealed = key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), backup.head(), &mut bytes);
        sealed.map_err(|_| Refusal::NoBackup("it is too large to seal"))?;
        backup.sealed = STANDARD.encode(bytes);
        Ok(backup)
    }

    /// The text that was sealed under `password`.
    ///
    /// # Errors
    /// It is no backup; or the password is wrong, which cannot be told from a file that somebody changed.
    pub async fn open(&self, password: &str, hasher: &Hasher) -> Result<String, Refusal> {
        if self.pulsebox_backup != SHAPE {
            return Err(Refusal::NoBackup("it was made by a newer Pulsebox"));
        }
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| Refusal::NoBackup("it is damaged"));
        let fixed = || Refusal::NoBackup("its salt or nonce is damaged");
        let salt: [u8; SALT_LEN] = decode(&self.salt)?.try_into().map_err(|_| fixed())?;
        let nonce: [u8; NONCE_LEN] = decode(&self.nonce)?.try_into().map_err(|_| fixed())?;
        let mut sealed = decode(&self.sealed)?;
        let key = key(hasher.key(password, salt).await?)?;
        let text = key.open_in_place(Nonce::assume_unique_for_key(nonce), self.head(), &mut sealed);
        let text = text.map_err(|_| Refusal::WrongBackupPassword)?;
        String::from_utf8(text.to_vec()).map_err(|_| Refusal::NoBackup("it holds no text"))
    }

    /// What stands readable before the text is sealed with it: nobody can change it unseen.
    fn head(&self) -> Aad<Vec<u8>> {
        Aad::from(format!("{}\n{}\n{}", self.pulsebox_backup, self.made, self.version).into_bytes())
    }
}

fn key(bytes: [u8; 32]) -> Result<LessSafeKey, Refusal> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| Refusal::Busy)?;
    Ok(LessSafeKey::new(key))
}
