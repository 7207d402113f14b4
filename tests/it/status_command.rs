//! `apim-dr status`, `completions`, `--quiet`: as processes.

use apim_dr::emulator::accounts;
use serde_json::{Value, json};

use crate::{
    commands::{run, standing_still},
    process::Place,
    targets::target,
};

async fn with_a_target() -> Place {
    let mut place = standing_still().await;
    place.set("APIM_DR_TARGETS", &Value::from(vec![target("primary", &json!({}))]).to_string());
    place.set("PRIMARY_SECRET", accounts::CLIENT_SECRET);
    place.set("PRIMARY_KEY", accounts::ACCOUNT_KEY);
    place
}

#[tokio::test]
async fn the_status_of_a_target_is_failing_before_its_first_backup_and_ok_after_it() {
    let place = with_a_target().await;
    let before = run(&place, &["status"], "").await;
    assert_eq!(before.code, Some(2), "{before:?}");
    assert!(before.out.starts_with("failing, as of 2026-11-21T01:"), "{before:?}");
    assert!(before.out.contains("take a backup now: apim-dr backup --target primary"), "{before:?}");

    let backup = run(&place, &["backup", "--target", "primary"], "").await;
    assert_eq!(backup.code, Some(0), "{backup:?}");
    let after = run(&place, &["status", "primary"], "").await;
    assert_eq!(after.code, Some(0), "{after:?}");
    assert!(after.out.starts_with("ok, as of ") && after.out.contains("1 restorable"), "{after:?}");
    assert!(!after.out.contains('\u{1b}'), "colours without a terminal: {after:?}");

    let json = run(&place, &["status", "--output", "json"], "").await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["health"], &json["targets"][0]["points"]["restorable"]), (&json!("ok"), &json!(1)));
    let unknown = run(&place, &["status", "nobody"], "").await;
    assert_eq!(unknown.code, Some(64), "{unknown:?}");
}

#[tokio::test]
async fn whoever_wants_it_quiet_hears_the_result_and_errors_only() {
    let place = with_a_target().await;
    let quiet = run(&place, &["backup", "--target", "primary", "--quiet"], "").await;
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""), "{quiet:?}");
    assert!(quiet.out.starts_with("backup of sampleapim succeeded"), "{quiet:?}");
    let loud = run(&place, &["backup", "--target", "primary", "--backup-name", "second"], "").await;
    assert!(loud.err.contains("runs in Azure"), "{loud:?}");
    let wrong = run(&place, &["status", "nobody", "-q"], "").await;
    assert!(wrong.err.contains("not a configured target"), "{wrong:?}");
}

#[tokio::test]
async fn what_completes_in_each_shell_is_printed() {
    let place = Place::start().await;
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let printed = place.run(&["completions", shell], "").await;
        assert_eq!(printed.code, Some(0), "{printed:?}");
        assert!(printed.out.contains("apim-dr") && printed.out.contains("catalog"), "{shell}");
    }
    let schema: Value = serde_json::from_str(&place.run(&["schema", "--status"], "").await.out).unwrap();
    assert!(schema["properties"]["targets"].is_object(), "{schema}");
}
