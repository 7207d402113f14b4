//! The container that backups lie in, and what must hold when one of them is deleted.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use apim_dr::{
    domain::{BlobRef, Evidence, OperationId, RecoveryPoint, Seen, ServiceId, Verification},
    ports::{Catalog as _, Journal as _, Listed},
};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::{ObjectStore as _, ObjectStoreExt as _, path::Path};

use super::world::World;

/// What lies in the container.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    lying: Mutex<BTreeMap<String, Seen>>,
    /// How often anything was written: no two blobs are told apart by less.
    writes: AtomicUsize,
    /// Names of blobs that were deleted, in order.
    pub(super) deleted: Mutex<Vec<String>>,
}

impl Shelf {
    pub(super) fn put(&self, name: &str, at: Timestamp) -> Seen {
        let seen = Seen {
            e_tag: self.writes.fetch_add(1, Ordering::SeqCst).to_string(),
            size: 1,
            modified: Some(Timestamp::from_second(at.as_second()).unwrap()),
            md5: None,
            locked: None,
        };
        self.lying.lock().unwrap().insert(name.to_owned(), seen.clone());
        seen
    }

    pub(super) fn find(&self, name: &str) -> Option<Seen> {
        self.lying.lock().unwrap().get(name).cloned()
    }

    pub(super) fn list(&self) -> Vec<Listed> {
        let lying = self.lying.lock().unwrap();
        lying.iter().map(|(name, seen)| Listed { name: name.clone(), seen: seen.clone() }).collect()
    }

    pub(super) fn delete(&self, name: &str) {
        self.lying.lock().unwrap().remove(name);
        self.deleted.lock().unwrap().push(name.to_owned());
    }

    pub(super) fn was_deleted(&self, name: &str) -> bool {
        self.deleted.lock().unwrap().iter().any(|deleted| deleted == name)
    }
}

/// The recovery points that stand, newest first, read anew from all there are: not as the program does it.
pub(super) fn standing(points: &[RecoveryPoint]) -> Vec<&RecoveryPoint> {
    let order = |point: &RecoveryPoint| (point.at, point.id);
    let is_newest = |point: &&RecoveryPoint| {
        points.iter().all(|other| other.blob != point.blob || order(other) <= order(point))
    };
    let mut standing: Vec<_> = points.iter().filter(is_newest).collect();
    standing.sort_by_key(|point| Reverse(order(point)));
    standing
}

/// Whether the last so many, and the newest that is verified, are others: of those that stand, newest first.
pub(super) fn may_go(point: &RecoveryPoint, standing: &[&RecoveryPoint], keep: usize) -> bool {
    let newer: Vec<_> = standing.iter().take_while(|other| other.id != point.id).collect();
    if point.is_verified() {
        return newer.iter().filter(|other| other.is_verified()).count() >= keep.max(1);
    }
    newer.len() >= keep && standing.iter().any(|other| other.is_verified())
}

impl World {
    /// Puts a blob there, and a recovery point of it into the catalogue.
    pub(super) async fn put_point(&self, service: &ServiceId, blob: BlobRef, at: Timestamp) {
        let seen = self.shelf.put(blob.name.as_str(), at);
        let point = RecoveryPoint {
            id: OperationId::at(at),
            service: service.clone(),
            blob,
            at,
            ended: at,
            tier: None,
            evidence: Some(Evidence::Arm),
            verification: Verification::Verified { blob: seen },
            safety_for: None,
        };
        self.records.record(&point).await.unwrap();
    }

    /// The recovery points that the records call deleted, as they were written.
    pub(super) async fn gone(&self) -> Vec<RecoveryPoint> {
        let listed = self.store.list(Some(&Path::from("catalog"))).try_collect::<Vec<_>>().await.unwrap();
        let mut gone = Vec::new();
        for object in listed.iter().filter(|object| object.location.as_ref().ends_with("/deleted.json")) {
            let folder = object.location.as_ref().strip_suffix("deleted.json").unwrap();
            for file in ["point.json", "adopted.json"] {
                if let Ok(found) = self.store.get(&Path::from(format!("{folder}{file}"))).await {
                    gone.push(serde_json::from_slice(&found.bytes().await.unwrap()).unwrap());
                }
            }
        }
        gone
    }

    /// The recovery points of all services that were not deleted.
    pub(super) async fn points(&self) -> Vec<RecoveryPoint> {
        let mut all = Vec::new();
        for service in self.records.services().await.unwrap() {
            let points = self.records.points(&service, None).await.unwrap();
            assert!(points.unreadable.is_empty(), "{:?}", points.unreadable);
            all.extend(points.points);
        }
        all
    }

    /// What must hold whenever a blob is deleted: it is the one that a recovery point calls its own, the rules let it
    /// go, and no restore reads it.
    pub(super) async fn check_delete(&self, blob: &BlobRef, lying: &Seen) {
        let mut wrong = Vec::new();
        let points = self.points().await;
        match standing(&points).into_iter().find(|point| point.blob == *blob) {
            None => wrong.push("it is a stranger's"),
            Some(point) => {
                if point.verification.seen().is_none_or(|known| !known.is_same(lying)) {
                    wrong.push("somebody wrote it since");
                }
                let mut its = standing(&points);
                its.retain(|other| other.service == point.service);
                match self.keep {
                    None => wrong.push("there are no rules"),
                    Some(keep) if !may_go(point, &its, keep) => wrong.push("a rule keeps it"),
                    Some(_) => {}
                }
            }
        }
        if self.is_read(blob.name.as_str()) {
            wrong.push("a restore reads it");
        }
        self.note(wrong.into_iter().map(|wrong| format!("{blob} was deleted, and {wrong}")));
    }

    /// What must hold whenever a marker goes: a backup that succeeded is a recovery point by then.
    pub(super) async fn check_forgotten(&self, marker: &str) {
        let id = marker.split('.').next().unwrap().parse().unwrap();
        let last = self.records.last(id).await.unwrap();
        let Some(point) = last.and_then(|entry| RecoveryPoint::of(&entry.operation)) else { return };
        let points = self.records.points(&point.service.name, None).await.unwrap().points;
        let is_it = |known: &RecoveryPoint| known.id == point.id;
        if !points.iter().any(is_it) && !self.gone().await.iter().any(is_it) {
            self.note([format!("the marker of {id} went, and its recovery point is not in the catalogue")]);
        }
    }
}
