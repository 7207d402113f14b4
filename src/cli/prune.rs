//! `apim-dr prune`: deletes the recovery points that no rule keeps, or says which they are.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    args::{Output, PlaceArgs},
    exit::{Exit, usage},
    place::{Place, places, policy, service, warn_unreadable, wrong},
    print, screen,
};
use crate::{
    app::App,
    domain::{Caller, ContainerRef, Credentials, Policy, ServiceName, Target, zone},
    payload,
    ports::Access,
    settings::Settings,
    workflows::{Outcome, Retirement, Shelf, hears_the_time, plan_retirement, retire},
};

/// What is asked for besides the place.
pub(super) struct Pruning {
    pub(super) dry_run: bool,
    pub(super) retention: Option<String>,
    pub(super) time_zone: Option<String>,
}

pub(super) async fn prune(
    app: &App,
    pruning: Pruning,
    args: &PlaceArgs,
    settings: &Settings,
    output: Output,
) -> anyhow::Result<Exit> {
    let given = given_policy(&pruning)?;
    if given.is_some() && service(args, settings)?.is_none() {
        return Err(usage(
            "--retention: add --name or --target: rules are for the recovery points of one instance",
        ));
    }
    let places = screen::waiting("reading the records", places(app, args, settings)).await?;
    let mut rows = Vec::new();
    for Place { container, services, access_key } in &places {
        for service in services {
            let Some(policy) = given.as_ref().or_else(|| policy(settings, service, container)) else {
                continue;
            };
            let shelf = Shelf { service, container, policy, access_key: access_key.as_ref() };
            let retirement = if pruning.dry_run {
                screen::waiting("looking at what there is", plan_retirement(app.ports(), shelf)).await?
            } else {
                hear_the_time(app, shelf, settings).await?;
                screen::waiting("deleting", retire(app.ports(), shelf, usize::MAX)).await?
            };
            warn_unreadable(&retirement.unreadable);
            rows.push((service.clone(), container.clone(), retirement));
        }
    }
    if rows.is_empty() {
        let remedy = "give a target a retention, or add --retention and --name";
        return Err(usage(format!("nothing has rules: {remedy}")));
    }
    match output {
        Output::Json => {
            let rows: Vec<_> = rows.iter().map(row_json).collect();
            print(&serde_json::to_string_pretty(&rows)?)?;
        }
        Output::Table => {
            let tables: Vec<_> = rows.iter().map(|row| table(row, pruning.dry_run)).collect();
            print(&tables.join("\n\n"))?;
        }
    }
    Ok(exit(rows.iter().map(|(.., retirement)| retirement)))
}

/// Processes agree on the time by Azure's; this one may not have heard it yet. Only that there is an answer counts, not
/// what it says.
async fn hear_the_time(app: &App, shelf: Shelf<'_>, settings: &Settings) -> anyhow::Result<()> {
    let of_service = |target: &&Target| target.plan.service.name.key() == shelf.service.key();
    let target = settings.targets.iter().find(of_service);
    let (caller, credentials) = target.map_or_else(
        || (Caller::App, Credentials::default()),
        |target| (target.plan.caller.clone(), target.credentials.clone()),
    );
    let points = app.ports().catalog.points(shelf.service, None).await;
    let id = target
        .map(|target| target.plan.service.clone())
        .or_else(|| Some(points.ok()?.points.into_iter().next()?.service));
    let Some(id) = id else { return Ok(()) };
    if hears_the_time(app.ports(), &id, &Access { caller, credentials }).await {
        return Ok(());
    }
    anyhow::bail!("nothing is deleted without Azure's time, which a restore goes by: it cannot be asked now")
}

fn given_policy(pruning: &Pruning) -> anyhow::Result<Option<Policy>> {
    let Some(text) = &pruning.retention else { return Ok(None) };
    let rules = payload::retention(text).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        usage(format!("--retention: {}", problems.join("; ")))
    })?;
    let time_zone = match &pruning.time_zone {
        Some(name) => zone::parse(name).map_err(|error| wrong("--time-zone", &error))?,
        None => TimeZone::UTC,
    };
    Ok(Some(Policy { rules, time_zone }))
}

type Row = (ServiceName, ContainerRef, Retirement);

fn table((service, container, retirement): &Row, dry_run: bool) -> String {
    let width = retirement.points.iter().map(|(point, _)| point.blob.name.as_str().chars().count());
    let width = width.max().unwrap_or_default();
    let mut text = format!("{service} in {container}");
    for (point, outcome) in &retirement.points {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {:width$}  {outcome}", point.blob.name.as_str());
    }
    if let Some(reason) = &retirement.halted {
        let _ = write!(text, "\n  nothing goes: {reason}");
    }
    let count = |wanted: &Outcome| retirement.points.iter().filter(|(_, outcome)| outcome == wanted).count();
    let points = retirement.points.len();
    let (counted, words) = if dry_run {
        (Outcome::ToGo, "would go; nothing was deleted")
    } else {
        (Outcome::Deleted, "deleted")
    };
    let _ = write!(text, "\n  {} of {points} {words}", count(&counted));
    text
}

fn row_json((service, container, retirement): &Row) -> Value {
    let points = retirement.points.iter().map(|(point, outcome)| {
        json!({ "id": point.id, "backupName": point.blob.name, "started": point.at, "outcome": word(outcome), "reason": outcome.to_string() })
    });
    json!({
        "instance": service,
        "storageAccount": container.account,
        "containerName": container.container,
        "halted": retirement.halted,
        "recoveryPoints": points.collect::<Vec<_>>(),
    })
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Kept(_) => "kept",
        Outcome::KeptForSafety => "keptForSafety",
        Outcome::ToGo => "toGo",
        Outcome::Deleted => "deleted",
        Outcome::KeptByLock { .. } => "keptByLock",
        Outcome::Shared { .. } => "shared",
        Outcome::Postponed { .. } => "postponed",
        Outcome::Gone => "gone",
        Outcome::Overwritten => "overwritten",
        Outcome::Unseen => "unseen",
    }
}

/// What a lock holds is as the rules want it; what could not be deleted is not.
fn exit<'a>(retirements: impl Iterator<Item = &'a Retirement> + Clone) -> Exit {
    if retirements.clone().any(|retirement| retirement.halted.is_some()) {
        return Exit::Failed;
    }
    let unreadable = retirements.clone().any(|retirement| !retirement.unreadable.is_empty());
    let postponed = retirements
        .flat_map(|retirement| &retirement.points)
        .any(|(_, outcome)| matches!(outcome, Outcome::Postponed { .. }));
    if postponed || unreadable { Exit::Partial } else { Exit::Ok }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BlobRef, Reason, RecoveryPoint, samples};

    fn row(outcomes: Vec<Outcome>) -> Row {
        let plan = samples::plan("sampleapim");
        let point = |(number, outcome)| {
            let blob = BlobRef { name: format!("b{number}").parse().unwrap(), ..plan.blob.clone() };
            let (id, service) = (samples::operation(plan.kind).id, plan.service.clone());
            let point = RecoveryPoint::adopted(id, service, blob, samples::seen("a"), samples::at(number));
            (point, outcome)
        };
        let points = (1..).zip(outcomes).map(point).collect();
        (plan.service.name.clone(), plan.blob.place(), Retirement { points, ..Retirement::default() })
    }

    fn postponed() -> Outcome {
        Outcome::Postponed { reason: "operation 7 restores from it".to_owned() }
    }

    #[test]
    fn what_went_and_what_stays_reads_as_a_table_with_a_reason_for_each() {
        let outcomes = vec![
            Outcome::Kept(vec![Reason::Last(2), Reason::NewestVerified]),
            Outcome::Deleted,
            Outcome::KeptByLock { reason: "a lease".to_owned() },
            Outcome::Shared { with: "sampleapim-standby".parse().unwrap() },
            postponed(),
            Outcome::Gone,
            Outcome::Overwritten,
            Outcome::Unseen,
        ];
        insta::assert_snapshot!(table(&row(outcomes), false), @r"
        sampleapim in apimdrstorage/backup
          b1  kept: last 2, newest verified
          b2  deleted: no rule keeps it
          b3  kept by lock: a lease
          b4  left alone: sampleapim-standby has backups under its name, too
          b5  no rule keeps it, but it stays for now: operation 7 restores from it
          b6  not in its container any more: somebody else deleted it
          b7  left alone: somebody else wrote another blob under its name
          b8  left alone: the container cannot be listed
          1 of 8 deleted
        ");
        let kept = || Outcome::Kept(vec![Reason::NewestVerified]);
        insta::assert_snapshot!(table(&row(vec![kept(), Outcome::ToGo]), true), @r"
        sampleapim in apimdrstorage/backup
          b1  kept: newest verified
          b2  no rule keeps it
          1 of 2 would go; nothing was deleted
        ");
        let (service, container, mut halted) = row(vec![kept()]);
        halted.halted = Some("the container cannot be listed: no right".to_owned());
        insta::assert_snapshot!(table(&(service, container, halted), false), @r"
        sampleapim in apimdrstorage/backup
          b1  kept: newest verified
          nothing goes: the container cannot be listed: no right
          0 of 1 deleted
        ");
    }

    #[test]
    fn only_what_should_have_gone_and_could_not_is_a_failure() {
        let locked = Outcome::KeptByLock { reason: "a lease".to_owned() };
        for (outcomes, expected) in [
            (vec![], Exit::Ok),
            (vec![Outcome::Deleted, locked, Outcome::Gone, Outcome::Overwritten], Exit::Ok),
            (vec![Outcome::Deleted, postponed()], Exit::Partial),
        ] {
            let (.., mut retirement) = row(outcomes);
            assert_eq!(exit([&retirement].into_iter()), expected, "{retirement:?}");
            retirement.halted = Some("no right".to_owned());
            assert_eq!(exit([&retirement].into_iter()), Exit::Failed, "{retirement:?}");
        }
    }
}
