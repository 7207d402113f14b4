//! The bars: how far a length has come, and many lengths side by side.

use askama::Template;

use super::words::{length, size, tone};
use crate::domain::{Health, Phase, PointSize, Progress, RunKind, TargetReport};

/// A part of a whole.
#[derive(Debug, Template)]
#[template(path = "gauge.html")]
pub(super) struct Gauge {
    tone: &'static str,
    title: String,
    desc: Option<String>,
    /// Of 100.
    filled: i64,
    /// Where the whole ends that should not be passed; of 100.
    mark: i64,
}

impl Gauge {
    /// The age of the newest recovery point against the RPO.
    pub(super) fn age(target: &TargetReport) -> Option<Self> {
        let newest = target.newest.as_ref()?;
        let health = target.conditions.iter().find(|condition| condition.code == "rpo");
        let health = health.map_or(Health::Ok, |condition| condition.level.health());
        let (age, rpo) = (newest.age_seconds.max(0), target.rpo_seconds.max(1));
        let most = age.max(rpo);
        let title = format!("{}% of the RPO", age.saturating_mul(100) / rpo);
        Some(Self { tone: tone(health), title, desc: None, filled: part(age, most), mark: part(rpo, most) })
    }

    /// The same, with what is told beside it.
    pub(super) fn described(self, desc: String) -> Self {
        Self { desc: Some(desc), ..self }
    }

    /// How far an open operation is, by the others of its kind.
    pub(super) fn progress(open: &Progress) -> Option<Self> {
        let whole = open.expected_end?.duration_since(open.opened).as_secs().max(1);
        let most = open.elapsed_seconds.max(whole);
        let title = format!("{} of {} expected", length(open.elapsed_seconds), length(whole));
        let (filled, mark) = (part(open.elapsed_seconds, most), part(whole, most));
        Some(Self { tone: "info", title, desc: None, filled, mark })
    }
}

fn part(of: i64, whole: i64) -> i64 {
    (of.max(0).saturating_mul(100) / whole).min(100)
}

/// Values from the oldest to the newest, from 0 up.
#[derive(Debug, Template)]
#[template(path = "bars.html")]
pub(super) struct Bars {
    title: &'static str,
    pub(super) desc: String,
    all: Vec<Bar>,
    width: usize,
    /// The height of the usual value.
    mark: Option<u64>,
}

#[derive(Debug)]
struct Bar {
    x: usize,
    y: u64,
    height: u64,
    title: String,
}

const HEIGHT: u64 = 56;
const STEP: usize = 10;
/// More bars would be thinner than a line.
const MOST: usize = 60;
/// Fewer would be as wide as a page.
const FEWEST: usize = 30;

impl Bars {
    /// How long the backups took that succeeded.
    pub(super) fn durations(target: &TargetReport) -> Option<Self> {
        let is_success = |kind, phase| kind == RunKind::Backup && phase == Phase::Succeeded;
        let runs = target.history.iter().filter(|run| is_success(run.kind, run.phase));
        let mut all: Vec<_> = runs
            .filter_map(|run| {
                let took = run.took_seconds()?.max(0);
                Some((took.unsigned_abs(), format!("{}: {}", run.opened.strftime("%Y-%m-%d"), length(took))))
            })
            .take(MOST)
            .collect();
        all.reverse();
        let usual = target.median_seconds.map(|median| median.max(0).unsigned_abs());
        let told = |seconds: u64| length(i64::try_from(seconds).unwrap_or(i64::MAX));
        Self::new("Durations of the backups, oldest first", &all, usual, told)
    }

    pub(super) fn sizes(target: &TargetReport) -> Option<Self> {
        let newest = target.sizes.len().saturating_sub(MOST);
        let bar = |point: &PointSize| {
            (point.size_bytes, format!("{}: {}", point.at.strftime("%Y-%m-%d"), size(point.size_bytes)))
        };
        let all: Vec<_> = target.sizes[newest..].iter().map(bar).collect();
        Self::new("Sizes of the recovery points, oldest first", &all, None, size)
    }

    /// None with fewer than two: there is nothing to compare.
    fn new(
        title: &'static str,
        all: &[(u64, String)],
        usual: Option<u64>,
        told: impl Fn(u64) -> String,
    ) -> Option<Self> {
        let values = || all.iter().map(|(value, _)| *value);
        let (shortest, longest) = (values().min()?, values().max()?);
        if all.len() < 2 {
            return None;
        }
        let height = |value: u64| {
            let height = u128::from(value) * u128::from(HEIGHT) / u128::from(longest.max(1));
            u64::try_from(height).unwrap_or(HEIGHT).clamp(1, HEIGHT)
        };
        let bar = |(at, (value, title)): (usize, &(u64, String))| {
            let height = height(*value);
            Bar { x: at * STEP, y: HEIGHT - height, height, title: title.clone() }
        };
        let between = format!("between {} and {}", told(shortest), told(longest));
        let desc = match usual {
            Some(usual) => format!("{between}; usually {} (dashed)", told(usual)),
            None => between,
        };
        Some(Self {
            title,
            desc,
            all: all.iter().enumerate().map(bar).collect(),
            width: all.len().max(FEWEST) * STEP - 2,
            mark: usual.filter(|usual| *usual <= longest).map(|usual| HEIGHT - height(usual)),
        })
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::samples;

    #[test]
    fn the_age_of_a_recovery_point_is_told_in_words_colour_and_length() {
        let report = samples::report();
        let [well, troubled, bare] = [0, 1, 2].map(|at| &report.targets[at]);
        assert_snapshot!(Gauge::age(well).unwrap().described("It is 11 h old.".to_owned()), @r#"<svg class="gauge ok" viewBox="0 0 100 8" preserveAspectRatio="none" role="img"><title>42% of the RPO</title><desc>It is 11 h old.</desc><path class="track" d="M0 0h100v8H0z"/><path class="fill" d="M0 0h42v8H0z"/></svg>"#);
        assert_eq!(Gauge::age(troubled).unwrap().tone, "risk");
        assert!(Gauge::age(bare).is_none());
        let mut late = TargetReport { rpo_seconds: 5 * 3600, ..well.clone() };
        late.conditions = crate::domain::conditions(&late, report.at);
        let late = Gauge::age(&late).unwrap();
        assert_eq!(
            (late.tone, late.title.as_str(), late.filled, late.mark),
            ("fail", "220% of the RPO", 100, 45)
        );
    }

    #[test]
    fn bars_are_as_high_as_their_values_and_name_their_span() {
        let report = samples::report();
        let sizes = Bars::sizes(&report.targets[0]).unwrap();
        assert_eq!(sizes.desc, "between 4.8 MiB and 5 MiB");
        let durations = Bars::durations(&report.targets[0]).unwrap();
        assert_eq!(durations.desc, "between 34 min and 44 min; usually 39 min (dashed)");
        assert_eq!((durations.all.len(), durations.mark), (30, Some(7)));
        assert!(durations.all.iter().all(|bar| bar.y + bar.height == HEIGHT));
        let last = durations.all.last().unwrap();
        assert_eq!((last.height, last.title.as_str()), (43, "2026-11-22: 34 min"));
        assert!(Bars::sizes(&report.targets[2]).is_none());
    }
}
