//! The report as metrics, in the text format of `OpenMetrics` 1.0, which Prometheus and its kin read.
//!
//! Gauges only, each made from the report alone: nothing is counted in memory, so a restart changes nothing and every
//! replica tells the same.

use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::domain::{Condition, Health, Phase, ReadinessVerdict, Report, RunKind, Severity, TargetReport};

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Of which target a value is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    target: String,
    /// The API Management service.
    instance: String,
}

/// The same, and of what kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    target: String,
    instance: String,
    kind: &'static str,
}

/// The same, and in which state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    target: String,
    instance: String,
    state: &'static str,
}

/// What is not as it should be; of the app itself without a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Standing {
    target: String,
    instance: String,
    code: String,
    level: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

type Values<L> = Family<L, Gauge>;

/// One family for each name.
#[derive(Default)]
struct Metrics {
    build: Values<Version>,
    report_at: Gauge,
    health: Values<Of>,
    conditions: Values<Standing>,
    last_success: Values<Of>,
    next_run: Values<Of>,
    missed: Values<Of>,
    rpo: Values<Of>,
    age: Values<Of>,
    restorable_until: Values<Of>,
    size: Values<Of>,
    points: Values<InState>,
    succeeded: Values<OfKind>,
    duration: Values<OfKind>,
    in_progress: Values<OfKind>,
    findings: Values<InState>,
    standby: Values<InState>,
    recovery_time: Values<Of>,
}

/// The whole text.
pub fn text(report: &Report) -> String {
    let metrics = Metrics::default();
    metrics.build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
    metrics.report_at.set(report.at.as_second());
    for condition in &report.conditions {
        metrics.condition(&Of { target: String::new(), instance: String::new() }, condition);
    }
    for target in &report.targets {
        metrics.add(target);
    }
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, &metrics.registry());
    text
}

impl Metrics {
    fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix("apim_dr");
        all.register("build_info", "The version, as a label", self.build.clone());
        all.register_with_unit(
            "report_timestamp",
            "When the records were read",
            Unit::Seconds,
            self.report_at.clone(),
        );
        all.register("target_health", "0: ok, 1: at risk, 2: failing", self.health.clone());
        all.register(
            "condition",
            "1 for each that is not as it should be; without a target: of the app",
            self.conditions.clone(),
        );
        let mut seconds = |name: &'static str, help: &'static str, family: &Values<Of>| {
            all.register_with_unit(name, help, Unit::Seconds, family.clone());
        };
        seconds(
            "backup_last_success_timestamp",
            "When the newest backup that succeeded in the last 30 days ended",
            &self.last_success,
        );
        seconds("next_run_timestamp", "When the schedule is due next", &self.next_run);
        seconds("rpo", "How old the newest verified recovery point may be", &self.rpo);
        seconds("recovery_point_age", "How old the newest verified recovery point is", &self.age);
        seconds(
            "recovery_point_restorable_until_timestamp",
            "Until when API Management restores it",
            &self.restorable_until,
        );
        seconds("recovery_time", "How long the newest drill that succeeded took (RTO)", &self.recovery_time);
        all.register_with_unit(
            "recovery_point_size",
            "The size of the newest verified recovery point",
            Unit::Bytes,
            self.size.clone(),
        );
        all.register(
            "missed_runs",
            "Instants of the schedule in the last 30 days that no backup followed in time",
            self.missed.clone(),
        );
        all.register("recovery_points", "Recovery points that stand", self.points.clone());
        all.register(
            "last_run_succeeded",
            "Whether the newest run of the last 30 days succeeded",
            self.succeeded.clone(),
        );
        all.register_with_unit(
            "last_run_duration",
            "How long it took from its start",
            Unit::Seconds,
            self.duration.clone(),
        );
        all.register("operations_in_progress", "Operations that are open", self.in_progress.clone());
        all.register("findings", "What the newest daily look found", self.findings.clone());
        all.register("standby_readiness", "1 for the verdict of the newest daily look", self.standby.clone());
        all
    }

    fn condition(&self, of: &Of, condition: &Condition) {
        let Of { target, instance } = of.clone();
        let labels =
            Standing { target, instance, code: condition.code.to_string(), level: condition.level.as_str() };
        self.conditions.get_or_create(&labels).set(1);
    }

    fn add(&self, target: &TargetReport) {
        let of = Of { target: target.name.to_string(), instance: target.service.name.to_string() };
        let kind = |kind: RunKind| {
            let kind = match kind {
                RunKind::Backup => "backup",
                RunKind::SafetyBackup => "safety_backup",
                RunKind::Restore => "restore",
                RunKind::Drill => "drill",
            };
            OfKind { target: of.target.clone(), instance: of.instance.clone(), kind }
        };
        let state = |state| InState { target: of.target.clone(), instance: of.instance.clone(), state };
        let set = |family: &Values<Of>, value: Option<i64>| {
            if let Some(value) = value {
                family.get_or_create(&of).set(value);
            }
        };
        let health = match target.health {
            Health::Ok => 0,
            Health::AtRisk => 1,
            Health::Failing => 2,
        };
        set(&self.health, Some(health));
        target.conditions.iter().for_each(|condition| self.condition(&of, condition));
        set(&self.last_success, target.last_success.map(Timestamp::as_second));
        set(&self.next_run, target.next_run.map(Timestamp::as_second));
        set(&self.missed, Some(whole(target.missed.len())));
        set(&self.rpo, Some(target.rpo_seconds));
        let newest = target.newest.as_ref();
        set(&self.age, newest.map(|point| point.age_seconds));
        set(&self.restorable_until, newest.map(|point| point.restorable_until.as_second()));
        set(&self.size, newest.map(|point| i64::try_from(point.size_bytes).unwrap_or(i64::MAX)));
        set(&self.recovery_time, target.drill.as_ref().and_then(|drill| drill.rto_seconds));
        let points = target.points;
        for (name, count) in [("restorable", points.restorable), ("unverified", points.unverified)] {
            self.points.get_or_create(&state(name)).set(whole(count));
        }
        for of_kind in [RunKind::Backup, RunKind::SafetyBackup, RunKind::Restore, RunKind::Drill] {
            let labels = kind(of_kind);
            if let Some(run) = target.history.iter().find(|run| run.kind == of_kind) {
                self.succeeded.get_or_create(&labels).set(i64::from(run.phase == Phase::Succeeded));
                if let Some(seconds) = run.took_seconds() {
                    self.duration.get_or_create(&labels).set(seconds);
                }
            }
            let open = target.in_progress.iter().filter(|open| open.kind == of_kind).count();
            self.in_progress.get_or_create(&labels).set(whole(open));
        }
        if let Some(check) = &target.check {
            for (name, severity) in [("blocks", Severity::Blocks), ("warns", Severity::Warns)] {
                let count = check.findings.iter().filter(|finding| finding.severity == severity).count();
                self.findings.get_or_create(&state(name)).set(whole(count));
            }
        }
        if let Some(standby) = &target.standby {
            let verdict = standby.readiness.as_ref().map(|readiness| readiness.verdict);
            let verdicts = [
                ("ready", Some(ReadinessVerdict::Ready)),
                ("at_risk", Some(ReadinessVerdict::AtRisk)),
                ("not_ready", Some(ReadinessVerdict::NotReady)),
                ("unknown", None),
            ];
            for (name, it) in verdicts {
                self.standby.get_or_create(&state(name)).set(i64::from(it == verdict));
            }
        }
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use openmetrics_parser::{
        MetricNumber, OpenMetricsType, OpenMetricsValue, openmetrics::parse_openmetrics,
    };

    use super::*;
    use crate::domain::samples;

    /// As somebody else reads it: each value by its name and labels.
    fn read(text: &str) -> BTreeMap<String, i64> {
        let mut values = BTreeMap::new();
        for (name, family) in parse_openmetrics(text).unwrap().families {
            assert_eq!(family.family_type, OpenMetricsType::Gauge, "{name}");
            for sample in family.iter_samples() {
                let mut labels: Vec<_> = sample
                    .get_labelset()
                    .unwrap()
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                labels.sort();
                let OpenMetricsValue::Gauge(MetricNumber::Int(value)) = sample.value else {
                    panic!("{name}: {:?}", sample.value);
                };
                values.insert(format!("{name} {}", labels.join(",")).trim_end().to_owned(), value);
            }
        }
        values
    }

    #[test]
    fn a_parser_that_is_not_ours_reads_every_value() {
        let report = samples::report();
        let values = read(&text(&report));
        let values: Vec<_> = values.iter().map(|(name, value)| format!("{name} {value}")).collect();
        insta::assert_snapshot!(values.join("\n"), @r"
        apim_dr_backup_last_success_timestamp_seconds instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,target=shop-europe 1795140000
        apim_dr_backup_last_success_timestamp_seconds instance=sampleapim,target=primary 1795311300
        apim_dr_build_info version=0.1.0 1
        apim_dr_condition code=backup.failed,instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,level=warning,target=shop-europe 1
        apim_dr_condition code=backup.missed,instance=legacyapim,level=warning,target=legacy 1
        apim_dr_condition code=blocked.account.key,instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,level=warning,target=shop-europe 1
        apim_dr_condition code=records.corrupt,instance=,level=warning,target= 1
        apim_dr_condition code=records.corrupt,instance=legacyapim,level=warning,target=legacy 1
        apim_dr_condition code=rpo,instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,level=warning,target=shop-europe 1
        apim_dr_condition code=rpo,instance=legacyapim,level=critical,target=legacy 1
        apim_dr_findings instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,state=blocks,target=shop-europe 1
        apim_dr_findings instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,state=warns,target=shop-europe 1
        apim_dr_findings instance=sampleapim,state=blocks,target=primary 0
        apim_dr_findings instance=sampleapim,state=warns,target=primary 0
        apim_dr_last_run_duration_seconds instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,kind=backup,target=shop-europe 180
        apim_dr_last_run_duration_seconds instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,kind=restore,target=shop-europe 540
        apim_dr_last_run_duration_seconds instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,kind=safety_backup,target=shop-europe 3000
        apim_dr_last_run_duration_seconds instance=sampleapim,kind=backup,target=primary 2040
        apim_dr_last_run_duration_seconds instance=sampleapim,kind=drill,target=primary 2460
        apim_dr_last_run_succeeded instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,kind=backup,target=shop-europe 0
        apim_dr_last_run_succeeded instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,kind=restore,target=shop-europe 0
        apim_dr_last_run_succeeded instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,kind=safety_backup,target=shop-europe 1
        apim_dr_last_run_succeeded instance=sampleapim,kind=backup,target=primary 1
        apim_dr_last_run_succeeded instance=sampleapim,kind=drill,target=primary 1
        apim_dr_missed_runs instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,target=shop-europe 2
        apim_dr_missed_runs instance=legacyapim,target=legacy 30
        apim_dr_missed_runs instance=sampleapim,target=primary 0
        apim_dr_next_run_timestamp_seconds instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,target=shop-europe 1795395600
        apim_dr_next_run_timestamp_seconds instance=legacyapim,target=legacy 1795395600
        apim_dr_next_run_timestamp_seconds instance=sampleapim,target=primary 1795395600
        apim_dr_operations_in_progress instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,kind=backup,target=shop-europe 1
        apim_dr_operations_in_progress instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,kind=drill,target=shop-europe 0
        apim_dr_operations_in_progress instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,kind=restore,target=shop-europe 0
        apim_dr_operations_in_progress instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,kind=safety_backup,target=shop-europe 0
        apim_dr_operations_in_progress instance=legacyapim,kind=backup,target=legacy 0
        apim_dr_operations_in_progress instance=legacyapim,kind=drill,target=legacy 0
        apim_dr_operations_in_progress instance=legacyapim,kind=restore,target=legacy 0
        apim_dr_operations_in_progress instance=legacyapim,kind=safety_backup,target=legacy 0
        apim_dr_operations_in_progress instance=sampleapim,kind=backup,target=primary 0
        apim_dr_operations_in_progress instance=sampleapim,kind=drill,target=primary 0
        apim_dr_operations_in_progress instance=sampleapim,kind=restore,target=primary 0
        apim_dr_operations_in_progress instance=sampleapim,kind=safety_backup,target=primary 0
        apim_dr_recovery_point_age_seconds instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,target=shop-europe 212400
        apim_dr_recovery_point_age_seconds instance=sampleapim,target=primary 39600
        apim_dr_recovery_point_restorable_until_timestamp_seconds instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,target=shop-europe 1797728400
        apim_dr_recovery_point_restorable_until_timestamp_seconds instance=sampleapim,target=primary 1797901200
        apim_dr_recovery_point_size_bytes instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,target=shop-europe 5242880
        apim_dr_recovery_point_size_bytes instance=sampleapim,target=primary 5242880
        apim_dr_recovery_points instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,state=restorable,target=shop-europe 18
        apim_dr_recovery_points instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,state=unverified,target=shop-europe 0
        apim_dr_recovery_points instance=legacyapim,state=restorable,target=legacy 0
        apim_dr_recovery_points instance=legacyapim,state=unverified,target=legacy 2
        apim_dr_recovery_points instance=sampleapim,state=restorable,target=primary 30
        apim_dr_recovery_points instance=sampleapim,state=unverified,target=primary 1
        apim_dr_recovery_time_seconds instance=sampleapim,target=primary 2520
        apim_dr_report_timestamp_seconds 1795348800
        apim_dr_rpo_seconds instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,target=shop-europe 259200
        apim_dr_rpo_seconds instance=legacyapim,target=legacy 93600
        apim_dr_rpo_seconds instance=sampleapim,target=primary 93600
        apim_dr_standby_readiness instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,state=at_risk,target=shop-europe 1
        apim_dr_standby_readiness instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,state=not_ready,target=shop-europe 0
        apim_dr_standby_readiness instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,state=ready,target=shop-europe 0
        apim_dr_standby_readiness instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,state=unknown,target=shop-europe 0
        apim_dr_standby_readiness instance=legacyapim,state=at_risk,target=legacy 0
        apim_dr_standby_readiness instance=legacyapim,state=not_ready,target=legacy 0
        apim_dr_standby_readiness instance=legacyapim,state=ready,target=legacy 0
        apim_dr_standby_readiness instance=legacyapim,state=unknown,target=legacy 1
        apim_dr_standby_readiness instance=sampleapim,state=at_risk,target=primary 0
        apim_dr_standby_readiness instance=sampleapim,state=not_ready,target=primary 0
        apim_dr_standby_readiness instance=sampleapim,state=ready,target=primary 1
        apim_dr_standby_readiness instance=sampleapim,state=unknown,target=primary 0
        apim_dr_target_health instance=contoso-contoso-contoso-contoso-contoso-contoso-xy,target=shop-europe 1
        apim_dr_target_health instance=legacyapim,target=legacy 2
        apim_dr_target_health instance=sampleapim,target=primary 0
        ");
    }

    #[test]
    fn whatever_a_label_holds_it_stays_one_value_on_one_line() {
        let mut report = samples::report();
        let hostile = "a\"} 1\n# b\\{c=\"d\" \u{202e}";
        report.conditions = vec![Condition::new(hostile, crate::domain::Level::Warning, "", "")];
        let text = text(&report);
        let codes: Vec<_> = read(&text).into_keys().filter(|name| name.contains("code=a")).collect();
        assert_eq!(codes.len(), 1, "{codes:?}");
        assert!(codes[0].contains(hostile), "{codes:?}");
    }
}
