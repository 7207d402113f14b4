//! Identities on the command line: what is sent, what is followed, and what is said of it.

use std::time::Duration;

use apim_dr::emulator::{Clock as EmulatedClock, Config, Effect, Fault, Hostname, accounts};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    commands::run,
    process::{Ended, Place, send},
    targets::target,
};

const USER: &str = accounts::USER_IDENTITY_ID;

/// An Azure in which a change takes a minute, and a target that is reached by its system-assigned identity.
async fn place(version: &str) -> Place {
    let clock = EmulatedClock::manual("2026-11-21T01:00:00Z".parse().unwrap());
    let config = Config { clock, retry_after: 15, operation: Duration::from_mins(1), ..Config::default() };
    let mut place = Place::on(config).await;
    let access = json!({ "accessKey": null, "accessType": "SystemAssignedManagedIdentity" });
    place.set("APIM_DR_TARGETS", &json!([target("primary", &access)]).to_string());
    place.set("PRIMARY_SECRET", accounts::CLIENT_SECRET);
    place.set("APIM_DR_API_VERSION", version);
    place
}

async fn identity(place: &Place, arguments: &[&str]) -> Ended {
    run(place, &[&["identity"], arguments, &["--target", "primary"]].concat(), "").await
}

/// How often a change was sent.
fn patches(place: &Place) -> usize {
    place.emulator.requests().iter().filter(|request| request.method == "PATCH").count()
}

/// Whether it has the system-assigned one, and which user-assigned ones.
fn has(place: &Place) -> (bool, Vec<String>) {
    let read = |it: &mut apim_dr::emulator::Service| {
        (it.system_identity.is_some(), it.user_identities.iter().cloned().collect())
    };
    place.emulator.with_service(accounts::SERVICE, read).unwrap()
}

fn principal(place: &Place) -> String {
    place.emulator.with_service(accounts::SERVICE, |it| it.system_identity.clone()).unwrap().unwrap()
}

#[tokio::test]
async fn identities_come_and_go_one_by_one_in_one_change_each_whatever_the_shape_of_its_answer() {
    for version in ["2021-08-01", "2024-05-01"] {
        let place = place(version).await;
        let given = identity(&place, &["enable", "--user", USER]).await;
        assert_eq!((given.code, patches(&place)), (Some(0), 1), "{version}: {given:?}");
        assert_eq!(has(&place), (true, vec![USER.to_owned()]), "{version}");
        let principal = principal(&place);
        let expected = format!(
            "sampleapim (Succeeded): SystemAssigned, UserAssigned\n  \
             system-assigned  principal {principal}\n  \
             user-assigned    {USER}\n                   \
             client id {}, principal {}\n  \
             role             Storage Blob Data Contributor on apimdrstorage\n",
            accounts::USER_IDENTITY_CLIENT_ID,
            accounts::USER_IDENTITY_PRINCIPAL_ID
        );
        assert_eq!(given.out, expected, "{version}");
        assert_eq!(given.err, "the change of sampleapim runs in Azure, which takes minutes\n");

        // It is there, however it is written.
        let again = identity(&place, &["enable", "--system", "--user", &USER.to_uppercase()]).await;
        assert_eq!((again.code, patches(&place)), (Some(0), 1), "{version}: {again:?}");
        assert_eq!(again.err, "nothing to do: sampleapim is so already\n");
        assert_eq!(again.out, expected);

        let taken = identity(&place, &["disable", "--user", USER, "--output", "json"]).await;
        assert_eq!((taken.code, patches(&place)), (Some(0), 2), "{version}: {taken:?}");
        assert_eq!(has(&place), (true, vec![]), "{version}");
        let told: Value = serde_json::from_str(&taken.out).unwrap();
        assert_eq!(
            told,
            json!({
                "service": place.emulator.with_service(accounts::SERVICE, |it| it.id()).unwrap(),
                "state": "Succeeded",
                "type": "SystemAssigned",
                "principalId": principal,
                "userAssigned": [],
                "account": accounts::STORAGE_ACCOUNT,
                "role": "assigned",
                "findings": [],
                "changed": true,
            })
        );
        // The target's own application asked for all of it.
        let requests = place.emulator.requests();
        assert!(!requests.iter().any(|request| request.path.starts_with("/msi/")), "{requests:?}");
    }
}

#[tokio::test]
async fn an_identity_that_comes_new_has_no_role_yet_and_the_command_that_gives_it_is_printed() {
    let place = place("2024-05-01").await;
    let left_alone = identity(&place, &["disable", "--all"]).await;
    assert_eq!((left_alone.code, patches(&place)), (Some(64), 0), "{left_alone:?}");
    assert!(left_alone.err.contains("add --yes"), "{left_alone:?}");
    let none = identity(&place, &["disable", "--all", "--yes"]).await;
    assert_eq!((none.code, has(&place)), (Some(0), (false, vec![])), "{none:?}");
    assert!(none.out.starts_with("sampleapim (Succeeded): None\n"), "{none:?}");
    assert!(none.out.contains("blocks           identity.missing: "), "{none:?}");

    let given = identity(&place, &["enable", "--system"]).await;
    assert_eq!(given.code, Some(0), "{given:?}");
    let command = format!(
        "    -> az role assignment create --role \"Storage Blob Data Contributor\" --scope /subscriptions/{}/resourceGroups/{}\
         /providers/Microsoft.Storage/storageAccounts/{} --assignee-object-id {} --assignee-principal-type ServicePrincipal\n",
        accounts::SUBSCRIPTION_ID,
        accounts::RESOURCE_GROUP,
        accounts::STORAGE_ACCOUNT,
        principal(&place)
    );
    assert!(given.out.ends_with(&command), "{given:?}\n{command}");
    assert!(!given.out.contains("  role  "), "{given:?}");
    let shown = identity(&place, &["show"]).await;
    assert_eq!((shown.code, &shown.out), (Some(0), &given.out));
}

#[tokio::test]
async fn without_a_target_the_app_itself_asks_and_nothing_is_said_of_roles() {
    let place = place("2024-05-01").await;
    let service = [
        "-n",
        accounts::STANDBY,
        "-g",
        accounts::RESOURCE_GROUP,
        "--subscription",
        accounts::SUBSCRIPTION_ID,
    ];
    let shown = place.run(&[&["identity", "show"], &service[..]].concat(), "").await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.out.starts_with("sampleapim-standby (Succeeded): SystemAssigned\n"), "{shown:?}");
    assert!(!shown.out.contains("role"), "{shown:?}");
    assert!(place.emulator.requests().iter().any(|request| request.path.starts_with("/msi/")));
    // With one, another instance may be named: then its role on the target's account counts.
    let standby = identity(&place, &["show", "-n", accounts::STANDBY]).await;
    assert!(
        standby.out.starts_with("sampleapim-standby (") && standby.out.contains("  role  "),
        "{standby:?}"
    );
    for (arguments, code) in [
        (&["show", "-n", "nobody", "--target", "primary"][..], 6),
        (&["show"], 64),
        (&["show", "--target", "other"], 64),
        (&["show", "-n", "9", "--target", "primary"], 64),
        (&["enable", "--target", "primary"], 64),
        (&["enable", "--target", "primary", "--user", accounts::USER_IDENTITY_CLIENT_ID], 64),
        (&["disable", "--target", "primary", "--all", "--system"], 64),
    ] {
        let ended = place.run(&[&["identity"], arguments].concat(), "").await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{arguments:?}: {ended:?}");
    }
    assert_eq!(patches(&place), 0);
}

#[tokio::test]
async fn a_change_that_azure_cannot_make_is_told_in_its_words_and_not_sent_again() {
    for version in ["2021-08-01", "2024-05-01"] {
        let place = place(version).await;
        let (code, message) = ("ManagedIdentityNotFound".to_owned(), "it was deleted".to_owned());
        let effect = Effect::FailOperation { after_polls: 2, status: 400, code, message };
        place.emulator.inject(Fault::once("PATCH", "/sampleapim?", effect));
        let failed = identity(&place, &["enable", "--user", USER]).await;
        assert_eq!((failed.code, patches(&place)), (Some(1), 1), "{version}: {failed:?}");
        let said = "error: Azure began, and says that it failed: ";
        assert!(
            failed.err.contains(said) && failed.err.contains("ManagedIdentityNotFound: it was deleted"),
            "{failed:?}"
        );
        // What it has now is printed all the same.
        assert!(failed.out.starts_with("sampleapim (Succeeded): SystemAssigned\n"), "{failed:?}");
        assert_eq!(has(&place), (true, vec![]));
    }
}

#[tokio::test]
async fn a_busy_service_is_left_alone() {
    let place = place("2024-05-01").await;
    let state = |state: &'static str| {
        place
            .emulator
            .with_service(accounts::SERVICE, |it| it.target_provisioning_state = state.into())
            .unwrap();
    };
    state("Updating");
    let busy = identity(&place, &["enable", "--user", USER]).await;
    assert_eq!((busy.code, busy.out.as_str(), patches(&place)), (Some(5), "", 0), "{busy:?}");
    assert_eq!(
        busy.err,
        "error: the service is busy, and nothing was changed: it is Succeeded, going to Updating\n"
    );
    state("");
    // Somebody was faster.
    let body = json!({ "error": { "code": "ServiceLocked", "message": "transitioning" } }).to_string();
    let locked = Effect::Status { status: 409, body: Some(body), headers: [].into() };
    place.emulator.inject(Fault::once("PATCH", "/sampleapim?", locked));
    let busy = identity(&place, &["enable", "--user", USER]).await;
    assert_eq!((busy.code, busy.out.as_str(), patches(&place)), (Some(5), "", 1), "{busy:?}");
    assert!(busy.err.contains("nothing was changed: 409 ServiceLocked: transitioning"), "{busy:?}");
    assert_eq!(has(&place), (true, vec![]));
}

#[tokio::test]
async fn a_change_that_ends_with_an_empty_answer_is_told_by_the_service() {
    let place = place("2021-08-01").await;
    let empty = Effect::Status {
        status: 200,
        body: None,
        headers: [("retry-after".to_owned(), "1".to_owned())].into(),
    };
    place.emulator.inject(Fault { times: 10_000, ..Fault::once("GET", "/operationresults/", empty) });
    let given = identity(&place, &["enable", "--user", USER]).await;
    place.emulator.clear_faults();
    assert_eq!(
        (given.code, patches(&place), has(&place)),
        (Some(0), 1, (true, vec![USER.to_owned()])),
        "{given:?}"
    );
}

#[tokio::test]
async fn what_became_of_a_change_without_an_answer_is_looked_at_and_it_is_not_sent_again() {
    let lost = Fault::once("PATCH", "/sampleapim?", Effect::ResetAfter);
    let gone = Effect::Status { status: 404, body: None, headers: [].into() };
    for fault in [lost, Fault::once("GET", "/operationresults/", gone)] {
        let place = place("2024-05-01").await;
        place.emulator.inject(fault.clone());
        let unknown = identity(&place, &["enable", "--user", USER]).await;
        assert_eq!((unknown.code, patches(&place)), (Some(1), 1), "{fault:?}: {unknown:?}");
        assert!(unknown.err.contains("error: it cannot be told what became of the change: "), "{unknown:?}");
        assert!(unknown.out.starts_with("sampleapim (Succeeded"), "{fault:?}: {unknown:?}");
        assert_eq!(place.emulator.faults_left(), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn the_identity_that_reads_a_certificate_stays_and_nothing_is_sent() {
    let place = place("2024-05-01").await;
    place.emulator.with_service(accounts::SERVICE, |it| {
        it.hostnames = vec![Hostname {
            kind: "Proxy".into(),
            host_name: "api.example.com".into(),
            certificate: None,
            key_vault_id: Some("https://vault.example.com/secrets/tls".into()),
            identity_client_id: None,
            certificate_source: Some("KeyVault".into()),
            default_ssl_binding: true,
            negotiate_client_certificate: false,
        }];
    });
    let refused = identity(&place, &["disable", "--system", "--yes"]).await;
    assert_eq!((refused.code, refused.out.as_str(), patches(&place)), (Some(4), "", 0), "{refused:?}");
    assert_eq!(
        refused.err,
        "error: the system-assigned identity reads the certificate of api.example.com from a Key Vault; nothing was \
         changed\n"
    );
}

#[tokio::test]
async fn ctrl_c_leaves_a_change_to_azure() {
    let place = place("2024-05-01").await;
    let arguments = ["identity", "enable", "--user", USER, "--target", "primary"];
    let mut child = place.command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("runs in Azure"));
    send("-INT", &child).await;
    let line = lines.next_line().await.unwrap().unwrap();
    let again = "apim-dr identity show --target primary -n sampleapim -g apimdrresourcegroup --subscription";
    let expected =
        format!("interrupted; Azure may go on with it. Look: {again} {}", accounts::SUBSCRIPTION_ID);
    assert_eq!(line, expected);
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
    place.emulator.clock().advance(Duration::from_mins(2));
    let shown = identity(&place, &["show"]).await;
    assert!(shown.out.starts_with("sampleapim (Succeeded): SystemAssigned, UserAssigned\n"), "{shown:?}");
    assert_eq!(patches(&place), 1);
}
