//! TLS by rustls, its certificate read again when the files change.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::limits;
use crate::settings::TlsFiles;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the TLS certificate cannot be used: {0}")]
pub struct TlsError(String);

/// Takes TLS connections with the certificate of these files; reads them again while it serves. A
/// pair that cannot be read leaves the one before in place: there is no way back to plain text.
pub(crate) fn acceptor(files: TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let certificate = Arc::new(Certificate(ArcSwap::from_pointee(read(&files)?)));
    tokio::spawn(reload(files, Arc::clone(&certificate)));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(error.to_string()))?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificate in use.
#[derive(Debug)]
struct Certificate(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

async fn reload(files: TlsFiles, certificate: Arc<Certificate>) {
    let mut seen = changed_at(&files);
    loop {
        tokio::time::sleep(limits::TLS_RELOAD_S).await;
        let now = changed_at(&files);
        if now == seen {
            continue;
        }
        match read(&files) {
            Ok(key) => {
                certificate.0.store(Arc::new(key));
                seen = now;
                info!("the TLS certificate was read again");
            }
            Err(error) => warn!(%error, "the changed TLS files are not used"),
        }
    }
}

fn changed_at(files: &TlsFiles) -> [Option<SystemTime>; 2] {
    let at = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    [at(&files.certificate), at(&files.key)]
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        TlsError(format!("`{}`: {error}", path.display()))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(&files.certificate, &error))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable(&files.key, &error))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(|error| TlsError(error.to_string()))
}
