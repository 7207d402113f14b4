//! The services' gateways.

use super::{Bed, on};
use crate::emulator::{Config, accounts};

#[tokio::test]
async fn a_gateway_answers_a_probe_unless_it_is_off_or_out_of_order() {
    let bed = Bed::start().await;
    let service = bed.get(&on(accounts::SERVICE, "")).await.json();
    let gateway = service["properties"]["gatewayUrl"].as_str().unwrap().to_owned();
    assert_eq!(gateway, format!("{}/gateway/sampleapim", bed.emulator.url()));
    let probe =
        async |path: &str| bed.send("GET", &format!("{gateway}{path}"), &[], String::new()).await.unwrap();
    let up = probe("/status-0123456789abcdef").await;
    assert_eq!((up.status, up.body.as_str()), (200, "Service Operational"));
    assert_eq!(probe("/echo/resource").await.status, 404);

    for (down, disabled, status) in [(true, false, 503), (false, true, 503), (false, false, 200)] {
        bed.emulator.with_service(accounts::SERVICE, |it| {
            (it.gateway_down, it.disable_gateway) = (down, disabled);
        });
        assert_eq!(probe("/status-0123456789abcdef").await.status, status);
    }
    bed.emulator.delete_service(accounts::SERVICE);
    assert_eq!(probe("/status-0123456789abcdef").await.status, 404);
}

#[tokio::test]
async fn a_gateway_may_stay_in_azure() {
    let bed = Bed::with(Config { local_gateway: false, ..Config::default() }).await;
    let service = bed.get(&on(accounts::SERVICE, "")).await.json();
    assert_eq!(service["properties"]["gatewayUrl"], "https://sampleapim.azure-api.net");
}
