//! A configured target: what is backed up, when, and under which name.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{Credentials, Kind, NameSuffix, Occasion, Plan, Schedule, ServiceId, ServiceName, TargetName};

/// An API Management service that is backed up by the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub name: TargetName,
    pub schedule: Schedule,
    /// Whose days the names of backups have.
    pub zone: TimeZone,
    pub suffix: NameSuffix,
    /// A backup under the plain name. The names that `suffix` makes of it were checked.
    pub plan: Plan,
    pub credentials: Credentials,
    /// How old its newest verified recovery point may be.
    pub rpo: SignedDuration,
    /// What is to take over.
    pub standby: Option<ServiceId>,
    pub drill: Option<Drill>,
}

/// Where a target's recovery points are tried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// It is there to be overwritten.
    pub service: ServiceId,
    /// `None`: only by hand.
    pub schedule: Option<Schedule>,
}

impl Target {
    /// The restore of one of its recovery points, which is still to be chosen, into another service.
    pub fn restore_into(&self, service: &ServiceId) -> Plan {
        let source = Some(self.plan.service.name.clone());
        Plan { kind: Kind::Restore, service: service.clone(), source, retention: None, ..self.plan.clone() }
    }

    /// The drill of one of its recovery points, which is still to be chosen; `None`: no instance is there for it.
    pub fn drill_plan(&self) -> Option<Plan> {
        let drill = self.drill.as_ref()?;
        Some(Plan { drill: Some(self.name.clone()), ..self.restore_into(&drill.service) })
    }

    /// Whether it rests on a service of that name, as its own or as its standby: nothing may be tried out there.
    pub fn rests_on(&self, service: &ServiceName) -> bool {
        let standby = self.standby.as_ref();
        [Some(&self.plan.service), standby].into_iter().flatten().any(|it| it.name.key() == service.key())
    }

    /// The backup that the schedule's `instant` means: named as the first of its day, or as a later one if that day had
    /// one before, or may have had: by another schedule, which was `changed` for this one then.
    pub fn scheduled(&self, instant: Timestamp, changed: Option<Timestamp>) -> Plan {
        let day = |instant: Timestamp| self.zone.to_datetime(instant).date();
        if changed.is_some_and(|changed| day(changed) == day(instant)) {
            return self.by_hand(instant);
        }
        let before = instant.checked_sub(SignedDuration::from_secs(1)).ok();
        let before = before.and_then(|before| self.schedule.latest(before));
        if before.is_some_and(|before| day(before) == day(instant)) {
            return self.by_hand(instant);
        }
        self.suffix.plan_at(&self.plan, &self.zone, instant, Occasion::First)
    }

    /// A backup that is started by hand: always with the time.
    pub fn by_hand(&self, now: Timestamp) -> Plan {
        self.suffix.plan_at(&self.plan, &self.zone, now, Occasion::Later)
    }

    /// Whether a backup of one may have the blob of a backup of the other. The plain names count too: callers that name
    /// a target write to them.
    pub fn overwrites(&self, other: &Self) -> bool {
        let names = |target: &Self| {
            let mut names = target.suffix.samples(&target.plan).to_vec();
            names.push(target.plan.blob.name.to_string());
            names
        };
        let (ours, theirs) = (&self.plan.blob, &other.plan.blob);
        ours.account == theirs.account
            && ours.container == theirs.container
            && names(self).iter().any(|name| names(other).contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::plan;

    fn target(schedule: &str, zone: &str) -> Target {
        Target {
            name: "primary".parse().unwrap(),
            schedule: schedule.parse().unwrap(),
            zone: TimeZone::get(zone).unwrap(),
            suffix: NameSuffix::default(),
            plan: plan("sampleapim"),
            credentials: Credentials::default(),
            rpo: SignedDuration::from_hours(26),
            standby: None,
            drill: None,
        }
    }

    #[test]
    fn a_backup_is_named_by_the_targets_own_day_and_a_later_one_by_its_time_too() {
        let rows = [
            ("0 0 1 * * *", "UTC", "2026-11-21T01:00:00Z", "apimbackup_20261121"),
            // New Zealand is half a day ahead, and changes its clocks.
            ("0 0 12 * * *", "Pacific/Auckland", "2026-06-30T12:00:00Z", "apimbackup_20260701"),
            ("0 0 12 * * *", "Pacific/Auckland", "2026-12-31T12:00:00Z", "apimbackup_20270101"),
            ("0 30 10 * * *", "Pacific/Auckland", "2026-12-31T10:30:00Z", "apimbackup_20261231"),
            ("0 0 1 * * *", "America/New_York", "2026-03-01T01:00:00Z", "apimbackup_20260228"),
            // Twice a day in UTC is not twice a day everywhere.
            ("0 0 1,13 * * *", "UTC", "2026-11-21T01:00:00Z", "apimbackup_20261121"),
            ("0 0 1,13 * * *", "UTC", "2026-11-21T13:00:00Z", "apimbackup_20261121T130000"),
            ("0 0 1,13 * * *", "Pacific/Auckland", "2026-11-21T13:00:00Z", "apimbackup_20261122"),
            ("0 0 1,13 * * *", "Pacific/Auckland", "2026-11-22T01:00:00Z", "apimbackup_20261122T140000"),
            ("5 * * * * *", "UTC", "2026-11-21T00:00:05Z", "apimbackup_20261121"),
            ("5 * * * * *", "UTC", "2026-11-21T00:01:05Z", "apimbackup_20261121T000105"),
            // The hour that Berlin repeats, and the one that it skips.
            ("0 30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "apimbackup_20261025T023000"),
            ("0 30 * * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", "apimbackup_20261025T013000Z"),
            ("0 30 * * * *", "Europe/Berlin", "2026-10-25T02:30:00Z", "apimbackup_20261025T033000"),
            ("0 30 * * * *", "Europe/Berlin", "2026-03-29T01:30:00Z", "apimbackup_20260329T033000"),
        ];
        for (schedule, zone, instant, expected) in rows {
            let plan = target(schedule, zone).scheduled(instant.parse().unwrap(), None);
            assert_eq!(plan.blob.name.as_str(), expected, "{schedule} in {zone} at {instant}");
        }
    }

    #[test]
    fn on_the_day_that_a_schedule_was_changed_the_name_has_the_time_because_the_old_one_may_have_had_its_turn()
     {
        let named = |changed: &str| {
            let instant = "2026-11-21T13:00:00Z".parse().unwrap();
            let target = target("0 0 13 * * *", "UTC");
            target.scheduled(instant, Some(changed.parse().unwrap())).blob.name.as_str().to_owned()
        };
        assert_eq!(named("2026-11-21T02:00:00Z"), "apimbackup_20261121T130000");
        assert_eq!(named("2026-11-20T23:59:59Z"), "apimbackup_20261121");
    }

    #[test]
    fn a_backup_by_hand_is_named_by_its_second() {
        let by_hand = |now: &str| target("0 0 1 * * *", "UTC").by_hand(now.parse().unwrap()).blob.name;
        assert_eq!(by_hand("2026-11-21T19:04:05.7Z").as_str(), "apimbackup_20261121T190405");
    }

    #[test]
    fn another_suffix_names_the_backups_of_the_schedule_and_those_by_hand() {
        let named = |suffix: &str, instant: &str| {
            let target =
                Target { suffix: suffix.parse().unwrap(), ..target("0 0 1,13 * * *", "Pacific/Auckland") };
            let instant = instant.parse().unwrap();
            let names = [target.scheduled(instant, None), target.by_hand(instant)];
            names.map(|plan| plan.blob.name.as_str().to_owned())
        };
        assert_eq!(
            named("/{date}", "2026-11-21T13:00:00Z"),
            ["apimbackup/20261122", "apimbackup/20261122T020000"]
        );
        assert_eq!(named("/{date}", "2026-11-22T01:00:00Z"), ["apimbackup/20261122T140000"; 2]);
        assert_eq!(
            named("{instance}/{name}_{utc}", "2026-11-21T13:00:00Z"),
            ["sampleapim/apimbackup_20261121T130000Z"; 2]
        );
    }

    #[test]
    fn a_drill_restores_the_targets_own_recovery_point_into_the_instance_that_is_there_for_it() {
        let own = target("0 0 1 * * *", "UTC");
        assert_eq!(own.drill_plan(), None);
        let service = plan("sampleapim-drill").service;
        let drill = Some(Drill { service: service.clone(), schedule: None });
        let drilled = Target { drill, ..own.clone() }.drill_plan().unwrap();
        assert_eq!((drilled.kind, &drilled.service, drilled.word()), (Kind::Restore, &service, "drill"));
        assert_eq!(
            (drilled.source.as_ref(), drilled.drill.as_ref()),
            (Some(&own.plan.service.name), Some(&own.name))
        );
        assert!(!drilled.drills_its_source());
        let restored = own.restore_into(&service);
        assert_eq!((restored.drill.as_ref(), restored.word()), (None, "restore"));
    }

    #[test]
    fn a_drill_into_its_source_is_known_whatever_the_case() {
        let drill = |service: &str, source: Option<&str>| Plan {
            kind: Kind::Restore,
            source: source.map(|source| source.parse().unwrap()),
            drill: Some("primary".parse().unwrap()),
            ..plan(service)
        };
        assert!(drill("sampleapim", Some("SampleAPIM")).drills_its_source());
        assert!(drill("sampleapim", None).drills_its_source());
        assert!(!drill("sampleapim-drill", Some("sampleapim")).drills_its_source());
        assert!(!Plan { drill: None, ..drill("sampleapim", None) }.drills_its_source());
    }

    #[test]
    fn a_target_rests_on_its_own_instance_and_on_its_standby() {
        let standby = Some(plan("sampleapim-standby").service);
        let target = Target { standby, ..target("0 0 1 * * *", "UTC") };
        for (name, expected) in
            [("SampleAPIM", true), ("sampleapim-STANDBY", true), ("sampleapim-drill", false)]
        {
            assert_eq!(target.rests_on(&name.parse().unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn two_targets_overwrite_each_other_if_any_of_their_names_can_be_the_same() {
        let named = |name: &str, suffix: &str| {
            let mut target = Target { suffix: suffix.parse().unwrap(), ..target("0 0 1 * * *", "UTC") };
            target.plan.blob.name = name.parse().unwrap();
            target
        };
        let rows = [
            (("a", "date"), ("a", "date"), true),
            (("a", "date"), ("b", "date"), false),
            (("a", "date"), ("a_", "{date}"), true),
            (("a_b", "date"), ("a", "_b_{date}"), true),
            (("a", "date"), ("a", "-{date}"), true),
            (("a", "date"), ("b", "a_{date}"), false),
            (("a", "-{date}"), ("a-", "{date}T{time}"), true),
            (("a", "-{date}"), ("a-", "{utc}"), true),
            (("a", "-{date}-{time}"), ("a-", "{utc}"), false),
            (("a", "{instance}/{name}{utc}"), ("b", "{instance}/a{name}{utc}"), false),
            (("a", "sampleapim/{name}{utc}"), ("b", "{instance}/{utc}{name}"), false),
        ];
        for ((name, suffix), (other, others), expected) in rows {
            let (ours, theirs) = (named(name, suffix), named(other, others));
            assert_eq!(ours.overwrites(&theirs), expected, "{name}{suffix}, {other}{others}");
            assert_eq!(theirs.overwrites(&ours), expected, "{other}{others}, {name}{suffix}");
            let mut elsewhere = theirs;
            elsewhere.plan.blob.container = "elsewhere".parse().unwrap();
            assert!(!ours.overwrites(&elsewhere));
        }
    }
}
