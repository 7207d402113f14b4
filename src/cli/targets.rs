//! `apim-dr targets list`, `validate`.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;

use super::{
    args::{Output, TargetsCommand},
    exit::Exit,
    print,
};
use crate::{clock, domain::Target, settings::Settings};

pub(super) async fn run(command: TargetsCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let problems: Vec<_> = settings.schedule_problems().collect();
    for warning in settings.warnings.iter().filter(|warning| warning.starts_with("APIM_DR_TARGETS")) {
        eprintln!("warning: {warning}");
    }
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    let names: Vec<_> = settings.targets.iter().map(|target| target.name.as_str()).collect();
    match command {
        TargetsCommand::List { output: Output::Json } => {
            let now = clock::open(settings.clock.as_ref()).await?.now();
            let rows: Vec<_> = settings.targets.iter().map(|target| row(target, now)).collect();
            print(&serde_json::to_string_pretty(&rows)?)?;
        }
        TargetsCommand::List { output: Output::Table } if names.is_empty() => {
            print("no targets are configured")?;
        }
        TargetsCommand::List { output: Output::Table } => {
            let now = clock::open(settings.clock.as_ref()).await?.now();
            print(&table(&settings.targets, now))?;
        }
        TargetsCommand::Validate { output: Output::Json } => {
            print(&serde_json::to_string_pretty(&json!({ "targets": names, "problems": problems }))?)?;
        }
        TargetsCommand::Validate { output: Output::Table } if problems.is_empty() => {
            print(&match names.as_slice() {
                [] => "no targets are configured".to_owned(),
                names => format!("all is well with {}", names.join(", ")),
            })?;
        }
        TargetsCommand::Validate { output: Output::Table } => {}
    }
    Ok(if problems.is_empty() { Exit::Ok } else { Exit::Usage })
}

fn row(target: &Target, now: Timestamp) -> serde_json::Value {
    let next = target.schedule.next(now);
    let drill = target.drill.as_ref();
    let drills = drill.and_then(|drill| drill.schedule.as_ref());
    json!({
        "name": target.name,
        "service": target.plan.service.to_string(),
        "schedule": target.schedule.to_string(),
        "timeZone": target.zone.iana_name(),
        "next": next,
        "blob": next.map(|next| target.scheduled(next, None).blob.to_string()),
        "rpo": target.rpo,
        "standby": target.standby.as_ref().map(ToString::to_string),
        "drill": drill.map(|drill| drill.service.to_string()),
        "drillSchedule": drills.map(ToString::to_string),
        "nextDrill": drills.and_then(|schedule| schedule.next(now)),
    })
}

fn table(targets: &[Target], now: Timestamp) -> String {
    let mut text =
        format!("{:20}  {:20}  {:22}  {:20}  {}", "NAME", "INSTANCE", "SCHEDULE (UTC)", "NEXT", "BLOB");
    for target in targets {
        let Target { name, schedule, plan, .. } = target;
        // Every schedule fires again, until far beyond any clock.
        let Some(next) = schedule.next(now) else { continue };
        let (instance, blob) = (plan.service.name.as_str(), target.scheduled(next, None).blob);
        // Writing to a string does not fail.
        let _ = write!(text, "\n{:20}  {instance:20}  {schedule:22}  {next}  {blob}", name.as_str());
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::{Credentials, NameSuffix, samples::plan};

    #[test]
    fn targets_read_as_a_table() {
        let target = |name: &str, schedule: &str| Target {
            name: name.parse().unwrap(),
            schedule: schedule.parse().unwrap(),
            zone: TimeZone::get("Pacific/Auckland").unwrap(),
            suffix: NameSuffix::default(),
            plan: plan("sampleapim"),
            credentials: Credentials::default(),
            rpo: jiff::SignedDuration::from_hours(26),
            standby: None,
            drill: None,
        };
        let targets = [target("primary", "0 0 1 * * *"), target("eu-west", "0 30 2,14 * * MON-FRI")];
        insta::assert_snapshot!(table(&targets, "2026-11-22T01:00:00Z".parse().unwrap()), @r"
        NAME                  INSTANCE              SCHEDULE (UTC)          NEXT                  BLOB
        primary               sampleapim            0 0 1 * * *             2026-11-23T01:00:00Z  apimdrstorage/backup/apimbackup_20261123
        eu-west               sampleapim            0 30 2,14 * * MON-FRI   2026-11-23T02:30:00Z  apimdrstorage/backup/apimbackup_20261123
        ");
    }
}
