//! `apim-dr status`: how it stands with the targets, by the records alone.

use std::{
    fmt::Write as _,
    io::{IsTerminal as _, stdout},
    sync::Arc,
    time::Duration,
};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    args::{Output, StatusArgs},
    exit::Exit,
    open, place, print, print_as_it_is, screen,
};
use crate::{
    app::App,
    domain::{
        Condition, DrillReport, Health, Level, Phase, PointReport, Progress, ReadinessVerdict, Report, Run,
        StandbyReport, TargetReport, in_words, shown,
    },
    settings::Settings,
    view::story::time,
};

/// How often a watch looks.
const PAUSE: Duration = Duration::from_secs(5);
/// How many runs of one target are shown.
const RUNS: usize = 10;

pub(super) async fn status(args: &StatusArgs, settings: &Settings) -> anyhow::Result<Exit> {
    if let Some(name) = &args.target {
        place::target(settings, name)?;
    }
    let app = open(settings).await?;
    if !args.watch {
        return show(&app, args).await;
    }
    loop {
        // What cannot be read now may be in a moment.
        tokio::select! {
            shown = async {
                if stdout().is_terminal() {
                    // The cursor goes home and what was there is cleared.
                    print_as_it_is("\x1b[H\x1b[2J")?;
                }
                show(&app, args).await
            } => {
                if let Err(error) = shown {
                    eprintln!("error: {error:#}");
                }
            }
            signal = tokio::signal::ctrl_c() => {
                signal?;
                return Ok(Exit::Interrupted);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            signal = tokio::signal::ctrl_c() => {
                signal?;
                return Ok(Exit::Interrupted);
            }
        }
    }
}

async fn show(app: &App, args: &StatusArgs) -> anyhow::Result<Exit> {
    let mut report = Arc::unwrap_or_clone(screen::waiting("reading the records", app.report()).await?);
    if let Some(name) = &args.target {
        report.targets.retain(|target| target.name.as_str() == name);
        report.conditions.clear();
        report.health = report.targets.iter().map(|target| target.health).max().unwrap_or(Health::Ok);
    }
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&report)?)?,
        Output::Table => print_as_it_is(&text(&report, args.target.is_some(), &|| Table::new()))?,
    };
    Ok(if report.health == Health::Ok { Exit::Ok } else { Exit::Differs })
}

/// The report in words. `table` makes an empty one: of a terminal it has the width and the colours.
fn text(report: &Report, whole: bool, table: &dyn Fn() -> Table) -> String {
    let mut text = format!("{}, as of {}", report.health, time(report.at));
    if report.targets.is_empty() && report.conditions.is_empty() {
        text += "\n\nno targets are configured: set APIM_DR_TARGETS";
        return text;
    }
    let mut overview = plain(table);
    overview.set_header(
        ["TARGET", "HEALTH", "NEWEST VERIFIED", "AGE", "RPO", "NEXT RUN", "NOW"]
            .map(|name| Cell::new(name).add_attribute(Attribute::Bold)),
    );
    for target in &report.targets {
        overview.add_row(row(target));
    }
    if !report.targets.is_empty() {
        let _ = write!(text, "\n\n{}", lines(&overview));
    }
    let of_app = (!report.conditions.is_empty()).then(|| ("the app".to_owned(), &report.conditions));
    let of_targets = report.targets.iter().filter(|target| !target.conditions.is_empty());
    let of_targets = of_targets.map(|target| (target.name.to_string(), &target.conditions));
    for (name, conditions) in of_app.into_iter().chain(of_targets) {
        let mut told = plain(table);
        for condition in conditions {
            told.add_row(condition_row(condition));
        }
        let _ = write!(text, "\n\n{name} is {}:\n{}", Health::of(conditions), lines(&told));
    }
    if whole {
        text.extend(report.targets.iter().map(|target| format!("\n\n{}", details(target, table))));
    }
    text
}

fn plain(table: &dyn Fn() -> Table) -> Table {
    let mut table = table();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn row(target: &TargetReport) -> Vec<Cell> {
    let colour = match target.health {
        Health::Ok => Color::Green,
        Health::AtRisk => Color::Yellow,
        Health::Failing => Color::Red,
    };
    let none = || "none".to_owned();
    let newest = target.newest.as_ref();
    let now = target
        .in_progress
        .first()
        .map(|open| format!("{} {}, {}", open.kind, open.phase, seconds(open.elapsed_seconds)));
    vec![
        Cell::new(target.name.as_str()),
        Cell::new(target.health).fg(colour),
        Cell::new(shown(&newest.map_or_else(none, |point| point.backup.to_string()))),
        Cell::new(newest.map_or_else(none, |point| seconds(point.age_seconds))),
        Cell::new(seconds(target.rpo_seconds)),
        Cell::new(target.next_run.map_or_else(none, minute)),
        Cell::new(now.unwrap_or_default()),
    ]
}

fn condition_row(condition: &Condition) -> Vec<Cell> {
    let colour = if condition.level == Level::Critical { Color::Red } else { Color::Yellow };
    vec![
        Cell::new(condition.level.as_str()).fg(colour),
        Cell::new(shown(&format!("{}: {}\n-> {}", condition.code, condition.text, condition.remedy))),
    ]
}

/// What the table has no room for.
fn details(target: &TargetReport, table: &dyn Fn() -> Table) -> String {
    let mut facts = plain(table);
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.add_row([name, &shown(&value)]);
        }
    };
    fact("instance", Some(target.service.name.to_string()));
    fact("container", Some(target.container.to_string()));
    fact("schedule", Some(target.schedule.to_string()));
    fact("restorable", target.newest.as_ref().map(restorable));
    let points = target.points;
    fact("points", Some(format!("{} restorable, {} unverified", points.restorable, points.unverified)));
    fact("takes", target.median_seconds.map(|median| format!("{} (median)", seconds(median))));
    for open in &target.in_progress {
        fact("open", Some(in_progress(open)));
    }
    if let Some(failure) = &target.last_failure {
        let words = [
            Some(format!("{} of {}: {}", failure.kind, time(failure.at), failure.text)),
            failure.cause.as_ref().map(|cause| format!("cause: {cause}")),
            failure.remedy.as_ref().map(|remedy| format!("-> {remedy}")),
        ];
        fact("last failure", Some(words.into_iter().flatten().collect::<Vec<_>>().join("\n")));
    }
    fact("standby", target.standby.as_ref().map(standby));
    fact("drill", target.drill.as_ref().map(drill));
    fact(
        "missed",
        (!target.missed.is_empty())
            .then(|| format!("{} in 30 days, the last {}", target.missed.len(), time(target.missed[0]))),
    );
    for finding in target.check.iter().flat_map(|check| &check.findings) {
        fact("finding", Some(format!("{finding}\n-> {}", finding.remedy)));
    }
    let mut text = lines(&facts);
    if !target.history.is_empty() {
        let mut runs = plain(table);
        // What somebody may want to copy is never broken.
        runs.set_content_arrangement(ContentArrangement::Disabled);
        runs.set_header(
            ["ENDED", "KIND", "PHASE", "TOOK", "OPERATION"]
                .map(|name| Cell::new(name).add_attribute(Attribute::Bold)),
        );
        runs.add_rows(target.history.iter().take(RUNS).map(run_row));
        let _ = write!(text, "\n\n{}", lines(&runs));
        if target.history.len() > RUNS {
            let _ = write!(text, "\n and {} more in 30 days", target.history.len() - RUNS);
        }
    }
    text
}

fn restorable(point: &PointReport) -> String {
    format!(
        "until {}, {} bytes, operation {}",
        time(point.restorable_until),
        point.size_bytes,
        point.operation
    )
}

fn in_progress(open: &Progress) -> String {
    let end = open.expected_end.map(|end| format!(", expected to end {}", time(end))).unwrap_or_default();
    format!(
        "{} of {} {}; {}{end}; operation {}",
        open.kind,
        open.service,
        open.stands,
        seconds(open.elapsed_seconds),
        open.id
    )
}

fn standby(standby: &StandbyReport) -> String {
    let verdict = match standby.readiness.as_ref().map(|readiness| readiness.verdict) {
        None => "nobody could tell yet",
        Some(ReadinessVerdict::Ready) => "ready",
        Some(ReadinessVerdict::AtRisk) => "at risk",
        Some(ReadinessVerdict::NotReady) => "not ready",
    };
    let reasons = standby.readiness.iter().flat_map(|readiness| &readiness.reasons);
    let told = format!("{}: {verdict}", standby.service.name);
    reasons.fold(told, |told, reason| format!("{told}\n{}\n-> {}", reason.text, reason.remedy))
}

fn drill(drill: &DrillReport) -> String {
    let last = drill
        .last
        .as_ref()
        .map_or_else(|| "none yet".to_owned(), |run| format!("the last {} {}", run.phase, time(run.closed)));
    let rto = drill.rto_seconds.map(|rto| format!(", RTO {}", seconds(rto))).unwrap_or_default();
    let next = drill.next.map(|next| format!(", the next {}", time(next))).unwrap_or_default();
    format!("in {}: {last}{rto}{next}", drill.service.name)
}

fn run_row(run: &Run) -> Vec<Cell> {
    let colour = match run.phase {
        Phase::Succeeded => Color::Green,
        Phase::Failed => Color::Red,
        _ => Color::Yellow,
    };
    vec![
        Cell::new(time(run.closed)),
        Cell::new(run.kind),
        Cell::new(run.phase).fg(colour),
        Cell::new(run.took_seconds().map(seconds).unwrap_or_default()),
        Cell::new(run.id),
    ]
}

/// Short enough for a narrow terminal.
fn minute(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%MZ").to_string()
}

fn seconds(seconds: i64) -> String {
    in_words(SignedDuration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::samples;

    /// A terminal of so many columns, without colours.
    fn of_width(width: u16) -> impl Fn() -> Table {
        move || {
            let mut table = Table::new();
            table.force_no_tty().set_width(width);
            table
        }
    }

    #[test]
    fn all_targets_are_told_in_a_table_and_what_is_wrong_with_each() {
        assert_snapshot!(text(&samples::report(), false, &of_width(120)), @r#"
        failing, as of 2026-11-22T12:00:00Z

         TARGET       HEALTH   NEWEST VERIFIED                AGE       RPO       NEXT RUN           NOW
         primary      ok       sampleapim-20261122T010000Z    11 hours  26 hours  2026-11-23 01:00Z
         shop-europe  at risk  contoso/"><script>alert(1)</s  2 days    3 days    2026-11-23 01:00Z  backup Running, 60 minutes
                               cript>&'[U+202E].apimbackup
         legacy       failing  none                           none      26 hours  2026-11-23 01:00Z

        the app is at risk:
         warning  records.corrupt: <script>alert(1)</script> "a" & 'b' [U+202E]txt.exe
                  -> <script>alert(1)</script> "a" & 'b' [U+202E]txt.exe

        shop-europe is at risk:
         warning  rpo: the newest verified recovery point, contoso/"><script>alert(1)</script>&'[U+202E].apimbackup, is 2 days
                  old, of 3 days at most (RPO)
                  -> take a backup now: apim-dr backup --target shop-europe
         warning  backup.failed: the last backup failed: <script>alert(1)</script> "a" & 'b' [U+202E]txt.exe
                  -> <script>alert(1)</script> "a" & 'b' [U+202E]txt.exe
         warning  blocked.account.key: the next backup cannot work: <script>alert(1)</script> "a" & 'b' [U+202E]txt.exe
                  -> <script>alert(1)</script> "a" & 'b' [U+202E]txt.exe

        legacy is failing:
         critical  rpo: there is no verified recovery point: nothing can be restored that somebody has seen
                   -> take a backup now: apim-dr backup --target legacy
         warning   backup.missed: 30 backups that were due have not succeeded: the first at 2026-10-24T01:00:00Z, the last at
                   2026-11-22T01:00:00Z
                   -> see whether the app runs: its timer, or apim-dr serve; then what the operations say: apim-dr operations
                   list
         warning   records.corrupt: <script>alert(1)</script> "a" & 'b' [U+202E]txt.exe
                   -> find out who wrote it: a newer version of apim-dr, or another program; what it is about is left alone
                   until it can be read
        "#);
    }

    #[test]
    fn one_target_is_told_whole_on_a_narrow_terminal() {
        let mut report = samples::report();
        report.targets.truncate(1);
        report.conditions.clear();
        assert_snapshot!(text(&report, true, &of_width(60)), @r"
        failing, as of 2026-11-22T12:00:00Z

         TARGET   HEALTH  NEWEST    AGE       RPO      NEXT     NOW
                          VERIFIED                     RUN
         primary  ok      sampleap  11 hours  26       2026-11
                          im-20261            hours    -23
                          122T0100                     01:00Z
                          00Z

         instance    sampleapim
         container   apimdrstorage/backup
         schedule    0 0 1 * * *
         restorable  until 2026-12-22T01:00:00Z, 5242880 bytes,
                     operation 01a200c4-6280-7000-8000-000000000000
         points      30 restorable, 1 unverified
         takes       39 minutes (median)
         standby     sampleapim-standby: ready
         drill       in sampleapim-drill: the last Succeeded
                     2026-11-18T08:42:00Z, RTO 42 minutes, the next
                     2026-11-25T01:00:00Z

         ENDED                 KIND    PHASE      TOOK        OPERATION
         2026-11-22T01:35:00Z  backup  Succeeded  34 minutes  01a200c4-6280-7000-8000-000000000000
         2026-11-21T01:42:00Z  backup  Succeeded  41 minutes  01a1fb9e-0680-7000-8000-000000000000
         2026-11-20T01:38:00Z  backup  Succeeded  37 minutes  01a1f677-aa80-7000-8000-000000000000
         2026-11-19T01:45:00Z  backup  Succeeded  44 minutes  01a1f151-4e80-7000-8000-000000000000
         2026-11-18T08:42:00Z  drill   Succeeded  41 minutes  01a1edab-7800-7000-8000-000000000003
         2026-11-18T01:41:00Z  backup  Succeeded  40 minutes  01a1ec2a-f280-7000-8000-000000000000
         2026-11-17T01:37:00Z  backup  Succeeded  36 minutes  01a1e704-9680-7000-8000-000000000000
         2026-11-16T01:44:00Z  backup  Succeeded  43 minutes  01a1e1de-3a80-7000-8000-000000000000
         2026-11-15T01:40:00Z  backup  Succeeded  39 minutes  01a1dcb7-de80-7000-8000-000000000000
         2026-11-14T01:36:00Z  backup  Succeeded  35 minutes  01a1d791-8280-7000-8000-000000000000
         and 21 more in 30 days
        ");
    }

    #[test]
    fn a_terminal_shows_colours_and_nothing_else_does() {
        let plain = text(&samples::report(), true, &of_width(120));
        assert!(!plain.contains('\u{1b}'));
        let coloured = || {
            let mut table = Table::new();
            table.enforce_styling().set_width(120);
            table
        };
        assert!(text(&samples::report(), true, &coloured).contains('\u{1b}'));
    }

    #[test]
    fn without_targets_it_says_what_to_set() {
        let report =
            Report { targets: Vec::new(), conditions: Vec::new(), health: Health::Ok, ..samples::report() };
        assert_snapshot!(text(&report, false, &of_width(120)), @r"
        ok, as of 2026-11-22T12:00:00Z

        no targets are configured: set APIM_DR_TARGETS
        ");
    }
}
