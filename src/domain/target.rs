//! A configured target: what is backed up, when, and under which name.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{BlobName, BlobRef, Credentials, InvalidName, Plan, Schedule, TargetName};

/// An API Management service that is backed up by the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub name: TargetName,
    pub schedule: Schedule,
    /// Whose days the names of backups have.
    pub zone: TimeZone,
    /// A backup under the plain name.
    pub plan: Plan,
    pub credentials: Credentials,
}

impl Target {
    /// Whether the longest suffix has room behind the plain name.
    pub fn check_room(name: &BlobName) -> Result<(), InvalidName> {
        const LONGEST_SUFFIX: usize = "_yyyyMMddTHHmmssZ".len();
        if name.as_str().chars().count() + LONGEST_SUFFIX <= BlobName::LONGEST {
            return Ok(());
        }
        Err(InvalidName {
            remedy: "give a name of at most 1,007 characters: each backup appends its date, and a time if need be",
        })
    }

    /// The backup that the schedule's `instant` means: `<name>_<yyyyMMdd>`, and with the time if that day had one
    /// before, or may have had: by another schedule, which was `changed` for this one then.
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
        self.named(&self.zone.to_datetime(instant).strftime("_%Y%m%d").to_string())
    }

    /// A backup that is started by hand: always with the time.
    pub fn by_hand(&self, now: Timestamp) -> Plan {
        let local = self.zone.to_datetime(now);
        // In the hour that autumn repeats, the second pass is named in UTC: no backup overwrites another.
        let first = self.zone.to_ambiguous_zoned(local).earlier().map(|first| first.timestamp());
        if first.is_ok_and(|first| first.as_second() < now.as_second()) {
            let utc = TimeZone::UTC.to_datetime(now);
            return self.named(&utc.strftime("_%Y%m%dT%H%M%SZ").to_string());
        }
        self.named(&local.strftime("_%Y%m%dT%H%M%S").to_string())
    }

    fn named(&self, suffix: &str) -> Plan {
        let blob = BlobRef { name: self.plan.blob.name.with(suffix), ..self.plan.blob.clone() };
        Plan { blob, ..self.plan.clone() }
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
            plan: plan("sampleapim"),
            credentials: Credentials::default(),
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
    fn there_is_room_for_the_longest_suffix_or_the_name_is_refused() {
        let name = |length: usize| "ü".repeat(length).parse::<BlobName>().unwrap();
        assert!(Target::check_room(&name(1007)).is_ok());
        assert!(Target::check_room(&name(1008)).is_err());
        let longest = Target {
            plan: Plan { blob: BlobRef { name: name(1007), ..plan("a").blob }, ..plan("a") },
            ..target("0 30 * * * *", "Europe/Berlin")
        };
        let named = longest.scheduled("2026-10-25T01:30:00Z".parse().unwrap(), None).blob.name;
        assert_eq!(named.as_str().chars().count(), BlobName::LONGEST);
        assert_eq!(named.as_str().parse(), Ok(named.clone()));
    }
}
