//! Whether a target's standby could take over now.

use futures::join;
use jiff::Timestamp;

use super::{
    Error,
    choose::choose,
    compare::{Comparison, Side, compare_sides},
    preflight::check,
    verify::known,
};
use crate::{
    domain::{Choice, Finding, Pick, Readiness, ReadinessFacts, ServiceId, Target, readiness},
    ports::{Access, Ports},
};

/// What a look at a pair came to.
#[derive(Debug)]
pub struct StandbyLook {
    /// An error: one of the two could not be read.
    pub comparison: Result<Comparison, Error>,
    /// What speaks against a restore of the newest verified recovery point into the standby.
    pub findings: Vec<Finding>,
    pub readiness: Readiness,
}

/// Looks at both sides, and as before a restore of the newest verified recovery point. An error: nobody can tell which
/// that is.
pub async fn judge_standby(
    ports: &Ports,
    target: &Target,
    standby: &ServiceId,
    access: &Access,
    now: Timestamp,
) -> Result<StandbyLook, Error> {
    let newest = Choice::Pick(Pick { verified: true, until: None });
    let key = access.credentials.access_key.as_ref();
    let plan = match choose(ports, target.restore_into(standby), &newest, key).await {
        Ok(plan) => Some(plan),
        Err(Error::NoRecoveryPoint { .. }) => None,
        Err(error) => return Err(error),
    };
    let restore = async {
        match &plan {
            Some(plan) => {
                let (point, checked) = join!(known(ports, plan), check(ports, plan, access));
                (point, checked.findings)
            }
            None => (None, Vec::new()),
        }
    };
    let side = |service: &ServiceId| Side { service: service.clone(), access: access.clone() };
    let (primary, other) = (side(&target.plan.service), side(standby));
    let comparison = compare_sides(&*ports.inspection, &*ports.catalog, &primary, &other, now);
    let ((point, findings), comparison) = join!(restore, comparison);
    let compared = comparison.as_ref().ok();
    let readiness = readiness(ReadinessFacts {
        rpo: target.rpo,
        now,
        newest_verified: point.as_ref(),
        primary_tier: compared.and_then(|it| it.primary.inventory.tier.as_ref()),
        standby_tier: compared.and_then(|it| it.standby.inventory.tier.as_ref()),
        standby_idle: compared.map(|it| it.standby_idle),
        differences: compared.map(|it| it.differences.as_slice()).unwrap_or_default(),
        findings: &findings,
    });
    Ok(StandbyLook { comparison, findings, readiness })
}
