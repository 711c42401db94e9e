//! Whom the box trusts to be its broker, and what it shows of itself, from the person's PEM files.
//!
//! The files are read at each connection: a certificate that was renewed holds from the next one on.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::camera::dial::{Roots, client_config};
use crate::camera::{Fault, Verdict};
use crate::config::Mqtt;

/// The largest file that is read, bytes: a whole system's store of authorities is a quarter of it.
const LARGEST: u64 = 1024 * 1024;

/// What TLS needs beyond `tls_insecure`; none where no file is given. Fault: `tls`, naming the file.
pub(super) async fn given(mqtt: &Mqtt) -> Result<Option<Arc<ClientConfig>>, Fault> {
    if mqtt.ca_file.is_empty() && mqtt.client_certificate.is_empty() {
        return Ok(None);
    }
    let mqtt = mqtt.clone();
    let made = tokio::task::spawn_blocking(move || make(&mqtt)).await;
    let made = made.unwrap_or_else(|e| Err(format!("reading the certificates failed, a bug: {e}")));
    made.map(|config| Some(Arc::new(config))).map_err(|why| Fault::new(Verdict::Tls, why))
}

fn make(mqtt: &Mqtt) -> Result<ClientConfig, String> {
    let roots = if mqtt.tls_insecure {
        Roots::Any
    } else if mqtt.ca_file.is_empty() {
        Roots::Store
    } else {
        Roots::These(authorities(&mqtt.ca_file)?)
    };
    let identity = match mqtt.client_certificate.as_str() {
        "" => None,
        path => Some((certificates("client_certificate", path)?, key(&mqtt.client_key)?)),
    };
    client_config(roots, identity).map_err(|e| {
        let (certificate, key) = (&mqtt.client_certificate, &mqtt.client_key);
        format!("mqtt.client_certificate {certificate} cannot be used: {e} (is {key} its key?)")
    })
}

fn authorities(path: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_file", path)? {
        roots.add(certificate).map_err(|e| unusable("ca_file", path, &e))?;
    }
    Ok(roots)
}

fn certificates(key: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(key, path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|e| unusable(key, path, &told(&e)))?;
    if chain.is_empty() {
        return Err(unusable(key, path, &"there is no certificate in it (PEM, `-----BEGIN CERTIFICATE-----`)"));
    }
    Ok(chain)
}

fn key(path: &str) -> Result<PrivateKeyDer<'static>, String> {
    let text = read("client_key", path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|e| unusable("client_key", path, &told(&e)))
}

fn read(key: &str, path: &str) -> Result<Vec<u8>, String> {
    // A pipe or a device would hold the thread until somebody writes to it.
    let is_file = std::fs::metadata(Path::new(path)).map_err(|e| unusable(key, path, &e))?.is_file();
    if !is_file {
        return Err(unusable(key, path, &"it is no file"));
    }
    let mut text = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut text));
    match read {
        Ok(n) if n as u64 > LARGEST => Err(unusable(key, path, &"it is larger than 1 MiB")),
        Ok(_) => Ok(text),
        Err(e) => Err(unusable(key, path, &e)),
    }
}

fn unusable(key: &str, path: &str, why: &dyn fmt::Display) -> String {
    format!("mqtt.{key} {path} cannot be used: {why}")
}

/// Not the parser's own words: they could quote a key.
fn told(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::NoItemsFound => "what is needed is not in it (PEM, `-----BEGIN …-----`)",
        _ => "it is not whole PEM (`-----BEGIN …-----` to `-----END …-----`)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(mqtt: &Mqtt) -> String {
        make(mqtt).expect_err("this cannot be used")
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let missing = Mqtt { ca_file: path("none.pem"), ..Mqtt::default() };
        assert!(
            fault(&missing).starts_with(&format!("mqtt.ca_file {} cannot be used: No such file", path("none.pem")))
        );

        std::fs::write(path("text.pem"), "hello").unwrap();
        let empty = Mqtt { ca_file: path("text.pem"), ..Mqtt::default() };
        assert!(fault(&empty).ends_with("there is no certificate in it (PEM, `-----BEGIN CERTIFICATE-----`)"));

        let folder_itself = Mqtt { ca_file: folder.path().display().to_string(), ..Mqtt::default() };
        assert!(fault(&folder_itself).ends_with("it is no file"));
    }

    #[test]
    fn a_key_of_another_certificate_is_named_and_never_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let one = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["b".to_owned()]).unwrap();
        std::fs::write(path("a.pem"), one.cert.pem()).unwrap();
        std::fs::write(path("b-key.pem"), other.signing_key.serialize_pem()).unwrap();
        let mqtt = Mqtt { client_certificate: path("a.pem"), client_key: path("b-key.pem"), ..Mqtt::default() };
        let why = fault(&mqtt);
        assert!(why.contains(&format!("(is {} its key?)", path("b-key.pem"))), "{why}");

        let broken = other.signing_key.serialize_pem().replace("-----END", "----END");
        std::fs::write(path("b-key.pem"), &broken).unwrap();
        let why = fault(&mqtt);
        assert!(why.contains("mqtt.client_key") && why.contains("cannot be used"), "{why}");
        assert!(broken.lines().filter(|line| line.len() > 20).all(|line| !why.contains(line)), "{why}");
    }
}
