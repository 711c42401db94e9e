//! Resolves a name, connects and encrypts, each with its own deadline and its own fault.
//!
//! Done here and not in the RTSP or HTTP library, because theirs fold all these into one opaque error.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Climb, Fault, Rung, Verdict};

/// The longest that a name may take to resolve. A resolver's own first retry comes after 5 s.
const RESOLVE: Duration = Duration::from_secs(6);
/// The longest that a connection may take: one lost SYN is sent again after 1 s, a second after 3 s.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest that a TLS handshake may take: small cameras need seconds for an RSA signature.
const ENCRYPT: Duration = Duration::from_secs(8);
/// Addresses tried for one name.
const ADDRESSES: usize = 4;
/// Names being resolved at once: each holds a thread until the system's resolver gives up.
static RESOLVING: Semaphore = Semaphore::const_new(64);

/// Where to connect to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Name or address, IPv6 without brackets.
    pub host: &'a str,
    /// TCP port.
    pub port: u16,
    /// `None`: plain.
    pub tls: Option<Trust<'a>>,
}

/// Which certificates are taken, and whether one is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trust<'a> {
    /// Those that the system's store vouches for.
    Store,
    /// Any.
    Any,
    /// As this says: see [`client_config`].
    Given(&'a Arc<ClientConfig>),
}

impl Trust<'_> {
    /// For a camera's `tls_insecure`.
    pub fn camera(insecure: bool) -> Self {
        if insecure { Self::Any } else { Self::Store }
    }
}

/// An open connection, plain or encrypted.
pub(crate) struct Line {
    stream: Stream,
    /// Our end's address.
    pub local: IpAddr,
    /// The other end's address.
    pub peer: IpAddr,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Climbs the rungs `resolve`, `connect` and, with TLS, `encrypt`.
pub(crate) async fn dial(place: Place<'_>, climb: &mut Climb) -> Result<Line, Fault> {
    climb.waiting(Verdict::Dns, "the name server's answer");
    let addresses = resolve(place.host, place.port).await?;
    climb.reached(Rung::Resolve);
    climb.waiting(Verdict::Timeout, "the connection");
    let tcp = connect(&addresses).await?;
    climb.reached(Rung::Connect);
    // Requests are small and must not wait for more to be sent with them.
    let _ = tcp.set_nodelay(true);
    let (local, peer) = match (tcp.local_addr(), tcp.peer_addr()) {
        (Ok(local), Ok(peer)) => (local.ip(), peer.ip()),
        (Err(e), _) | (_, Err(e)) => {
            return Err(Fault::new(Verdict::Protocol, format!("the connection broke at once ({e})")));
        }
    };
    let stream = match place.tls {
        None => Stream::Plain(tcp),
        Some(trust) => {
            climb.waiting(Verdict::Tls, "the TLS handshake");
            let stream = Stream::Tls(Box::new(encrypt(tcp, place.host, trust).await?));
            climb.reached(Rung::Encrypt);
            stream
        }
    };
    Ok(Line { stream, local, peer })
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let looked_up = timeout(RESOLVE, async {
        let _permit = RESOLVING.acquire().await;
        tokio::net::lookup_host((host, port)).await.map(|found| found.take(ADDRESSES).collect::<Vec<_>>())
    });
    match looked_up.await {
        Ok(Ok(found)) if !found.is_empty() => Ok(found),
        Ok(Ok(_)) => Err(Fault::new(Verdict::Dns, format!("`{host}` has no address"))),
        Ok(Err(e)) => Err(Fault::new(Verdict::Dns, format!("`{host}` does not resolve ({e})"))),
        Err(_) => Err(Fault::new(
            Verdict::Dns,
            format!("no name server answered for `{host}` within {} s", RESOLVE.as_secs()),
        )),
    }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Fault> {
    let mut worst: Option<Fault> = None;
    for address in addresses {
        let fault = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => connect_fault(*address, &e),
            Err(_) => Fault::new(
                Verdict::Timeout,
                format!("{address} did not take the connection within {} s", CONNECT.as_secs()),
            ),
        };
        // Of several addresses, the one that got nearest says most: a refusal is an answer.
        if worst.as_ref().is_none_or(|w| nearness(fault.verdict) > nearness(w.verdict)) {
            worst = Some(fault);
        }
    }
    Err(worst.unwrap_or_else(|| Fault::new(Verdict::Dns, "the name has no address")))
}

fn nearness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Refused => 2,
        Verdict::Timeout => 1,
        _ => 0,
    }
}

fn connect_fault(address: SocketAddr, error: &io::Error) -> Fault {
    use io::ErrorKind as K;
    match error.kind() {
        K::ConnectionRefused | K::ConnectionReset | K::ConnectionAborted => {
            Fault::new(Verdict::Refused, format!("{address} refused the connection"))
        }
        K::TimedOut => Fault::new(Verdict::Timeout, format!("{address} did not take the connection")),
        _ => Fault::new(Verdict::Unreachable, format!("no way to {address} ({error})")),
    }
}

async fn encrypt(tcp: TcpStream, host: &str, trust: Trust<'_>) -> Result<TlsStream<TcpStream>, Fault> {
    let tls = |detail: String| Fault::new(Verdict::Tls, detail);
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| tls(format!("`{host}` cannot stand in a certificate: use a name or an address")))?;
    let (config, store_empty) = match trust {
        Trust::Any => (insecure_config(), false),
        Trust::Store => trusted_config(),
        Trust::Given(config) => (config.clone(), false),
    };
    match timeout(ENCRYPT, TlsConnector::from(config).connect(name, tcp)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(e)) if store_empty => Err(tls(format!(
            "{e}; this machine has no certificate store, so no certificate can be checked (install `ca-certificates`)"
        ))),
        Ok(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof || e.kind() == io::ErrorKind::ConnectionReset => {
            Err(tls("the TLS handshake was broken off; there may be no TLS on this port".into()))
        }
        Ok(Err(e)) => Err(tls(e.to_string())),
        Err(_) => Err(tls(format!("no TLS handshake within {} s", ENCRYPT.as_secs()))),
    }
}

/// The client configuration that trusts the system's store, and whether that store is empty.
fn trusted_config() -> (Arc<ClientConfig>, bool) {
    static CONFIG: OnceLock<(Arc<ClientConfig>, bool)> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let roots = system_store();
            let empty = roots.is_empty();
            if empty {
                log::warn!("no certificate store on this machine: rtsps and https cameras need `tls_insecure: true`");
            }
            (Arc::new(builder().with_root_certificates(roots).with_no_client_auth()), empty)
        })
        .clone()
}

fn insecure_config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            Arc::new(builder().dangerous().with_custom_certificate_verifier(any_certificate()).with_no_client_auth())
        })
        .clone()
}

fn system_store() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn any_certificate() -> Arc<AnyCertificate> {
    Arc::new(AnyCertificate(Arc::new(ring::default_provider())))
}

/// What is trusted where neither the system's store nor everything will do alone.
pub(crate) enum Roots {
    /// As [`Trust::Store`].
    Store,
    /// As [`Trust::Any`].
    Any,
    /// These authorities and no other.
    These(RootCertStore),
}

/// A configuration for [`Trust::Given`]: whom to trust, and the certificate to show with its key. Blocks for the
/// system's store.
///
/// # Errors
/// The key does not fit the certificate, or one of them is of a kind that is not known.
pub(crate) fn client_config(
    roots: Roots,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, rustls::Error> {
    let builder = match roots {
        Roots::Store => builder().with_root_certificates(system_store()),
        Roots::Any => builder().dangerous().with_custom_certificate_verifier(any_certificate()),
        Roots::These(roots) => builder().with_root_certificates(roots),
    };
    match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key),
        None => Ok(builder.with_no_client_auth()),
    }
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    // ring offers suites for both versions, so this choice cannot fail; were it to, TLS 1.3 alone remains.
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]))
}

/// `tls_insecure: true`: the person said that any certificate will do.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // The check would parse the certificate and refuse the X.509 v1 ones that many devices make.
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Stream::Tls(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(s) => Pin::new(s).poll_write(cx, buf),
            Stream::Tls(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(s) => Pin::new(s).poll_flush(cx),
            Stream::Tls(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Stream::Tls(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
