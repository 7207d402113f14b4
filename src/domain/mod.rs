//! Decisions only: what an operation is, which step may follow which, and the words for it.
//!
//! Knows no async, no clock, no HTTP and no file format, and imports nothing of ours: whatever is
//! decided here can be replayed in a table.

mod alarm;
mod azure_error;
mod bounds;
mod callback;
mod catalog;
mod compare;
mod condition;
mod credentials;
mod daily;
mod event;
mod explain;
mod finding;
mod foreign;
mod hook;
mod identity;
mod ids;
mod inventory;
mod journal;
mod names;
mod naming;
mod notice;
mod operation;
mod outcome;
mod plan;
pub mod preflight;
mod readiness;
mod recovery;
mod report;
mod restorable;
mod retention;
#[cfg(any(test, fuzzing))]
pub(crate) mod retention_rules;
#[cfg(test)]
pub(crate) mod samples;
mod schedule;
mod secret;
mod service;
mod surroundings;
mod target;
mod transition;
mod verification;
mod within;
mod words;
pub mod zone;

pub use alarm::{Alarm, Change, REMINDER, Subject, changes};
pub use azure_error::{AzureError, RequestIds};
pub use bounds::Bounds;
pub use callback::{CallbackHosts, NotCallable, is_loopback, sendable};
pub use catalog::{Deleted, LIFETIME, Pick, RecoveryPoint, nearest, standing};
pub use compare::{Difference, Impact, compare, counts_differ, not_carried};
pub use condition::{Condition, Level, conditions, corrupt, stuck};
pub use credentials::Credentials;
pub use daily::{DailyCheck, StandbyCheck};
pub use event::{Event, IllegalEvent};
pub use explain::{Explanation, explain, explain_code, explain_storage, explanations};
pub use finding::{Finding, Severity};
pub use foreign::{Foreign, Told, recognise};
pub use hook::{Hook, HookKind};
pub use identity::{IdentityRefusal, IdentityRequest, is_identity_id};
pub use ids::{AttemptId, OperationId};
pub use inventory::{
    CaCertificate, Certificate, Counts, Diagnostic, Hostname, Identity, Inventory, Network, Region, Snapshot,
    UserAssigned,
};
pub use journal::Entry;
pub use names::{
    BlobName, ClientId, ContainerName, InvalidName, ResourceGroup, ServiceName, StorageAccount,
    SubscriptionId, TargetName, TenantId,
};
pub use naming::{NameSuffix, Naming, Occasion};
pub use notice::{Callback, Concerns, HookName, Letter, LetterKey, News, Notice, Recipient, Topic};
pub use operation::{Attempt, MAX_WATCH, Operation, POST_MARGIN, POST_TIMEOUT, Phase, SafetyBackup, later};
pub use outcome::{
    Aftermath, Answer, BlobLook, Continuation, Evidence, Failure, FailureKind, Seen, Verification,
};
pub use plan::{BlobRef, Caller, Choice, ContainerRef, Kind, Plan, Policy, StorageAccess};
pub use readiness::{Readiness, ReadinessFacts, ReadinessReason, ReadinessVerdict, readiness};
pub use recovery::{Conclusion, Sight};
pub use report::{
    CheckReport, DrillReport, HISTORY, Health, LastFailure, PointCounts, PointReport, PointSize, Progress,
    Report, Run, RunKind, StandbyReport, TargetReport, missed,
};
pub use restorable::objection;
pub use retention::{Candidate, Decision, Fate, Period, Reason, Retention};
pub use schedule::Schedule;
pub use secret::Secret;
pub use service::{ServiceId, ServiceStatus, Tier};
pub use surroundings::{
    AccountFacts, Connectivity, DeletedService, Firewall, IdentityChange, Probe, RoleAssignment,
};
pub use target::{Drill, Target};
pub use transition::MAX_UNKNOWN_STARTS;
pub use verification::Verdict;
pub use within::Within;
pub use words::{in_words, shown};
