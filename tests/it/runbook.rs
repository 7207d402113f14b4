//! The runbook as it is printed: the chapter on a fail-over, with a target's own names.

use apim_dr::emulator::accounts;
use serde_json::json;

use crate::{process::Place, targets::target};

#[tokio::test]
async fn the_chapter_is_printed_with_the_targets_names_and_nobody_is_asked() {
    let mut place = Place::start().await;
    let names = json!({ "apimInstance": "contoso", "resourceGroup": "north", "storageAccount": "vaulted",
        "containerName": "shelf", "clientSecret": null, "applicationId": null, "tenantId": null, "accessKey": null });
    place.set("APIM_DR_TARGETS", &json!([target("gateway", &names)]).to_string());
    let subscription = accounts::SUBSCRIPTION_ID;
    let standby = format!(
        "/subscriptions/{subscription}/resourceGroups/south/providers/Microsoft.ApiManagement/service/contoso-two"
    );
    let told = place.run(&["runbook", "gateway", "--standby", &standby], "").await;
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.starts_with("## Fail over\n"), "{told:?}");
    for said in [
        "apim-dr list --target gateway\n",
        "apim-dr restore --plan --target gateway -g south -n contoso-two --backup latest-verified\n",
        "--resource-group north \\\n     --resource-name contoso ",
        "https://contoso-two.azure-api.net/status-0123456789abcdef",
        "vaulted/shelf\n",
    ] {
        assert!(told.out.contains(said), "{said}: {told:?}");
    }
    for (arguments, said) in [
        (&["runbook", "gateway"][..], "--standby: give the instance that takes over"),
        (&["runbook", "other", "--standby", "contoso-two"], "take one of gateway"),
        (&["runbook", "gateway", "--standby", "not a name"], "--standby: "),
    ] {
        let ended = place.run(arguments, "").await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(64), ""), "{ended:?}");
        assert!(ended.err.contains(said), "{ended:?}");
    }
    assert!(place.emulator.requests().is_empty() && !place.records().exists());
}
