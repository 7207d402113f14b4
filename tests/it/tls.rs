//! The whole program over TLS, with a certificate authority of our own.

#[path = "../../benches/common/tls.rs"]
mod termination;

use std::time::Duration;

use apim_dr::emulator::Config;
use tokio::net::TcpListener;

use crate::{bed::seed, process::Place};
use termination::{certificates, terminate};

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
