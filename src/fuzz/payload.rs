//! The body of a request.

use std::sync::LazyLock;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    mark::{MARK, Marked, is_marked, mark},
    said,
};
use crate::{
    domain::{Bounds, CallbackHosts, Kind, Plan, Target},
    payload::{self, Confirmation, Parsed, Problem, StartPolicy, TargetDefaults},
};

/// Reads a body on both routes, with targets that may stand in and without.
///
/// - The same body has the same answer.
/// - One that is refused has problems, each with a remedy; and with a field, once the body is an object.
/// - No value of a body is in a problem or a warning; no secret, nor that of a target, in anything that is shown.
/// - What is not given is not there: neither a secret, nor that a restore is meant.
/// - Nothing goes where the settings do not allow it.
/// - A plan can be written down, and reads back as it was.
pub fn payload(bytes: &[u8]) {
    if is_marked(bytes) {
        return;
    }
    let body = serde_json::from_slice::<Value>(bytes).ok().filter(Value::is_object);
    for kind in [Kind::Backup, Kind::Restore] {
        let plain = Asked { kind, policy: &StartPolicy::default(), targets: &[] };
        let strict = StartPolicy { confirm: Confirmation::Phrase, bounds: BOUNDS.clone() };
        for asked in [plain, Asked { policy: &strict, targets: &TARGETS, ..plain }] {
            let answer = asked.read(bytes);
            assert_eq!(asked.read(bytes), answer);
            told(&answer, body.is_some());
            if let Ok(parsed) = answer {
                asked.carried_out(parsed, bytes, body.as_ref());
            }
            let Some(body) = &body else { continue };
            for marked in [Marked::All, Marked::One(bytes.len()), Marked::Secrets] {
                told(&asked.read(&mark(body, marked)), true);
            }
            if let Ok(parsed) = asked.read(&mark(body, Marked::Secrets)) {
                said::unmarked(&format!("{parsed:?}"));
                let order = parsed.payload.into_order(&HOSTS);
                said::unmarked(&format!("{order:?}"));
                if let Ok(order) = order {
                    said::unmarked(&serde_json::to_string(&order.plan).unwrap_or_default());
                }
            }
        }
    }
}

/// One with secrets of its own, and one without.
static TARGETS: LazyLock<Vec<Target>> = LazyLock::new(|| {
    let place = json!({
        "subscriptionId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "resourceGroup": "apimdrresourcegroup",
        "storageAccount": "apimdrstorage",
    });
    let own = json!([
        {
            "name": "primary", "apimInstance": "sampleapim", "containerName": "backup", "backupName": "nightly",
            "applicationId": "11111111-2222-3333-4444-555555555555",
            "tenantId": "99999999-8888-7777-6666-555555555555",
            "clientSecret": MARK, "accessKey": MARK, "retention": { "keepLast": 3 },
        },
        {
            "name": "keyless", "apimInstance": "otherapim", "containerName": "other", "backupName": "nightly",
            "clientId": "11111111-2222-3333-4444-555555555555",
        },
    ]);
    let whole = own.as_array().into_iter().flatten().map(|own| {
        let fields = [&place, own].into_iter().filter_map(Value::as_object).flatten();
        Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
    });
    let schedule = "0 0 1 * * *".parse().ok();
    let defaults = TargetDefaults { schedule: schedule.as_ref(), rpo: SignedDuration::from_hours(26) };
    let text = whole.collect::<Value>().to_string();
    let read = payload::parse_targets(text.as_bytes(), defaults, &StartPolicy::default(), &|_| None);
    assert_eq!((read.targets.len(), read.problems), (2, vec![]));
    read.targets
});

/// The instance and the account of the first target.
static BOUNDS: LazyLock<Bounds> = LazyLock::new(|| Bounds {
    restore_targets: Some("sampleapim".parse().into_iter().collect()),
    storage_accounts: Some("apimdrstorage".parse().into_iter().collect()),
});

static HOSTS: LazyLock<CallbackHosts> =
    LazyLock::new(|| CallbackHosts::read(CallbackHosts::DEFAULT, false).unwrap_or_default());

#[derive(Clone, Copy)]
struct Asked<'a> {
    kind: Kind,
    policy: &'a StartPolicy,
    targets: &'a [Target],
}

impl Asked<'_> {
    fn read(&self, body: &[u8]) -> Result<Parsed, Vec<Problem>> {
        payload::parse(self.kind, body, self.policy, self.targets)
    }

    fn carried_out(&self, parsed: Parsed, bytes: &[u8], body: Option<&Value>) {
        let credentials = parsed.payload.credentials.clone();
        let Ok(order) = parsed.payload.into_order(&HOSTS).map_err(|problems| said::problems(&problems, true))
        else {
            return;
        };
        assert_eq!(order.plan.kind, self.kind);
        assert_eq!(self.policy.bounds.objection(&order.plan), None);
        assert_eq!(order.credentials.client_secret, credentials.client_secret);
        assert_eq!(order.credentials.access_key, credentials.access_key);
        if self.targets.is_empty() && payload::secrets(bytes).is_empty() {
            assert!(credentials.client_secret.is_none() && credentials.access_key.is_none());
        }
        if self.kind == Kind::Restore {
            assert!(body.is_some_and(|body| means_a_restore(body, self.policy)));
        }
        let written = serde_json::to_string(&order.plan);
        let read = written.as_ref().ok().and_then(|written| serde_json::from_str::<Plan>(written).ok());
        assert_eq!(read.as_ref(), Some(&order.plan), "{written:?}");
    }
}

fn told(answer: &Result<Parsed, Vec<Problem>>, is_object: bool) {
    match answer {
        Ok(parsed) => parsed.warnings.iter().for_each(|warning| said::harmless(warning)),
        Err(problems) => {
            assert!(!problems.is_empty());
            said::problems(problems, is_object);
        }
    }
}

/// Whether a body says so at all: by its operation, unless a phrase is demanded.
fn means_a_restore(body: &Value, policy: &StartPolicy) -> bool {
    let gives = |name: &str, start: &str| {
        let mut fields = body.as_object().into_iter().flatten();
        fields.any(|(field, value)| {
            let text = value.as_str().and_then(|text| text.get(..start.len()));
            field.eq_ignore_ascii_case(name) && text.is_some_and(|text| text.eq_ignore_ascii_case(start))
        })
    };
    gives("confirm", "RESTORE")
        || (policy.confirm == Confirmation::Operation && gives("operation", "restore"))
}
