//! The catalogue of recovery points, and what is recorded beside it.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;

use super::RecordsError;
use crate::domain::{
    BlobRef, ContainerRef, Deleted, OperationId, RecoveryPoint, Seen, ServiceName, Snapshot,
};

/// The recovery points of a service, as far as they can be read.
#[derive(Debug, Default)]
pub struct Points {
    /// Those that were not deleted; also those that were overwritten.
    pub points: Vec<RecoveryPoint>,
    pub unreadable: Vec<RecordsError>,
}

/// That a blob is about to be deleted, as it stands in the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where it is.
    pub path: String,
    /// Its writer deletes nothing from then on.
    pub until: Timestamp,
}

/// The catalogue of recovery points.
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// The services that have recovery points, in small letters.
    async fn services(&self) -> Result<Vec<ServiceName>, RecordsError>;

    /// The recovery points of a service; with `since`, those whose operation was opened no earlier.
    async fn points(&self, service: &ServiceName, since: Option<Timestamp>) -> Result<Points, RecordsError>;

    /// Records a point. That it is there already is fine.
    async fn record(&self, point: &RecoveryPoint) -> Result<(), RecordsError>;

    /// Records that somebody saw the blob of a point that was not verified before.
    async fn record_verified(
        &self,
        point: &RecoveryPoint,
        seen: &Seen,
        now: Timestamp,
    ) -> Result<(), RecordsError>;

    /// Records that a point is gone.
    async fn record_deleted(&self, point: &RecoveryPoint, deleted: &Deleted) -> Result<(), RecordsError>;

    /// Says that a service has backups under this name.
    async fn own(&self, blob: &BlobRef, service: &ServiceName) -> Result<(), RecordsError>;

    /// The services that have, or had, backups under this name, in small letters.
    async fn owners(&self, blob: &BlobRef) -> Result<Vec<ServiceName>, RecordsError>;

    /// Says that a container is to be left as it is until an instant, because of this restore.
    async fn freeze(
        &self,
        container: &ContainerRef,
        restore: OperationId,
        until: Timestamp,
    ) -> Result<(), RecordsError>;

    /// A restore because of which a container is to be left as it is.
    async fn frozen(
        &self,
        container: &ContainerRef,
        now: Timestamp,
    ) -> Result<Option<OperationId>, RecordsError>;

    /// Says that a blob is about to be deleted, until an instant. A restore that starts meanwhile waits.
    async fn mark(&self, blob: &BlobRef, until: Timestamp) -> Result<Mark, RecordsError>;

    /// Takes that back, or says that it is done.
    async fn unmark(&self, mark: &Mark) -> Result<(), RecordsError>;

    /// Until when a blob may be deleted by somebody who said so; `None`: nobody does.
    async fn marked(&self, blob: &BlobRef, now: Timestamp) -> Result<Option<Timestamp>, RecordsError>;

    /// Records what the backup of an operation does not carry. That it is there already is fine.
    async fn record_snapshot(&self, id: OperationId, snapshot: &Snapshot) -> Result<(), RecordsError>;

    /// What was recorded with an operation.
    async fn snapshot(
        &self,
        service: &ServiceName,
        id: OperationId,
    ) -> Result<Option<Snapshot>, RecordsError>;

    /// The newest that can be read, and with which operation it was recorded. Fails if there are some and none can be.
    async fn newest_snapshot(
        &self,
        service: &ServiceName,
    ) -> Result<Option<(OperationId, Snapshot)>, RecordsError>;
}
