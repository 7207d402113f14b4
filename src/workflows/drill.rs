//! Drills: a recovery point is restored into an instance that is there for it, to see that it can be and how long it
//! takes.

use jiff::Timestamp;

use super::{
    Error,
    choose::{choose, picked_by},
};
use crate::{
    domain::{Bounds, Choice, Finding, Kind, Pick, Plan, RecoveryPoint, Secret, ServiceName, Target},
    ports::{Ports, RecordsError},
};

/// Which recovery point is tried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// The newest, or the newest that was verified.
    Newest { verified: bool },
    /// Any that was verified and has not expired; the number decides which.
    Random(u128),
}

/// The drill of a target, its recovery point still to be drawn. Whatever the settings say where they are read: never into
/// a service that any of the targets rests on, nor out of `bounds`.
pub fn drill_plan(target: &Target, targets: &[Target], bounds: &Bounds) -> Result<Plan, Error> {
    let plan = target.drill_plan().ok_or_else(|| Error::NoDrill { target: target.name.clone() })?;
    let service = &plan.service.name;
    let refused = |why: String| Error::DrillRefused { service: service.clone(), why };
    if plan.drills_its_source() {
        return Err(refused(format!("it is what target {} backs up", target.name)));
    }
    if let Some(other) = targets.iter().find(|other| other.rests_on(service)) {
        return Err(refused(format!("target {} rests on it; declare another instance as drill", other.name)));
    }
    if let Some(Finding { text, remedy, .. }) = bounds.objection(&plan) {
        return Err(refused(format!("{text}; {remedy}")));
    }
    Ok(plan)
}

/// The plan, with the recovery point that is tried out. Not where the last restore was no drill: somebody may have taken
/// the instance into use, on the day on which nothing else was left.
pub async fn draw(ports: &Ports, plan: Plan, draw: Draw, access_key: Option<&Secret>) -> Result<Plan, Error> {
    let now = ports.azure.now();
    let service = &plan.service.name;
    let restored = restored_by_hand(ports, service).await;
    let restored = restored.map_err(|source| Error::Catalog { service: service.clone(), source })?;
    if let Some(why) = restored {
        return Err(Error::DrillRefused { service: service.clone(), why });
    }
    match draw {
        Draw::Newest { verified } => {
            let choice = Choice::Pick(Pick { verified, until: None });
            choose(ports, plan, &choice, access_key).await
        }
        Draw::Random(number) => {
            let what = "verified recovery point that has not expired".to_owned();
            picked_by(ports, plan, what, access_key, |standing| any(standing, number, now)).await
        }
    }
}

/// That the last restore of an instance was no drill, in a sentence.
pub(super) async fn restored_by_hand(
    ports: &Ports,
    service: &ServiceName,
) -> Result<Option<String>, RecordsError> {
    let history = ports.journal.history(service, None).await?;
    let last = history.into_iter().find(|ended| ended.kind == Kind::Restore && ended.started.is_some());
    let by_hand = last.filter(|ended| ended.drill.is_none());
    Ok(by_hand.map(|ended| format!("operation {} restored it and was no drill: it may be in use", ended.id)))
}

fn any(standing: &[RecoveryPoint], number: u128, now: Timestamp) -> Option<RecoveryPoint> {
    let fit = || {
        standing
            .iter()
            .filter(|point| point.is_verified() && point.safety_for.is_none() && !point.is_expired(now))
    };
    let count = u128::try_from(fit().count()).ok().filter(|count| *count > 0)?;
    // A remainder is less than the count.
    usize::try_from(number % count).ok().and_then(|n| fit().nth(n)).cloned()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, tz::TimeZone};

    use super::*;
    use crate::domain::{
        BlobRef, Credentials, Drill, Evidence, LIFETIME, NameSuffix, OperationId, Verification,
        samples::{at, plan, seen},
    };

    fn target(name: &str, instance: &str, standby: Option<&str>, drill: Option<&str>) -> Target {
        let service = |name: &str| plan(name).service;
        Target {
            name: name.parse().unwrap(),
            schedule: "0 0 1 * * *".parse().unwrap(),
            zone: TimeZone::UTC,
            suffix: NameSuffix::default(),
            plan: plan(instance),
            credentials: Credentials::default(),
            rpo: SignedDuration::from_hours(26),
            standby: standby.map(service),
            drill: drill.map(|drill| Drill { service: service(drill), schedule: None }),
        }
    }

    /// The declared instance, those that may be restored into, and what is told.
    type Row<'a> = (Option<&'a str>, Option<Vec<ServiceName>>, &'a str);

    #[test]
    fn a_drill_is_refused_wherever_a_target_rests_whatever_the_settings_were_read_as() {
        let others = [target("b", "apim-b", Some("standby-b"), None)];
        let names =
            |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<ServiceName>>();
        let rows: [Row; 8] = [
            (None, None, "has no instance for drills"),
            (Some("for-drills"), None, ""),
            (Some("for-drills"), Some(names(&["x", "FOR-drills"])), ""),
            (Some("for-drills"), Some(names(&["apim-a"])), "APIM_DR_RESTORE_TARGETS"),
            (Some("Apim-A"), None, "it is what target a backs up"),
            (Some("standby-a"), None, "target a rests on it"),
            (Some("apim-b"), Some(names(&["apim-b"])), "target b rests on it"),
            (Some("standby-B"), None, "target b rests on it"),
        ];
        for (drill, restorable, expected) in rows {
            let target = target("a", "apim-a", Some("standby-a"), drill);
            let targets = [&others[..], std::slice::from_ref(&target)].concat();
            let bounds = Bounds { restore_targets: restorable, ..Bounds::default() };
            let told = match drill_plan(&target, &targets, &bounds) {
                Ok(plan) => {
                    assert_eq!(plan.service.name.as_str(), "for-drills");
                    String::new()
                }
                Err(error) => error.to_string(),
            };
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{drill:?}: {told}");
        }
    }

    #[test]
    fn any_is_one_of_those_that_were_verified_and_have_not_expired() {
        let point = |name: &str, second: i64, verified: bool| RecoveryPoint {
            id: OperationId::at(at(second)),
            service: plan("sampleapim").service,
            blob: BlobRef { name: name.parse().unwrap(), ..plan("sampleapim").blob },
            at: at(second),
            ended: at(second + 10),
            tier: None,
            evidence: Some(Evidence::Arm),
            safety_for: None,
            verification: if verified {
                Verification::Verified { blob: seen(name) }
            } else {
                Verification::unverified("no right")
            },
        };
        let standing = [
            point("new", 30, true),
            point("unseen", 20, false),
            point("mid", 15, true),
            point("old", 0, true),
        ];
        let drawn = |now: Timestamp| {
            let numbers = [0, 1, 2, 3, u128::MAX];
            let drawn = numbers.map(|number| any(&standing, number, now));
            drawn.into_iter().flatten().map(|point| point.blob.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(at(60)), ["new", "mid", "old", "new", "new"]);
        assert_eq!(drawn(at(0) + LIFETIME), ["new", "mid", "new", "mid", "mid"]);
        assert_eq!(drawn(at(30) + LIFETIME), [""; 0]);
    }
}
