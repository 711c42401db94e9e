//! TLS for the cameras that use it: one self-made certificate a process, for 127.0.0.1 and localhost.

use std::io;
use std::sync::{Arc, LazyLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

struct Identity {
    pem: String,
    config: Arc<ServerConfig>,
}

static IDENTITY: LazyLock<Result<Identity, String>> = LazyLock::new(|| make().map_err(|error| error.to_string()));

fn make() -> Result<Identity, Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    // The provider is named, not installed: whoever uses this library may install another.
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(Identity { pem: made.cert.pem(), config: Arc::new(config) })
}

/// The certificate of every TLS camera in this process (self-signed: its own authority), in PEM; for
/// `127.0.0.1` and `localhost`. Empty when none could be made.
pub fn certificate_pem() -> String {
    IDENTITY.as_ref().map(|identity| identity.pem.clone()).unwrap_or_default()
}

/// Errors when no certificate could be made.
pub(crate) fn acceptor() -> io::Result<TlsAcceptor> {
    match IDENTITY.as_ref() {
        Ok(identity) => Ok(TlsAcceptor::from(identity.config.clone())),
        Err(error) => Err(io::Error::other(error.clone())),
    }
}
