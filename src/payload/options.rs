//! Fields of ours that go beyond one plain backup or restore.

use jiff::{Span, SpanFieldwise, Timestamp, tz::TimeZone};
use schemars::JsonSchema;
use url::Url;

use super::{
    Problem,
    fields::{Fields, Read},
};
use crate::domain::{Kind, NameSuffix, Naming, Secret, ServiceName, zone};

/// What a caller may ask for beyond one plain backup or restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Of a backup.
    pub name_suffix: Option<NameSuffix>,
    /// Whose days and clock count.
    pub time_zone: Option<TimeZone>,
    pub retention: Option<Retention>,
    /// An https URL. Its query usually is a key, as in a Logic App's callback.
    pub callback_url: Option<Secret>,
    pub source: Option<ServiceName>,
    pub at: Option<Timestamp>,
    pub safety_backup: Option<bool>,
}

/// Which recovery points to keep. What is not given keeps nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retention {
    /// The newest ones.
    pub keep_last: Option<u32>,
    /// The newest one of each of so many hours.
    pub keep_hourly: Option<u32>,
    /// The newest one of each of so many days.
    pub keep_daily: Option<u32>,
    /// The newest one of each of so many weeks.
    pub keep_weekly: Option<u32>,
    /// The newest one of each of so many months.
    pub keep_monthly: Option<u32>,
    /// The newest one of each of so many years.
    pub keep_yearly: Option<u32>,
    /// All that are no older than this, counted from the newest one.
    #[schemars(with = "Option<String>", example = &"14d", example = &"P14D")]
    pub keep_within: Option<SpanFieldwise>,
    /// Never fewer than these, whatever the rest says.
    pub min_keep: Option<u32>,
}

impl Options {
    /// Reads what is well-formed; the problems of the rest are noted in `fields`.
    pub(super) fn read(kind: Kind, fields: &mut Fields) -> Self {
        let name_suffix = given(fields.optional("nameSuffix"));
        if kind == Kind::Restore && name_suffix.is_some() {
            fields.note(
                "nameSuffix",
                "names a new backup; a restore reads the name as it is",
                "leave it out, and give the whole name as backupName",
            );
        }
        let time_zone = given(fields.checked("timeZone", zone::parse));
        let retention = given(Retention::read(fields));
        if time_zone.is_some() && name_suffix.is_none() && retention.is_none() {
            fields.warn("timeZone: not used without nameSuffix or retention");
        }
        Self {
            name_suffix,
            time_zone,
            retention,
            callback_url: given(fields.parsed("callbackUrl", "give an https:// URL", |text| {
                let url = Url::parse(text).ok()?;
                (url.scheme() == "https").then(|| Secret::new(text))
            })),
            source: given(fields.optional("source")),
            at: given(
                fields.parsed("at", "give an instant such as 2026-11-30T01:00:00Z", |text| text.parse().ok()),
            ),
            safety_backup: given(fields.flag("safetyBackup")),
        }
    }

    /// How a backup is named; `None`: by its plain name.
    pub(super) fn naming(&self) -> Option<Naming> {
        let zone = self.time_zone.clone().unwrap_or(TimeZone::UTC);
        self.name_suffix.clone().map(|suffix| Naming { suffix, zone })
    }

    /// A problem for each that is set and that this version does not carry out.
    pub(super) fn not_carried_out(&self) -> Vec<Problem> {
        [
            ("retention", self.retention.is_some()),
            ("callbackUrl", self.callback_url.is_some()),
            ("source", self.source.is_some()),
            ("at", self.at.is_some()),
            ("safetyBackup", self.safety_backup.is_some()),
        ]
        .into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(field, _)| Problem::not_carried_out(field))
        .collect()
    }
}

impl Retention {
    fn read(fields: &mut Fields) -> Read<Option<Self>> {
        let Some(entries) = fields.object("retention")? else { return Ok(None) };
        let mut keys = Fields::new("retention.", entries);
        let retention = Self {
            keep_last: given(keys.count("keepLast")),
            keep_hourly: given(keys.count("keepHourly")),
            keep_daily: given(keys.count("keepDaily")),
            keep_weekly: given(keys.count("keepWeekly")),
            keep_monthly: given(keys.count("keepMonthly")),
            keep_yearly: given(keys.count("keepYearly")),
            keep_within: given(keys.parsed("keepWithin", "give a duration such as 14d or P14D", |text| {
                text.parse::<Span>().ok().filter(|span| !span.is_negative()).map(SpanFieldwise)
            })),
            min_keep: given(keys.count("minKeep")),
        };
        // A rule that was passed over for its spelling would remove what it should keep.
        let unknown: Vec<String> = keys.unknown().take(super::MOST_UNKNOWN).collect();
        for name in unknown {
            keys.note(&name, "not a rule of retention", "take one of those that `apim-dr schema` prints");
        }
        fields.problems.append(&mut keys.problems);
        Ok(Some(retention))
    }
}

/// A noted problem already stops the payload; what stands in its place does not matter.
fn given<T>(read: Read<Option<T>>) -> Option<T> {
    read.ok().flatten()
}
