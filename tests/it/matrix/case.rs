//! What the first process is there for, who else is there, and what goes wrong.

use super::*;
use crate::bed::{but, seed};

/// Who else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// Only carries on what is open.
    Sweep,
    /// Sends the same request, as somebody else.
    EqualRequest,
    /// Cancels whatever is open.
    Cancel,
    /// Two timers fire for the next instant of the schedule, for the same service and blob.
    NextSlot,
    /// Retires by hand what the backup retires.
    Retire,
    /// Restores one of the points that are to go.
    Restore,
    /// The same, and has begun before the backup.
    Restoring,
    /// Adopts blobs of others in the same container.
    Adopt,
    /// The next slot's backup has the name of a point that is to go.
    Overwrite,
}

/// What a caller would have sent.
pub(super) fn order(kind: Kind, fields: &serde_json::Value) -> (Plan, Credentials) {
    let body = but(seed(kind.as_str()), fields).to_string();
    let parsed = payload::parse(kind, body.as_bytes(), &StartPolicy::default(), &[]).unwrap();
    let Order { plan, credentials, .. } =
        parsed.payload.into_order(&apim_dr::domain::CallbackHosts::default()).unwrap();
    (
        plan,
        Credentials { callback: Some(Callback::Url(Secret::new("https://example.com/end"))), ..credentials },
    )
}

pub(super) fn slot(instant: &str) -> Cause {
    Cause::Slot { target: "primary".parse().unwrap(), instant: instant.parse().unwrap() }
}

/// What the first process is there for, and what goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) kind: Kind,
    pub(super) second: Second,
    pub(super) replies: &'static [Reply],
    pub(super) deadline: Duration,
    /// How many recovery points its plan keeps, if it says so; then there are older ones.
    pub(super) keep: Option<usize>,
    pub(super) mishap: Option<(usize, Mishap)>,
}

impl Case {
    /// Nothing goes wrong.
    pub(super) const fn of(kind: Kind, second: Second) -> Self {
        Self { kind, second, replies: &[], deadline: Duration::from_hours(6), keep: None, mishap: None }
    }

    /// The world before it begins.
    pub(super) async fn world(self) -> Arc<World> {
        let world = World::with(self.replies, self.deadline, self.keep);
        if self.kind == Kind::Restore {
            let (plan, _) = order(self.kind, &serde_json::json!({}));
            world.shelf.put(plan.blob.name.as_str(), world.now());
        }
        if self.keep.is_some() {
            retiring::fill(&world).await;
        }
        if self.second == Second::Restoring {
            let driver = Driver::new(Process::new(&world, None).ports());
            let id = retiring::open_restore(&driver).await;
            driver.drive(id, world.now(), |_| ()).await.unwrap().unwrap();
        }
        world
    }

    pub(super) fn cause(self) -> Cause {
        match (self.kind, self.second) {
            (Kind::Restore, _) | (_, Second::EqualRequest) => Cause::Request,
            (Kind::Backup, _) => slot("2026-11-21T01:00:00Z"),
        }
    }

    pub(super) async fn open(self, driver: &Driver) -> Result<Opened, Error> {
        let (mut plan, credentials) = order(self.kind, &serde_json::json!({}));
        plan.retention = self.keep.map(retiring::policy);
        open(driver.ports(), plan, &credentials, &self.cause(), IfBusy::Wait).await
    }

    /// An equal request, which somebody else sends.
    pub(super) fn other_order(self) -> (Plan, Credentials) {
        order(self.kind, &serde_json::json!({ "resourceGroup": OTHER_GROUP, "accessKey": OTHER_KEY }))
    }

    /// Nothing but the mishap goes wrong, and there is time.
    pub(super) fn is_plain(self) -> bool {
        self.replies.is_empty() && self.deadline >= Duration::from_hours(6)
    }
}
