//! Fields of ours that go beyond one plain backup or restore.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use super::{
    Problem,
    fields::{Fields, Read},
};
use crate::domain::{
    Callback, CallbackHosts, Choice, Kind, NameSuffix, Naming, NotCallable, Pick, Plan, Policy, Retention,
    Secret, ServiceName, Target, sendable, zone,
};

/// What a caller may ask for beyond one plain backup or restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Of a backup.
    pub name_suffix: Option<NameSuffix>,
    /// Whose days and clock count.
    pub time_zone: Option<TimeZone>,
    /// Of a backup: which recovery points stay when it was verified.
    pub retention: Option<Retention>,
    /// Where the end is to be told. Its query usually is a key, as in a Logic App's callback.
    pub callback_url: Option<Secret>,
    /// Of a restore: whose recovery point it reads; `None`: the service's own.
    pub source: Option<ServiceName>,
    /// Of a restore, if it does not name the blob.
    pub pick: Option<Pick>,
    /// Of a restore: the service is backed up first.
    pub safety_backup: Option<bool>,
    /// Codes of findings that keep nothing from its start.
    pub ignore: BTreeSet<String>,
}

impl Options {
    /// Reads what is well-formed; the problems of the rest are noted in `fields`.
    pub(super) fn read(kind: Kind, pick: Read<Option<Pick>>, fields: &mut Fields) -> Self {
        let name_suffix = given(fields.optional("nameSuffix"));
        if kind == Kind::Restore && name_suffix.is_some() {
            fields.note(
                "nameSuffix",
                "names a new backup; a restore reads the name as it is",
                "leave it out, and give the whole name as backupName",
            );
        }
        let time_zone = given(fields.checked("timeZone", zone::parse));
        let retention = given(retention(fields));
        if kind == Kind::Restore && retention.is_some() {
            let detail = "is about older recovery points after a backup, and restores start here";
            fields.note("retention", detail, "leave it out, or send it to the backup route");
        }
        let source = given(fields.optional("source"));
        if kind == Kind::Backup && source.is_some() {
            let detail = "says whose recovery point a restore reads, and backups start here";
            fields.note("source", detail, "leave it out: apimInstance is what is backed up");
        }
        let safety_backup = given(fields.flag("safetyBackup"));
        if kind == Kind::Backup && safety_backup == Some(true) {
            let detail = "backs a service up before a restore, and backups start here";
            fields.note("safetyBackup", detail, "leave it out, or send it to the restore route");
        }
        let ignore = fields.parsed(
            "ignore",
            "give codes of findings, such as account.firewall, with commas between",
            codes,
        );
        if time_zone.is_some() && name_suffix.is_none() && retention.is_none() {
            fields.warn("timeZone: not used without nameSuffix or retention");
        }
        Self {
            name_suffix,
            time_zone,
            retention,
            // Whether it may be called at all is for the settings to say.
            callback_url: given(fields.parsed("callbackUrl", "give an https:// URL", |text| {
                sendable(text, true).ok().map(|_| Secret::new(text))
            })),
            source,
            pick: given(pick),
            safety_backup,
            ignore: given(ignore).unwrap_or_default(),
        }
    }

    /// What the target that stands in for fields brings beyond them: its retention, where the backup is one of its own.
    pub(super) fn stand_in(&mut self, plan: &Plan, target: &Target) {
        let same = plan.service == target.plan.service && plan.blob.place() == target.plan.blob.place();
        if plan.kind == Kind::Backup && same && self.retention.is_none() {
            self.retention = target.plan.retention.as_ref().map(|policy| policy.rules.clone());
            self.time_zone.get_or_insert_with(|| target.zone.clone());
        }
    }

    /// Where a target has rules for the same recovery points, a body may not bring others: whoever may start a backup may
    /// not delete what was to be kept.
    pub(super) fn check_retention(&self, plan: &Plan, targets: &[Target], fields: &mut Fields) {
        let Some(rules) = &self.retention else { return };
        let own = targets.iter().find(|target| {
            plan.service.name.key() == target.plan.service.name.key()
                && plan.blob.place() == target.plan.blob.place()
        });
        let zone = self.time_zone.clone().unwrap_or(TimeZone::UTC);
        let is_its = |policy: &Policy| policy.rules == *rules && policy.time_zone == zone;
        if let Some(target) = own
            && !target.plan.retention.as_ref().is_some_and(is_its)
        {
            let detail = format!("not that of the target {}, which has these recovery points", target.name);
            fields.note("retention", &detail, "leave it out, or change the target");
        }
    }

    /// Which blob is meant.
    pub(super) fn choice(&self) -> Choice {
        let zone = self.time_zone.clone().unwrap_or(TimeZone::UTC);
        match (&self.pick, &self.name_suffix) {
            (Some(pick), _) => Choice::Pick(*pick),
            (None, Some(suffix)) => Choice::Dated(Naming { suffix: suffix.clone(), zone }),
            (None, None) => Choice::Plain,
        }
    }

    /// Where the end is to be told, if that may be called.
    pub(super) fn callback(&self, callbacks: &CallbackHosts) -> Result<Option<Callback>, Problem> {
        let Some(url) = &self.callback_url else { return Ok(None) };
        match callbacks.check(url.expose()) {
            Ok(_) => Ok(Some(Callback::Url(url.clone()))),
            Err(NotCallable { detail, remedy }) => {
                let field = Some("callbackUrl".to_owned());
                Err(Problem { field, detail: detail.to_owned(), remedy: remedy.to_owned() })
            }
        }
    }
}

/// Codes with commas between them: small letters, digits, dots and dashes.
fn codes(text: &str) -> Option<BTreeSet<String>> {
    let is_part =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let code = |code: &str| (!code.is_empty() && code.bytes().all(is_part)).then(|| code.to_owned());
    text.split(',').map(|part| code(part.trim())).collect()
}

/// The rules of a policy. One that was passed over for its spelling would remove what it should keep.
pub(super) fn retention(fields: &mut Fields) -> Read<Option<Retention>> {
    let Some(entries) = fields.object("retention")? else { return Ok(None) };
    let mut rules = Fields::new("retention.", entries);
    let retention = Retention {
        keep_last: given(rules.count("keepLast")),
        keep_hourly: given(rules.count("keepHourly")),
        keep_daily: given(rules.count("keepDaily")),
        keep_weekly: given(rules.count("keepWeekly")),
        keep_monthly: given(rules.count("keepMonthly")),
        keep_yearly: given(rules.count("keepYearly")),
        keep_within: given(rules.optional("keepWithin")),
        keep_within_hourly: given(rules.optional("keepWithinHourly")),
        keep_within_daily: given(rules.optional("keepWithinDaily")),
        keep_within_weekly: given(rules.optional("keepWithinWeekly")),
        keep_within_monthly: given(rules.optional("keepWithinMonthly")),
        keep_within_yearly: given(rules.optional("keepWithinYearly")),
        min_keep: given(rules.count("minKeep")),
    };
    let unknown: Vec<String> = rules.unknown().take(super::MOST_UNKNOWN).collect();
    for name in unknown {
        rules.note(&name, "not a rule of retention", "take one of those that `apim-dr schema` prints");
    }
    fields.problems.append(&mut rules.problems);
    Ok(Some(retention))
}

/// A noted problem already stops the payload; what stands in its place does not matter.
fn given<T>(read: Read<Option<T>>) -> Option<T> {
    read.ok().flatten()
}
