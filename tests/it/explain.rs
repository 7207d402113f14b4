//! `apim-dr explain` as a process: on a machine that has nothing else.

use insta::assert_snapshot;
use serde_json::Value;

use crate::process::Place;

#[tokio::test]
async fn an_error_is_explained_without_settings_and_without_opening_anything() {
    let mut place = Place::start().await;
    // Bad settings are in nobody's way.
    place.set("APIM_DR_RECORDS", "nowhere:");
    let said = "400 RestoreFailed: Cannot restore: current SKU is 'StandardV2', backup SKU is 'Standard'";
    let explained = place.run(&["explain", said], "").await;
    assert_eq!((explained.code, explained.err.as_str()), (Some(0), ""), "{explained:?}");
    assert_snapshot!(explained.out, @r"
    RestoreFailed: the backup is of another tier than the service
      remedy    restore into a service of the same tier as the one that was backed up, or change the target's tier first
      document  https://learn.microsoft.com/azure/api-management/api-management-howto-disaster-recovery-backup-restore
    ");
    let words: Vec<_> = std::iter::once("explain").chain(said.split(' ')).collect();
    assert_eq!(place.run(&words, "").await.out, explained.out);

    let json = place.run(&["explain", "700016", "--output", "json"], "").await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["explanations"][0]["code"], "AADSTS700016");
    assert!(json["explanations"][0]["remedy"].as_str().unwrap().contains("belongs to this tenant"), "{json}");

    let all = place.run(&["explain"], "").await;
    assert!(all.code == Some(0) && all.out.contains("ScopeLocked"), "{all:?}");
    assert!(!place.records().exists());
}

#[tokio::test]
async fn what_is_not_known_is_printed_raw_and_whole() {
    let place = Place::start().await;
    let said = "418 Teapot: I am a  {teapot}";
    let unknown = place.run(&["explain", said], "").await;
    assert_eq!(unknown.code, Some(6), "{unknown:?}");
    assert!(unknown.out.starts_with(said) && unknown.out.contains("not known"), "{unknown:?}");
    let json = place.run(&["explain", said, "-o", "json"], "").await;
    let told: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (json.code, told["said"].as_str(), &told["explanations"]),
        (Some(6), Some(said), &Value::Array(vec![]))
    );
}
