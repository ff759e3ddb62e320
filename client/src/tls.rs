//! Whom a `wss://` address is believed.

use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The roots that servers' certificates must lead to; read at the first connection.
pub(crate) struct Tls {
    /// PEM, beside the system's.
    roots: Vec<Vec<u8>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    pub fn new(roots: Vec<Vec<u8>>) -> Tls {
        Tls { roots, config: OnceLock::new() }
    }

    pub fn config(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let config = Arc::new(self.make()?);
        Ok(self.config.get_or_init(|| config).clone())
    }

    fn make(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        // Some of a system's may be too old to be read; what is missing shows when it is needed.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for pem in &self.roots {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate =
                    certificate.map_err(|error| format!("a root certificate is no PEM: {error}"))?;
                roots
                    .add(certificate)
                    .map_err(|error| format!("a root certificate cannot be used: {error}"))?;
            }
        }
        if roots.is_empty() {
            return Err("this system has no root certificates: name one in the options".to_owned());
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}
