//! The configured targets: a JSON array with the payload's own field names, a name, and a schedule.

use jiff::{SignedDuration, tz::TimeZone};

use super::{
    MOST_UNKNOWN, Problem, StartPolicy,
    disaster::{Disaster, Kept, objection},
    fields::{Fields, Noted, Read, Variables},
    json::{self, Json},
    options::Options,
    order,
};
use crate::domain::{Kind, NameSuffix, Policy, Schedule, Target, TargetName, zone};

/// What targets have that do not say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    /// `None`: its own problem is told elsewhere, and who would need it is passed over.
    pub schedule: Option<&'a Schedule>,
    /// How old a newest verified recovery point may be.
    pub rpo: SignedDuration,
}

/// The targets that could be read, and what is wrong with the others.
#[derive(Debug, Default)]
pub struct Targets {
    pub targets: Vec<Target>,
    /// Their fields begin with the element: `targets[2] (eu-west).accessKey`.
    pub problems: Vec<Problem>,
    pub warnings: Vec<String>,
}

/// Reads the targets. Secrets may be given as `env:NAME`. What `policy` does not let begin is a problem.
pub fn parse(text: &[u8], defaults: Defaults<'_>, policy: &StartPolicy, variables: Variables) -> Targets {
    let mut read = Targets::default();
    let items = json::array(text).unwrap_or_else(|problem| {
        read.problems.push(problem);
        Vec::new()
    });
    // With its place, for whoever is told of two that are alike.
    let mut good: Vec<(String, Target)> = Vec::new();
    let mut kept = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let place = format!("targets[{at}]");
        let Json::Object(entries) = item else {
            let detail = format!("{} where an object belongs", item.what());
            let remedy = "write one object in { } for each target".to_owned();
            read.problems.push(Problem { field: Some(place), detail, remedy });
            continue;
        };
        let mut fields = Fields::referring(entries, variables);
        let name = fields.required("name");
        let place = name.as_ref().map_or(place.clone(), |name: &TargetName| format!("{place} ({name})"));
        kept.push(Kept::of(&place, &fields));
        let target = target(name, defaults, policy, &mut fields);
        let field = |name: Option<String>| Some(name.map_or(place.clone(), |name| format!("{place}.{name}")));
        let problems = fields.problems.into_iter();
        read.problems.extend(problems.map(|problem| Problem { field: field(problem.field), ..problem }));
        read.warnings.extend(fields.warnings.into_iter().map(|warning| format!("{place}.{warning}")));
        if let Ok(target) = target {
            read.problems.extend(good.iter().filter_map(|(other, good)| alike(&target, &place, good, other)));
            good.push((place, target));
        }
    }
    for (place, target) in &mut good {
        let problem = target.drill.as_ref().and_then(|drill| objection(drill, place, &kept));
        if let Some(problem) = problem {
            // It is backed up all the same.
            target.drill = None;
            read.problems.push(problem);
        }
    }
    read.targets = good.into_iter().map(|(_, target)| target).collect();
    read
}

fn target(
    name: Read<TargetName>,
    defaults: Defaults<'_>,
    policy: &StartPolicy,
    fields: &mut Fields,
) -> Read<Target> {
    let schedule = fields.optional("schedule");
    let zone = fields.checked("timeZone", zone::parse);
    let suffix = fields.optional::<NameSuffix>("nameSuffix");
    let order = order::read(Kind::Backup, policy, &Ok(None), fields);
    if let (Ok((plan, _)), Ok(suffix)) = (&order, &suffix)
        && let Err(error) = suffix.clone().unwrap_or_default().check(plan)
    {
        let (name, detail) = match suffix {
            Some(_) => ("nameSuffix", "makes no name of a blob with this backupName"),
            None => ("backupName", "too long for a backup with its date"),
        };
        fields.note(name, detail, error.remedy);
    }
    let options = Options::read(Kind::Backup, Ok(None), fields);
    if options.callback_url.is_some() {
        let remedy = "leave it out; who is told of scheduled backups is in APIM_DR_NOTIFY";
        fields.note("callbackUrl", "belongs to one request", remedy);
    }
    let disaster = match (Disaster::read(fields), &order) {
        (Ok(disaster), Ok((plan, _))) => disaster.of(&plan.service, defaults.rpo, fields),
        _ => Err(Noted),
    };
    // A schedule that was passed over for its spelling would not be missed before it was needed.
    let unknown: Vec<String> = fields.unknown().take(MOST_UNKNOWN).collect();
    for name in unknown {
        fields.note(
            &name,
            "not a field of a target",
            "take one of those that `apim-dr schema --targets` prints",
        );
    }
    let (mut plan, credentials) = order?;
    let (rpo, standby, drill) = disaster?;
    let zone = zone?.unwrap_or(TimeZone::UTC);
    plan.ignore = options.ignore;
    plan.retention = options.retention.map(|rules| Policy { rules, time_zone: zone.clone() });
    let target = Target {
        name: name?,
        schedule: schedule?.or_else(|| defaults.schedule.cloned()).ok_or(Noted)?,
        zone,
        suffix: suffix?.unwrap_or_default(),
        plan,
        credentials,
        rpo,
        standby,
        drill,
    };
    if fields.problems.is_empty() { Ok(target) } else { Err(Noted) }
}

/// What two targets must not have in common.
fn alike(target: &Target, place: &str, other: &Target, elsewhere: &str) -> Option<Problem> {
    let (field, detail, remedy) = if target.name == other.name {
        (format!("{place}.name"), format!("the name of {elsewhere}, too"), "give each target its own name")
    } else if target.overwrites(other) {
        let detail = format!("names its backups as {elsewhere} does, in the same account and container");
        (
            place.to_owned(),
            detail,
            "give one of the two another backupName, or their backups overwrite each other",
        )
    } else if target.plan.retention != other.plan.retention
        && target.plan.service.name.key() == other.plan.service.name.key()
        && target.plan.blob.place() == other.plan.blob.place()
    {
        (
            format!("{place}.retention"),
            format!("not that of {elsewhere}, though both back up the same instance to the same container"),
            "give both the same, or one another container: rules are for all recovery points of an instance in a container",
        )
    } else {
        return None;
    };
    Some(Problem { field: Some(field), detail, remedy: remedy.to_owned() })
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
