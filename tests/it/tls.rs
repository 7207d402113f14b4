//! The whole program over TLS, with a certificate authority of our own.

use std::{sync::Arc, time::Duration};

use apim_dr::emulator::Config;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::{bed::seed, process::Place};

/// A certificate authority's PEM, and a server's configuration with a certificate of its for `localhost`.
fn certificates() -> (String, ServerConfig) {
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

/// Ends TLS in front of a plain server, for as long as the test runs.
async fn terminate(listener: TcpListener, config: ServerConfig, plain: String) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((outer, _)) = listener.accept().await {
        let (acceptor, plain) = (acceptor.clone(), plain.clone());
        tokio::spawn(async move {
            // A client that does not trust us hangs up.
            if let Ok(mut outer) = acceptor.accept(outer).await {
                let mut inner = TcpStream::connect(plain).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            }
        });
    }
}

/// An Azure that speaks TLS alone, what speaks to it, and the PEM of the authority that signed its certificate.
pub(crate) async fn place_with_tls() -> (Place, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let config = Config {
        retry_after: 1,
        operation: Duration::from_secs(1),
        public_url: Some(url.clone()),
        ..Config::default()
    };
    let mut place = Place::on(config).await;
    let (authority, server) = certificates();
    let plain = place.emulator.url().trim_start_matches("http://").to_owned();
    tokio::spawn(terminate(listener, server, plain));
    place.set("APIM_DR_ALLOW_HTTP_LOOPBACK", "false");
    (place, authority)
}

#[tokio::test]
async fn a_backup_over_tls_needs_the_certificate_authority_and_says_so() {
    let (mut place, authority) = place_with_tls().await;
    let body = seed("backup").to_string();

    let distrusted = place.run(&["backup", "--payload", "-"], &body).await;
    assert_eq!(distrusted.code, Some(1), "{distrusted:?}");
    assert!(distrusted.out.contains("SSL_CERT_FILE"), "{distrusted:?}");
    assert_eq!(place.emulator.requests().len(), 0);

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority).unwrap();
    place.set("SSL_CERT_FILE", file.path().to_str().unwrap());
    let trusted = place.run(&["backup", "--payload", "-"], &body).await;
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    assert_eq!(place.emulator.accepted("backup"), 1);
}
