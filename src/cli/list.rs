//! `apim-dr list`, `show`: recovery points, and what else lies in their containers.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    args::{Output, PlaceArgs},
    exit::Exit,
    place::{Place, is_named, places, policy, warn_unreadable},
    print, screen,
};
use crate::{
    app::App,
    domain::{ContainerRef, RecoveryPoint, recognise},
    ports::Listed,
    settings::Settings,
    view::story::time,
    workflows::{Item, Outcome, Stock, Whereabouts, judge, take_stock},
};

/// How many blobs of others a table shows.
const SHOWN: usize = 20;

/// What is known of one container.
struct Shown {
    container: ContainerRef,
    stock: Stock,
    /// For each point what its policy says; `None`: there is none.
    outcomes: Vec<Option<Outcome>>,
}

pub(super) async fn list(
    app: &App,
    args: &PlaceArgs,
    settings: &Settings,
    output: Output,
) -> anyhow::Result<Exit> {
    let places = screen::waiting("reading the records", places(app, args, settings)).await?;
    let mut shown = Vec::new();
    for place in &places {
        shown.push(screen::waiting("looking at what there is", look(app, place, settings)).await?);
    }
    let now = app.ports().azure.now();
    match output {
        Output::Json => {
            let rows: Vec<_> = shown.iter().map(|shown| container_json(shown, now)).collect();
            print(&serde_json::to_string_pretty(&rows)?)
        }
        Output::Table if shown.is_empty() => {
            print("no recovery points are recorded, and no targets configured")
        }
        Output::Table => {
            let tables: Vec<_> = shown.iter().map(|shown| table(shown, now)).collect();
            print(&tables.join("\n\n"))
        }
    }
}

pub(super) async fn show(
    app: &App,
    name: &str,
    args: &PlaceArgs,
    settings: &Settings,
    output: Output,
) -> anyhow::Result<Exit> {
    let places = screen::waiting("reading the records", places(app, args, settings)).await?;
    let now = app.ports().azure.now();
    let mut rows = Vec::new();
    for place in &places {
        let shown = screen::waiting("looking at what there is", look(app, place, settings)).await?;
        for (item, outcome) in shown.stock.items.iter().zip(&shown.outcomes) {
            if is_named(&item.point, name) {
                rows.push(match output {
                    Output::Json => serde_json::to_string_pretty(&point_json(item, outcome.as_ref(), now))?,
                    Output::Table => story(item, outcome.as_ref(), now),
                });
            }
        }
    }
    if rows.is_empty() {
        eprintln!("error: no recovery point that stands has this name; see what there is: apim-dr list");
        return Ok(Exit::NotFound);
    }
    print(&rows.join("\n\n"))
}

async fn look(app: &App, place: &Place, settings: &Settings) -> anyhow::Result<Shown> {
    let Place { container, services, access_key } = place;
    let stock = take_stock(app.ports(), services, container, access_key.as_ref()).await?;
    warn_unreadable(&stock.unreadable);
    let now = app.ports().azure.now();
    let mut outcomes = Vec::new();
    // The points come service by service.
    for items in stock.items.chunk_by(|a, b| a.point.service.name.key() == b.point.service.name.key()) {
        match policy(settings, &items[0].point.service.name, container) {
            Some(policy) => outcomes.extend(judge(items, policy, now).into_iter().map(Some)),
            None => outcomes.extend(items.iter().map(|_| None)),
        }
    }
    Ok(Shown { container: container.clone(), stock, outcomes })
}

fn table(shown: &Shown, now: Timestamp) -> String {
    let Shown { container, stock, outcomes } = shown;
    let names = stock.items.iter().map(|item| item.point.blob.name.as_str());
    let names = names.chain(stock.strangers.iter().take(SHOWN).map(|blob| blob.name.as_str()));
    let width = names.map(|name| name.chars().count()).max().unwrap_or_default().clamp(4, 60);
    let instances = stock.items.iter().map(|item| item.point.service.name.as_str().len());
    let instance = instances.max().unwrap_or_default().max(8);
    let mut text = format!("{container}\n");
    if let Some(reason) = &stock.unlisted {
        let _ = writeln!(text, "  cannot be listed: {reason}");
    }
    let _ = write!(
        text,
        "{:width$}  {:instance$}  {:>5}  {:>8}  {:9}  {:20}  {:11}  KEPT BECAUSE",
        "NAME", "INSTANCE", "AGE", "SIZE", "TIER", "RESTORABLE UNTIL", "VERIFIED"
    );
    for (item, outcome) in stock.items.iter().zip(outcomes) {
        let RecoveryPoint { blob, service, at, tier, .. } = &item.point;
        let (name, service) = (blob.name.as_str(), service.name.as_str());
        let seen = item.seen().or_else(|| item.point.verification.seen());
        let size = seen.map_or_else(|| "-".to_owned(), |seen| bytes(seen.size));
        let tier = tier.as_ref().map_or("-", |tier| tier.0.as_str());
        let until = until(&item.point, now);
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n{name:width$}  {service:instance$}  {:>5}  {size:>8}  {tier:9}  {until:20}  {:11}  {}",
            age(now.duration_since(*at)),
            verified(item),
            because(outcome.as_ref()),
        );
    }
    if stock.items.is_empty() {
        text.push_str("\nno recovery points");
    }
    if stock.strangers_count > 0 {
        let count = stock.strangers_count;
        let _ =
            write!(text, "\n\nNot ours, and never deleted unless adopted (apim-dr catalog adopt): {count}");
        for Listed { name, seen } in stock.strangers.iter().take(SHOWN) {
            let age = seen.modified.map_or_else(|| "-".to_owned(), |at| age(now.duration_since(at)));
            let _ = write!(
                text,
                "\n{name:width$}  {:instance$}  {age:>5}  {:>8}  {}",
                "-",
                bytes(seen.size),
                whose(name)
            );
        }
        if count > SHOWN {
            let _ = write!(text, "\nand {} more: -o json shows up to 1,000", count - SHOWN);
        }
    }
    text
}

fn story(item: &Item, outcome: Option<&Outcome>, now: Timestamp) -> String {
    let RecoveryPoint { id, service, blob, at, tier, evidence, verification, .. } = &item.point;
    let mut text = format!("{blob}\n  service      {service}");
    let mut line = |name: &str, value: String| {
        let _ = write!(text, "\n  {name:11}  {value}");
    };
    line("started", format!("{}, {} ago", time(*at), age(now.duration_since(*at))));
    let until = until(&item.point, now);
    line("restorable", if item.point.is_expired(now) { until } else { format!("until {until}") });
    if let Some(tier) = tier {
        line("tier", format!("{}, and restores only into a service of this tier", tier.0));
    }
    line(
        "blob",
        match &item.blob {
            Whereabouts::There(_) => "there".to_owned(),
            Whereabouts::Overwritten(_) => "there, but written by somebody else since".to_owned(),
            Whereabouts::Gone => "not in its container any more".to_owned(),
            Whereabouts::Unknown => "not known: the container cannot be listed".to_owned(),
        },
    );
    if let Some(seen) = item.seen().or_else(|| verification.seen()) {
        line("size", format!("{} ({} bytes)", bytes(seen.size), seen.size));
        line("ETag", seen.e_tag.clone());
        if let Some(md5) = &seen.md5 {
            line("Content-MD5", md5.clone());
        }
    }
    line("verified", verification.doubt().map_or_else(|| "yes".to_owned(), |reason| format!("no: {reason}")));
    match evidence {
        Some(_) => line("operation", format!("{id}; its story: apim-dr operations show {id}")),
        None => line("adopted", format!("as {id}")),
    }
    if let Some(outcome) = outcome {
        line("retention", outcome.to_string());
    }
    text
}

fn container_json(shown: &Shown, now: Timestamp) -> Value {
    let Shown { container, stock, outcomes } = shown;
    let points = stock.items.iter().zip(outcomes);
    let strangers = stock.strangers.iter().map(|Listed { name, seen }| {
        json!({
            "name": name, "size": seen.size, "modified": seen.modified,
            "producer": recognise(name).map(|foreign| foreign.producer),
        })
    });
    json!({
        "storageAccount": container.account,
        "containerName": container.container,
        "unlisted": stock.unlisted,
        "recoveryPoints": points.map(|(item, outcome)| point_json(item, outcome.as_ref(), now)).collect::<Vec<_>>(),
        "notOurs": strangers.collect::<Vec<_>>(),
        "notOursCount": stock.strangers_count,
    })
}

fn point_json(item: &Item, outcome: Option<&Outcome>, now: Timestamp) -> Value {
    let RecoveryPoint { id, service, blob, at, tier, evidence, verification, .. } = &item.point;
    let seen = item.seen().or_else(|| verification.seen());
    json!({
        "id": id,
        "instance": service.name,
        "service": service.to_string(),
        "storageAccount": blob.account,
        "containerName": blob.container,
        "backupName": blob.name,
        "started": at,
        "ageSeconds": now.duration_since(*at).as_secs(),
        "size": seen.map(|seen| seen.size),
        "eTag": seen.map(|seen| &seen.e_tag),
        "contentMd5": seen.and_then(|seen| seen.md5.as_ref()),
        "tier": tier,
        "restorableUntil": item.point.expires(),
        "expired": item.point.is_expired(now),
        "blob": match item.blob {
            Whereabouts::There(_) => "there",
            Whereabouts::Overwritten(_) => "overwritten",
            Whereabouts::Gone => "gone",
            Whereabouts::Unknown => "unknown",
        },
        "verified": item.point.is_verified(),
        "unverifiedBecause": verification.doubt(),
        "evidence": evidence,
        "adopted": evidence.is_none(),
        "retention": outcome.map(ToString::to_string),
    })
}

fn until(point: &RecoveryPoint, now: Timestamp) -> String {
    if point.is_expired(now) { "expired".to_owned() } else { time(point.expires()) }
}

fn verified(item: &Item) -> &'static str {
    match (&item.blob, item.point.is_verified()) {
        (Whereabouts::Gone, _) => "gone",
        (Whereabouts::Overwritten(_), _) => "overwritten",
        (_, true) => "yes",
        (_, false) => "no",
    }
}

fn because(outcome: Option<&Outcome>) -> String {
    match outcome {
        None => "no policy".to_owned(),
        Some(Outcome::Kept(reasons)) => {
            reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        Some(Outcome::ToGo) => "nothing: the next pruning deletes it".to_owned(),
        Some(other) => other.to_string(),
    }
}

fn whose(name: &str) -> String {
    recognise(name).map_or_else(|| "unknown".to_owned(), |foreign| format!("like {}", foreign.producer))
}

/// A length of time in its largest unit.
pub(super) fn age(age: SignedDuration) -> String {
    let minutes = age.as_mins().max(0);
    match minutes {
        0..=119 => format!("{minutes}m"),
        120..=2879 => format!("{}h", minutes / 60),
        _ => format!("{}d", minutes / (24 * 60)),
    }
}

/// A size in its largest unit, by powers of 1,024.
fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut rest = size;
    let mut unit = 0;
    while rest >= 10 * 1024 && unit + 1 < UNITS.len() {
        rest /= 1024;
        unit += 1;
    }
    format!("{rest} {}", UNITS[unit])
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
