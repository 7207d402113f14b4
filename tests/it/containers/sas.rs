//! A shared access signature: it opens the container, and nobody reads it.

use apim_dr::{
    domain::{BlobLook, Secret},
    emulator::{Effect, Emulator, Fault, accounts},
    ports::Blobs as _,
};

use super::{CONTENT, Place, SAS, answer, connection, emulator};
use crate::logged::Logged;

fn by_sas(emulator: &Emulator) -> Place {
    let connection = connection(emulator, &format!("SharedAccessSignature={SAS}"));
    Place::emulated(emulator, &[("APIM_DR_BLOB_CONNECTION", &connection)])
}

#[tokio::test]
async fn a_sas_of_the_connection_opens_the_container_and_is_told_nowhere() {
    let (logged, _logging) = Logged::begin(tracing::Level::TRACE);
    let emulator = emulator().await;
    let place = by_sas(&emulator);
    place.put("apimbackup", CONTENT).await;
    let seen = place.seen("apimbackup").await;
    let mut told = vec![format!("{:?}", place.reader), format!("{:?}", place.list().await)];
    for (effect, times) in
        [(answer(403, "AuthenticationFailed", SAS), 1), (answer(200, "", SAS), 1), (Effect::ResetBefore, 9)]
    {
        let strike = |method| {
            emulator.clear_faults();
            emulator.inject(Fault { times, ..Fault::once(method, "/blob/", effect.clone()) });
        };
        strike("GET");
        told.push(place.list().await.unwrap_err());
        strike("HEAD");
        told.push(format!("{:?}", place.look("apimbackup").await));
        strike("DELETE");
        told.push(format!("{:?}", place.delete("apimbackup", &seen).await));
    }
    emulator.clear_faults();
    for request in emulator.requests() {
        assert!(request.path.contains("sp=racwdl&sig="), "{request:?}");
    }

    // The request's own key goes before, to the connection's endpoint.
    let key = Secret::new(accounts::ACCOUNT_KEY);
    place.put("apimbackup", CONTENT).await;
    let look = place.reader.look(&place.blob("apimbackup"), Some(&key)).await;
    assert!(matches!(look, BlobLook::Present(_)), "{look:?}");
    let last = emulator.requests().pop().unwrap();
    assert!(!last.path.contains("sig="), "{last:?}");

    let logged = logged.text();
    assert!(logged.contains("/backup/apimbackup"), "{logged}");
    for text in told.iter().chain([&logged]) {
        for secret in ["c2lnbmF0dXJl", "sig=", accounts::ACCOUNT_KEY] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}
