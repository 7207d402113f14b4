//! TLS in front of the emulator, with a certificate authority of its own: for benchmarks and tests.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// The authority's PEM, and a server's configuration with a certificate of its for `localhost`.
pub(crate) fn certificates() -> (String, ServerConfig) {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth();
    (ca.pem(), config.with_single_cert(vec![certificate.der().clone()], key).unwrap())
}

/// Ends TLS in front of the plain server at `plain`.
pub(crate) async fn terminate(listener: TcpListener, config: ServerConfig, plain: String) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((outer, _)) = listener.accept().await {
        let (acceptor, plain) = (acceptor.clone(), plain.clone());
        tokio::spawn(async move {
            // A client that does not trust us hangs up.
            let Ok(mut outer) = acceptor.accept(outer).await else { return };
            let Ok(mut inner) = TcpStream::connect(plain).await else { return };
            let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
        });
    }
}
