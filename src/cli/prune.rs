//! `apim-dr prune`: deletes the recovery points that no rule keeps, or says which they are.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    args::{Output, PlaceArgs},
    exit::{Exit, usage},
    place::{Place, places, policy, service, warn_unreadable, wrong},
    print,
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
    let places = places(app, args, settings).await?;
    let mut rows = Vec::new();
    for Place { container, services, access_key } in &places {
        for service in services {
            let Some(policy) = given.as_ref().or_else(|| policy(settings, service, container)) else {
                continue;
            };
            let shelf = Shelf { service, container, policy, access_key: access_key.as_ref() };
            let retirement = if pruning.dry_run {
                plan_retirement(app.ports(), shelf).await?
            } else {
                hear_the_time(app, shelf, settings).await?;
                retire(app.ports(), shelf, usize::MAX).await?
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
