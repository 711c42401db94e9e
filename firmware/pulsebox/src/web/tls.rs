//! HTTPS: with the person's own certificate, or with one that the box makes and keeps in `<data>/tls/`.
//!
//! A self-made certificate keeps listeners out; it does not prove to a browser that this is the box, and the
//! browser says so once. It is made once and not renewed: a box without a clock could not tell when. Delete
//! `<data>/tls/` for a new one, for instance after the box's names have changed.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::server::bind;
use crate::config::on_disk;
use crate::config::{self, WebTls};

/// An open port, encrypted or not.
#[derive(Debug)]
pub struct Port {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Tls>,
}

impl From<TcpListener> for Port {
    /// Without encryption.
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }
}

impl Port {
    /// Opens what `web:` asks for. `data`: where a self-made certificate is kept.
    ///
    /// # Errors
    /// The port is taken or not allowed, or the certificate cannot be used; the text says what to do.
    pub async fn open(web: &config::Web, data: &Path) -> Result<Self, String> {
        let tls = match web.tls.clone() {
            None => None,
            Some(tls) => {
                let (names, data) = (names(web), data.to_owned());
                let made = tokio::task::spawn_blocking(move || Tls::load(&tls, &data, names)).await;
                Some(made.map_err(|e| format!("reading the certificate failed, a bug: {e}"))??)
            }
        };
        let listener = bind(web.listen).await.map_err(|e| e.to_string())?;
        Ok(Self { listener, tls })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// A certificate with its key, ready to serve.
#[derive(Clone)]
pub(super) struct Tls(pub(super) TlsAcceptor);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(***)")
    }
}

impl Tls {
    /// Reads or makes the certificate. Blocks.
    fn load(tls: &WebTls, data: &Path, names: Vec<String>) -> Result<Self, String> {
        match tls {
            WebTls::Files { certificate, key } => Self::read(certificate, key),
            WebTls::SelfMade => {
                let folder = data.join("tls");
                let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
                if !(certificate.exists() && key.exists()) {
                    make(&folder, &certificate, &key, names)?;
                }
                Self::read(&certificate, &key)
            }
        }
    }

    fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let unusable = |path: &Path, why: &dyn fmt::Display| {
            format!("web: tls: {} cannot be used: {why}; correct `web: tls:` in pulsebox.yaml", path.display())
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|e| unusable(certificate, &told(&e)))?;
        if chain.is_empty() {
            return Err(unusable(certificate, &"there is no certificate in it (PEM, `-----BEGIN CERTIFICATE-----`)"));
        }
        // Not the parser's own words: they could quote the key.
        let private = PrivateKeyDer::from_pem_file(key).map_err(|e| unusable(key, &told(&e)))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
        let mut config = config.map_err(|e| {
            let why = format!("{e} (is {} the key of this certificate?)", key.display());
            unusable(certificate, &why)
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

fn told(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::Io(e) => e.to_string(),
        Error::NoItemsFound => "what belongs there is not in it (PEM)".into(),
        _ => "it is no PEM".into(),
    }
}

/// Makes a certificate for `names` and keeps it.
fn make(folder: &Path, certificate: &Path, key: &Path, names: Vec<String>) -> Result<(), String> {
    let unmade = |why: &dyn fmt::Display| format!("web: tls: no certificate can be made: {why}");
    let mut params = CertificateParams::new(names).map_err(|e| unmade(&e))?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Pulsebox, self-made");
    params.distinguished_name = name;
    // The clock of a box that has just been switched on may be years behind.
    (params.not_before, params.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2049, 12, 31));
    let pair = KeyPair::generate().map_err(|e| unmade(&e))?;
    let made = params.self_signed(&pair).map_err(|e| unmade(&e))?;
    let kept = std::fs::create_dir_all(folder)
        .and_then(|()| on_disk::replace(key, &pair.serialize_pem()))
        .and_then(|()| on_disk::replace(certificate, &made.pem()));
    kept.map_err(|e| {
        format!(
            "web: tls: the self-made certificate cannot be kept in {} ({e}): make the folder writable, or give \
             `certificate` and `key`",
            folder.display()
        )
    })
}

/// Every name under which a browser may open the page.
fn names(web: &config::Web) -> Vec<String> {
    let host = super::host_name();
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    if !host.is_empty() {
        names.extend([format!("{host}.local"), host]);
    }
    let address = if web.listen.ip().is_unspecified() { own_address() } else { Some(web.listen.ip()) };
    names.extend(address.map(|address| address.to_string()));
    names.extend(web.hosts.iter().cloned());
    names.sort();
    names.dedup();
    // A host name that no certificate can hold (an underscore is fine, an umlaut is not) is left out.
    names.retain(|name| name.is_ascii());
    names
}

/// The address that the box has on its network; connecting a UDP socket sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
