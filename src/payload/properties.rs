//! Properties of the parser, over payloads that are generated from the schema's own patterns.

use std::{fmt::Debug, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{Timestamp, tz::TimeZone};
use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    sample::select,
    string::string_regex,
};
use serde_json::{Value, json};

use super::*;
use crate::domain::{
    BlobName, BlobRef, Caller, InvalidName, NameSuffix, Pick, Retention, Secret, ServiceId, ServiceName,
    StorageAccess, Within,
};

/// The canonical text of a payload, secrets included. Every field is there, absent ones as null.
fn print(payload: &Payload) -> Value {
    let Payload { plan, credentials, options } = payload;
    let Plan { kind, service, blob, access, caller, .. } = plan;
    let (application, tenant) = match caller {
        Caller::App => (None, None),
        Caller::Application { tenant, client_id } => (Some(client_id), Some(tenant)),
    };
    let (access_type, client_id) = match access {
        StorageAccess::AccessKey => ("AccessKey", None),
        StorageAccess::SystemAssignedManagedIdentity => ("SystemAssignedManagedIdentity", None),
        StorageAccess::UserAssignedManagedIdentity { client_id } => {
            ("UserAssignedManagedIdentity", Some(client_id))
        }
    };
    let exposed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    json!({
        "applicationId": application,
        "clientSecret": exposed(&credentials.client_secret),
        "tenantId": tenant,
        "subscriptionId": service.subscription,
        "resourceGroup": service.resource_group,
        "apimInstance": service.name,
        "backupName": options.pick.is_none().then_some(&blob.name),
        "operation": kind,
        "containerName": blob.container,
        "storageAccount": blob.account,
        "accessKey": exposed(&credentials.access_key),
        "accessType": access_type,
        "clientId": client_id,
        "confirm": (*kind == Kind::Restore).then(|| format!("RESTORE {}", service.name)),
        "nameSuffix": options.name_suffix,
        "timeZone": options.time_zone.as_ref().map(|zone| zone.iana_name().unwrap()),
        "retention": options.retention.as_ref().map(print_retention),
        "callbackUrl": exposed(&options.callback_url),
        "target": null,
        "source": options.source,
        "backup": options.pick.map(|pick| if pick.verified { "latest-verified" } else { "latest" }),
        "at": options.pick.and_then(|pick| pick.until),
        "safetyBackup": options.safety_backup,
        "ignore": (!options.ignore.is_empty()).then(|| options.ignore.iter().cloned().collect::<Vec<_>>().join(", ")),
    })
}

fn print_retention(retention: &Retention) -> Value {
    json!({
        "keepLast": retention.keep_last,
        "keepHourly": retention.keep_hourly,
        "keepDaily": retention.keep_daily,
        "keepWeekly": retention.keep_weekly,
        "keepMonthly": retention.keep_monthly,
        "keepYearly": retention.keep_yearly,
        "keepWithin": retention.keep_within,
        "keepWithinHourly": retention.keep_within_hourly,
        "keepWithinDaily": retention.keep_within_daily,
        "keepWithinWeekly": retention.keep_within_weekly,
        "keepWithinMonthly": retention.keep_within_monthly,
        "keepWithinYearly": retention.keep_within_yearly,
        "minKeep": retention.min_keep,
    })
}

/// Texts that the schema allows for `field`.
fn text(field: &str) -> impl Strategy<Value = String> + use<> {
    let property = &schema().to_value()["properties"][field];
    let longest = property["maxLength"].as_u64().map_or(usize::MAX, |longest| longest.try_into().unwrap());
    let pattern = property["pattern"].as_str().unwrap();
    string_regex(pattern.strip_prefix('^').unwrap().strip_suffix('$').unwrap())
        .unwrap()
        .prop_filter("maxLength", move |text| text.chars().count() <= longest)
}

/// What the schema allows for `field`, all of which the parser has to take.
fn name<T: FromStr<Err = InvalidName> + Debug>(field: &str) -> impl Strategy<Value = T> + use<T> {
    text(field).prop_map(|text| text.parse().unwrap_or_else(|_| panic!("only the schema takes {text:?}")))
}

/// The schema is lax about segments of dots.
fn blob_name() -> impl Strategy<Value = BlobName> {
    text("backupName")
        .prop_filter_map("no name of a blob", |text| (text.trim() == text).then_some(text)?.parse().ok())
}

fn client_secret() -> impl Strategy<Value = Secret> {
    r#"[+/=&%~"'\\ ßあ<>{}\n-]{0,6}[a-zA-Z0-9]{12,20}[+/=&%~"'\\ ßあ<>{}\n-]{0,6}"#.prop_map(Secret::new)
}

fn access_key() -> impl Strategy<Value = Secret> {
    vec(any::<u8>(), 48).prop_map(|bytes| Secret::new(BASE64_STANDARD.encode(bytes)))
}

fn callback_url() -> impl Strategy<Value = Secret> {
    "https://callback\\.example/[a-z]{0,8}\\?sig=[a-zA-Z0-9]{12,20}".prop_map(Secret::new)
}

/// The longest part that no escaping changes: enough to give a secret away.
fn core(secret: &Secret) -> &str {
    secret.expose().split(|c: char| !c.is_ascii_alphanumeric()).max_by_key(|part| part.len()).unwrap()
}

fn caller() -> impl Strategy<Value = (Caller, Option<Secret>)> {
    prop_oneof![
        Just((Caller::App, None)),
        (name("tenantId"), name("applicationId"), client_secret()).prop_map(|(tenant, client_id, secret)| {
            (Caller::Application { tenant, client_id }, Some(secret))
        }),
    ]
}

fn access() -> impl Strategy<Value = (StorageAccess, Option<Secret>)> {
    prop_oneof![
        access_key().prop_map(|key| (StorageAccess::AccessKey, Some(key))),
        Just((StorageAccess::SystemAssignedManagedIdentity, None)),
        name("clientId")
            .prop_map(|client_id| (StorageAccess::UserAssignedManagedIdentity { client_id }, None)),
    ]
}

fn retention() -> impl Strategy<Value = Retention> {
    let within = || option::of("[1-9][0-9]?m[1-9][0-9]?d".prop_map(|text| text.parse::<Within>().unwrap()));
    let withins = [within(), within(), within(), within(), within(), within()];
    (any::<[Option<u32>; 7]>(), withins).prop_map(|(counts, withins)| {
        let [
            keep_within,
            keep_within_hourly,
            keep_within_daily,
            keep_within_weekly,
            keep_within_monthly,
            keep_within_yearly,
        ] = withins;
        let [keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly, min_keep] = counts;
        Retention {
            keep_last,
            keep_hourly,
            keep_daily,
            keep_weekly,
            keep_monthly,
            keep_yearly,
            keep_within,
            keep_within_hourly,
            keep_within_daily,
            keep_within_weekly,
            keep_within_monthly,
            keep_within_yearly,
            min_keep,
        }
    })
}

/// As the schema allows them, but for white space at the ends.
fn name_suffix() -> impl Strategy<Value = NameSuffix> {
    text("nameSuffix").prop_filter_map("white space at the ends", |text| {
        (text.trim() == text)
            .then(|| text.parse().unwrap_or_else(|_| panic!("only the schema takes {text:?}")))
    })
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// What is left of the options where nothing is passed over or refused: a suffix only for a backup whose name has room
/// for it, a time zone only for what has one.
fn fit(mut payload: Payload) -> Payload {
    let Payload { plan, options, .. } = &mut payload;
    options.name_suffix =
        options.name_suffix.take().filter(|suffix| plan.kind == Kind::Backup && suffix.check(plan).is_ok());
    match plan.kind {
        Kind::Backup => {
            (options.source, options.pick) = (None, None);
            options.safety_backup = options.safety_backup.map(|_| false);
        }
        Kind::Restore => options.retention = None,
    }
    if options.pick.is_some() {
        plan.blob.name = Pick::stand_in();
    }
    let has_zone = options.name_suffix.is_some() || options.retention.is_some();
    options.time_zone = options.time_zone.take().filter(|_| has_zone);
    payload
}

fn options() -> impl Strategy<Value = Options> {
    let until = option::of((0..4_000_000_000_i64).prop_map(|second| Timestamp::from_second(second).unwrap()));
    let pick = (any::<bool>(), until).prop_map(|(verified, until)| Pick { verified, until });
    (
        option::of(name_suffix()),
        option::of(select(vec!["UTC", "Pacific/Auckland", "America/New_York"]).prop_map(zone)),
        option::of(retention()),
        option::of(callback_url()),
        option::of(name::<ServiceName>("source")),
        option::of(pick),
        any::<Option<bool>>(),
        btree_set("[a-z0-9.-]{1,20}", 0..3),
    )
        .prop_map(
            |(name_suffix, time_zone, retention, callback_url, source, pick, safety_backup, ignore)| {
                Options {
                    name_suffix,
                    time_zone,
                    retention,
                    callback_url,
                    source,
                    pick,
                    safety_backup,
                    ignore,
                }
            },
        )
}

fn payload() -> impl Strategy<Value = Payload> {
    let service = (name("subscriptionId"), name("resourceGroup"), name("apimInstance"))
        .prop_map(|(subscription, resource_group, name)| ServiceId { subscription, resource_group, name });
    let blob = (name("storageAccount"), name("containerName"), blob_name())
        .prop_map(|(account, container, name)| BlobRef { account, container, name });
    let kind = select(vec![Kind::Backup, Kind::Restore]);
    (kind, service, blob, caller(), access(), options()).prop_map(
        |(kind, service, blob, (caller, client_secret), (access, access_key), options)| {
            fit(Payload {
                plan: Plan {
                    kind,
                    service,
                    blob,
                    access,
                    caller,
                    retention: None,
                    source: None,
                    e_tag: None,
                    ignore: std::collections::BTreeSet::new(),
                    safety_backup: false,
                    safety_for: None,
                    drill: None,
                },
                credentials: Credentials { client_secret, access_key, callback: None },
                options,
            })
        },
    )
}

/// Ways to spoil a field. A secret may be put anywhere by mistake.
fn spoilt() -> impl Strategy<Value = (Value, Secret)> {
    let value =
        select(vec![json!(null), json!(""), json!(" "), json!(-1), json!(true), json!([0]), json!({})]);
    prop_oneof![
        (value, client_secret()),
        client_secret().prop_map(|secret| (json!(secret.expose()), secret)),
        client_secret().prop_map(|secret| (json!([{ "value": secret.expose() }]), secret)),
        client_secret().prop_map(|secret| (json!({ "keepWithin": secret.expose() }), secret)),
    ]
}

fn strict() -> StartPolicy {
    StartPolicy { confirm: Confirmation::Phrase, ..StartPolicy::default() }
}

fn secrets(payload: &Payload) -> impl Iterator<Item = &Secret> {
    let Payload { credentials: Credentials { client_secret, access_key, .. }, options, .. } = payload;
    [client_secret, access_key, &options.callback_url].into_iter().flatten()
}

/// Everything that may be shown of an answer to a body.
fn seen(answer: &Result<Parsed, Vec<Problem>>) -> String {
    match answer {
        Ok(Parsed { warnings, .. }) => warnings.join("\n"),
        Err(problems) => problems
            .iter()
            .map(|problem| format!("{problem} {problem:?} {}", serde_json::to_string(problem).unwrap()))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

proptest! {
    #[test]
    fn a_printed_payload_is_read_back_as_it_was(payload in payload()) {
        let body = print(&payload).to_string();
        let parsed = parse(payload.plan.kind, body.as_bytes(), &strict(), &[]);
        prop_assert_eq!(parsed, Ok(Parsed { payload, warnings: vec![] }));
    }

    #[test]
    fn no_secret_of_a_good_payload_is_shown(payload in payload()) {
        let plan = serde_json::to_string(&payload.plan).unwrap();
        // Its host is none that may be called.
        let refused = payload.clone().into_order(&CallbackHosts::default()).err().unwrap_or_default();
        let shown = format!("{payload:?} {plan} {}", seen(&Err(refused)));
        for secret in secrets(&payload) {
            prop_assert!(!shown.contains(core(secret)), "{} in {shown}", core(secret));
        }
    }

    #[test]
    fn no_secret_of_a_spoilt_payload_is_shown(
        payload in payload(),
        nth in any::<prop::sample::Index>(),
        (value, misplaced) in spoilt(),
        twice in any::<bool>(),
        cut in option::of(any::<prop::sample::Index>()),
    ) {
        let mut printed = print(&payload);
        let (name, place) = {
            let fields = printed.as_object_mut().unwrap();
            let nth = nth.index(fields.len());
            fields.iter_mut().nth(nth).unwrap()
        };
        let again = if twice { format!(",{:?}:{value}", name.to_uppercase()) } else { String::new() };
        *place = value;
        let mut body = printed.to_string().into_bytes();
        body.splice(body.len() - 1..body.len() - 1, again.into_bytes());
        body.truncate(cut.map_or(body.len(), |cut| cut.index(body.len())));
        let shown = seen(&parse(payload.plan.kind, &body, &strict(), &[]));
        for secret in secrets(&payload).chain([&misplaced]) {
            prop_assert!(!shown.contains(core(secret)), "{} in {shown}", core(secret));
        }
    }

    #[test]
    fn the_schema_has_exactly_the_fields_that_are_read(payload in payload(), retention in retention()) {
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let schema = schema().to_value();
        prop_assert_eq!(keys(&print(&payload)), keys(&schema["properties"]));
        prop_assert_eq!(keys(&print_retention(&retention)), keys(&schema["$defs"]["Retention"]["properties"]));
    }
}
