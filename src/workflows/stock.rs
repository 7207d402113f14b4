//! Taking stock: what the catalogue says of a container, beside what lies in it.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use jiff::Timestamp;

use super::retire::by_retention;

use crate::{
    domain::{BlobName, ContainerRef, Deleted, RecoveryPoint, Secret, Seen, ServiceName, standing},
    ports::{Listed, Ports, RecordsError},
};

/// How many blobs of others are told at most.
const MOST_STRANGERS: usize = 1000;

/// What is known of a container.
#[derive(Debug, Default)]
pub struct Stock {
    /// The recovery points that stand, newest first, service by service.
    pub items: Vec<Item>,
    /// Blobs that the catalogue does not own, by name; of very many only the first.
    pub strangers: Vec<Listed>,
    /// How many of them there are.
    pub strangers_count: usize,
    /// Why the container could not be listed.
    pub unlisted: Option<String>,
    pub unreadable: Vec<RecordsError>,
    /// Recovery points that a newer one has overwritten.
    superseded: Vec<RecoveryPoint>,
}

/// A recovery point, and its blob.
#[derive(Debug)]
pub struct Item {
    pub point: RecoveryPoint,
    pub blob: Whereabouts,
}

/// Where the blob of a recovery point is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    There(Seen),
    /// There, but written by somebody else since.
    Overwritten(Seen),
    Gone,
    /// The container could not be listed.
    Unknown,
}

impl Stock {
    /// A container that has none of what should be there may be the wrong one: then nothing is called gone.
    fn is_right_place(&self) -> bool {
        self.items.iter().any(|item| item.seen().is_some())
    }
}

impl Item {
    /// What of it is there, and still what it was.
    pub fn seen(&self) -> Option<&Seen> {
        match &self.blob {
            Whereabouts::There(seen) => Some(seen),
            Whereabouts::Overwritten(_) | Whereabouts::Gone | Whereabouts::Unknown => None,
        }
    }
}

/// Takes stock of a container, as far as these services have recovery points in it.
pub async fn take_stock(
    ports: &Ports,
    services: &[ServiceName],
    container: &ContainerRef,
    access_key: Option<&Secret>,
) -> Result<Stock, RecordsError> {
    let mut stock = Stock::default();
    for service in services {
        let points = ports.catalog.points(service, None).await?;
        stock.unreadable.extend(points.unreadable);
        let (ours, superseded) = sorted_out(points.points, container);
        stock.superseded.extend(superseded);
        stock.items.extend(ours.into_iter().map(|point| Item { point, blob: Whereabouts::Gone }));
    }
    // Only what the catalogue knows is kept of a container that may be very large.
    let mut known: HashMap<BlobName, Vec<usize>> = HashMap::new();
    for (index, item) in stock.items.iter().enumerate() {
        known.entry(item.point.blob.name.clone()).or_default().push(index);
    }
    let mut listed = ports.blobs.list(container, access_key);
    while let Some(blob) = listed.next().await {
        let blob = match blob {
            Ok(blob) => blob,
            Err(reason) => {
                stock.unlisted = Some(reason);
                break;
            }
        };
        let owners = blob.name.parse::<BlobName>().ok().and_then(|name| known.get(&name));
        for index in owners.into_iter().flatten() {
            let item = &mut stock.items[*index];
            item.blob = whereabouts(&item.point, &blob.seen);
        }
        if owners.is_none() {
            stock.strangers_count += 1;
            if stock.strangers.len() < MOST_STRANGERS {
                stock.strangers.push(blob);
            }
        }
    }
    if stock.unlisted.is_some() {
        let unseen = stock.items.iter_mut().filter(|item| item.blob == Whereabouts::Gone);
        unseen.for_each(|item| item.blob = Whereabouts::Unknown);
    }
    Ok(stock)
}

/// Those that stand in the container, and those that do not any more.
fn sorted_out(
    mut points: Vec<RecoveryPoint>,
    container: &ContainerRef,
) -> (Vec<RecoveryPoint>, Vec<RecoveryPoint>) {
    points.retain(|point| point.blob.place() == *container);
    let ours = standing(points.clone());
    let stands: HashSet<_> = ours.iter().map(|point| point.id).collect();
    points.retain(|point| !stands.contains(&point.id));
    (ours, points)
}

/// Writes down what the listing told of points whose blob could not be seen before, which were overwritten, and which
/// retention has deleted without living to say so: its mark is left. They need not be read again.
pub(super) async fn note(ports: &Ports, stock: &Stock) -> Result<(), RecordsError> {
    let now = ports.azure.now();
    let is_right_place = stock.is_right_place();
    for point in &stock.superseded {
        let deleted = Deleted { at: now, reason: "a newer backup has overwritten it".to_owned() };
        ports.catalog.record_deleted(point, &deleted).await?;
    }
    for Item { point, blob } in &stock.items {
        match blob {
            Whereabouts::There(seen) if point.is_proved_by(seen) => {
                ports.catalog.record_verified(point, seen, now).await?;
            }
            Whereabouts::Gone
                if is_right_place && ports.catalog.marked(&point.blob, Timestamp::MIN).await?.is_some() =>
            {
                ports.catalog.record_deleted(point, &by_retention(ports)).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The same, and which points somebody else deleted. Nobody takes that back, so only somebody who looks at it says so.
pub async fn note_all(ports: &Ports, stock: &Stock) -> Result<(), RecordsError> {
    note(ports, stock).await?;
    let is_right_place = stock.is_right_place();
    for item in stock.items.iter().filter(|item| item.blob == Whereabouts::Gone && is_right_place) {
        let deleted = Deleted { at: ports.azure.now(), reason: "somebody else deleted it".to_owned() };
        ports.catalog.record_deleted(&item.point, &deleted).await?;
    }
    Ok(())
}

fn whereabouts(point: &RecoveryPoint, seen: &Seen) -> Whereabouts {
    if point.is_of(seen) { Whereabouts::There(seen.clone()) } else { Whereabouts::Overwritten(seen.clone()) }
}
