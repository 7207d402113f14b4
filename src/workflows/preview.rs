//! What a restore would do, without doing it.

use std::time::Duration;

use futures::{future::OptionFuture, join};
use serde::Serialize;

use super::{Error, preflight::check, snapshot, verify::known};
use crate::{
    domain::{
        BlobRef, Counts, Difference, Finding, Kind, Phase, Plan, RecoveryPoint, ServiceId, Snapshot, Tier,
        not_carried,
    },
    ports::{Access, Ended, Ports},
};

/// What a restore would do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// What is overwritten.
    pub target: ServiceId,
    pub target_tier: Option<Tier>,
    pub backup: BlobRef,
    /// What the catalogue knows of it.
    pub point: Option<RecoveryPoint>,
    pub age_seconds: Option<i64>,
    /// What there is now, and will be gone. `None`: it could not be counted.
    pub overwritten: Option<Counts>,
    /// What there was when the backup was taken.
    pub restored: Option<Counts>,
    /// What the source had and the target will not have. `None`: nobody recorded what the source had.
    pub not_carried: Option<Vec<Difference>>,
    /// What blocks first.
    pub findings: Vec<Finding>,
    /// How long earlier ones took, half of them at most; `None`: there were none.
    pub median_seconds: Option<u64>,
    /// The target would be backed up first.
    pub safety_backup: bool,
}

impl Preview {
    /// Whether it would not start.
    pub fn is_blocked(&self, plan: &Plan) -> bool {
        self.findings.iter().any(|finding| finding.is_blocking() && !plan.ignores(finding))
    }
}

/// Looks at everything that a restore depends on. Changes nothing.
pub async fn preview(ports: &Ports, plan: &Plan, access: &Access) -> Result<Preview, Error> {
    let now = ports.azure.now();
    let (checked, point, target, history) = join!(
        check(ports, plan, access),
        known(ports, plan),
        snapshot::take(&*ports.inspection, &plan.service, access, now),
        ports.journal.history(&plan.service.name, None),
    );
    let target = target.ok();
    let recorded = point.as_ref().map(|point| ports.catalog.snapshot(&point.service.name, point.id));
    let source: Option<Snapshot> = OptionFuture::from(recorded).await.and_then(Result::ok).flatten();
    let not_carried =
        source.as_ref().zip(target.as_ref()).map(|(source, target)| not_carried(source, target, now));
    let history = history.unwrap_or_default();
    Ok(Preview {
        target: plan.service.clone(),
        target_tier: target.as_ref().and_then(|target| target.inventory.tier.clone()),
        backup: plan.blob.clone(),
        age_seconds: point.as_ref().map(|point| now.duration_since(point.at).as_secs()),
        point,
        overwritten: target.and_then(|target| target.counts),
        restored: source.and_then(|source| source.counts),
        not_carried,
        findings: checked.findings,
        median_seconds: median(&history, Kind::Restore).map(|median| median.as_secs()),
        safety_backup: plan.safety_backup,
    })
}

/// How long those of a kind took that succeeded, from their start: the middle one.
pub fn median(history: &[Ended], kind: Kind) -> Option<Duration> {
    let succeeded = history.iter().filter(|ended| ended.kind == kind && ended.phase == Phase::Succeeded);
    let took = succeeded.filter_map(|ended| ended.closed.duration_since(ended.started?).try_into().ok());
    let mut took: Vec<Duration> = took.collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{OperationId, samples::at};

    #[test]
    fn the_duration_to_expect_is_the_middle_of_those_that_succeeded() {
        let ended = |kind, phase, started: Option<i64>, closed| Ended {
            id: OperationId::at(at(0)),
            kind,
            drill: None,
            phase,
            opened: at(0),
            started: started.map(at),
            closed: at(closed),
            blob: String::new(),
            safety: false,
            failure: None,
        };
        let restore = |closed| ended(Kind::Restore, Phase::Succeeded, Some(10), closed);
        let mut history = vec![
            ended(Kind::Backup, Phase::Succeeded, Some(0), 1),
            ended(Kind::Restore, Phase::Failed, Some(0), 2),
            ended(Kind::Restore, Phase::Succeeded, None, 3),
        ];
        assert_eq!(median(&history, Kind::Restore), None);
        history.extend([restore(110), restore(30), restore(60)]);
        assert_eq!(median(&history, Kind::Restore), Some(Duration::from_secs(50)));
        assert_eq!(median(&history, Kind::Backup), Some(Duration::from_secs(1)));
    }
}
