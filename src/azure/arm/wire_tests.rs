use serde_json::json;

use super::*;
use crate::{
    azure::testing::response,
    domain::{BlobRef, ServiceId, samples},
};

fn plan(access: StorageAccess) -> Plan {
    let plan = samples::plan("sampleapim");
    Plan {
        service: ServiceId { resource_group: "rg".parse().unwrap(), ..plan.service },
        blob: BlobRef {
            account: "storage1".parse().unwrap(),
            container: "backups".parse().unwrap(),
            name: "apim \"x\".apimbackup".parse().unwrap(),
        },
        access,
        ..plan
    }
}

#[test]
fn an_api_version_is_a_date_that_may_be_a_preview() {
    for text in ["2014-02-14", "2024-05-01", "2021-04-01-preview"] {
        assert_eq!(text.parse::<ApiVersion>().unwrap().to_string(), text);
    }
    for text in
        ["", "2024", "2024-5-1", "2024-13-01", "2024-05-01-beta", "2024-05-01-preview-preview", " 2024-05-01"]
    {
        assert!(text.parse::<ApiVersion>().is_err(), "{text}");
    }
    let version = |text: &str| text.parse::<ApiVersion>().unwrap();
    assert!(version("2021-01-01-preview") < ApiVersion::WITH_ACCESS_TYPE);
    assert!(version("2021-04-01-preview") == ApiVersion::WITH_ACCESS_TYPE);
    assert!(version("2021-04-01") > ApiVersion::WITH_ACCESS_TYPE);
}

#[test]
fn a_body_has_the_fields_of_its_api_version() {
    let check = |access: StorageAccess, version: &str, rest: serde_json::Value| {
        let key = Secret::new("a+b/c==");
        let body = start_body(&plan(access), Some(&key), version.parse().unwrap()).unwrap();
        let mut expected = json!({
            "storageAccount": "storage1", "containerName": "backups", "backupName": "apim \"x\".apimbackup"
        });
        expected.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap(), expected);
    };
    let client_id = "11111111-2222-3333-4444-555555555555".parse().unwrap();
    // Recorded 2014 to 2019: no accessType.
    check(StorageAccess::AccessKey, "2019-12-01", json!({"accessKey": "a+b/c=="}));
    check(StorageAccess::AccessKey, "2024-05-01", json!({"accessType": "AccessKey", "accessKey": "a+b/c=="}));
    check(
        StorageAccess::SystemAssignedManagedIdentity,
        "2021-04-01-preview",
        json!({"accessType": "SystemAssignedManagedIdentity"}),
    );
    check(
        StorageAccess::UserAssignedManagedIdentity { client_id },
        "2022-08-01",
        json!({"accessType": "UserAssignedManagedIdentity", "clientId": "11111111-2222-3333-4444-555555555555"}),
    );
}

#[test]
fn what_a_body_cannot_say_is_refused_before_it_is_sent() {
    let old = "2020-12-01".parse().unwrap();
    let error = start_body(&plan(StorageAccess::SystemAssignedManagedIdentity), None, old).unwrap_err();
    assert!(error.remedy.unwrap().contains("APIM_DR_API_VERSION"));
    let error = start_body(&plan(StorageAccess::AccessKey), None, ApiVersion::DEFAULT).unwrap_err();
    assert!(error.message.contains("key"), "{error}");
}

#[test]
fn a_service_is_read_in_every_shape() {
    let check = |body: &str, expected: Option<(Option<&str>, &str, &str)>| {
        let read = service(body.as_bytes());
        let read = read.as_ref().map(|status| {
            let tier = status.tier.as_ref().map(|tier| tier.0.as_str());
            (tier, status.provisioning_state.as_str(), status.target_provisioning_state.as_str())
        });
        assert_eq!(read, expected, "{body}");
    };
    check(
        r#"{"id":"i","sku":{"name":"Developer","capacity":1},"properties":{"provisioningState":"Succeeded","targetProvisioningState":""}}"#,
        Some((Some("Developer"), "Succeeded", "")),
    );
    // 2014-02-14.
    check(
        r#"{"name":"n","properties":{"sku":{"name":"Premium"},"provisioningState":"Updating","targetProvisioningState":"Updating"}}"#,
        Some((Some("Premium"), "Updating", "Updating")),
    );
    check(
        r#"{"id":"i","sku":null,"properties":{"provisioningState":"Succeeded","targetProvisioningState":null}}"#,
        Some((None, "Succeeded", "")),
    );
    check(r#"{"id":"i"}"#, Some((None, "Succeeded", "")));
    for body in
        ["", "{}", "[]", "<html>", r#"{"value":[]}"#, r#"{"properties":{}}"#, r#"{"id":"i","properties":7}"#]
    {
        check(body, None);
    }
}

#[test]
fn an_error_is_read_in_every_shape() {
    let check = |status: u16, body: &str, shown: &str| {
        assert_eq!(azure_error(&response(status, &[], body), None).to_string(), shown, "{body}");
    };
    check(400, r#"{"error":{"code":"C","message":"M","details":null,"innerError":null}}"#, "400 C: M");
    check(
        404,
        r#"{"code":"ServiceNotFound","message":"Api service does not exist: n","details":null,"innerError":null}"#,
        "404 ServiceNotFound: Api service does not exist: n",
    );
    check(
        400,
        "{\"code\":\"C\",\"message\":\"a.\\r\\n\\r\\nParameter name: b\"}",
        "400 C: a. Parameter name: b",
    );
    check(
        400,
        r#"{"error":{"code":"","message":"","details":[{"code":"D","message":"inner"}]}}"#,
        "400 D: inner",
    );
    check(400, r#"{"error":"text","message":"M"}"#, "400: M");
    check(502, "<html>\n bad gateway</html>", "502: <html> bad gateway</html>");
    check(500, " \r\n", "500: Azure gave no reason");
    check(200, r#"{"status":"Failed","error":{"code":"C","message":"M"}}"#, "C: M");
    check(302, r#"{"error":{"code":"C"}}"#, "302: a redirect, which is not followed");
    check(500, &"ü".repeat(5_000), &format!("500: {}", "ü".repeat(MESSAGE_LENGTH)));
}
