//! What the look at a target came to that is taken once a day.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, Readiness, ServiceId, TargetName};

/// One day's look at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DailyCheck {
    pub target: TargetName,
    pub at: Timestamp,
    pub service: ServiceId,
    /// What speaks against a backup.
    pub findings: Vec<Finding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<StandbyCheck>,
}

/// The same day's look at its standby.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StandbyCheck {
    pub service: ServiceId,
    /// What speaks against a restore into it.
    pub findings: Vec<Finding>,
    /// `None`: nobody could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
}
