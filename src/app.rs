//! The composition root: settings in, a working app out.

mod gate;
mod shared;

use std::{future::Future, sync::Arc, time::Duration};

use futures::future::join;
use jiff::Timestamp;
use tokio::task::JoinError;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::{
    azure::{Arm, BlobReader, Storage, storage_advice},
    domain::{Concerns, OperationId, Report, Schedule, Target, later},
    hooks::{Limits, Messenger},
    keys::StateKey,
    payload::StartPolicy,
    ports::{Clock, Ports, RecordsError},
    records::{Location, Records},
    settings::{Problem, RecordsPlace, Settings},
    workflows::{self, Agenda, Courier, Driver, Due, Lookout, Next, Pruner, Step, Swept, Watch},
};

pub use gate::{Gate, Unready};
use shared::Shared;

/// How long the steps may take that an HTTP trigger takes in the background. It must not be nothing: our clock may
/// be corrected by a moment in between.
const FIRST_STEPS: Duration = Duration::from_secs(5);
/// Pause between two looks for operations that nobody drives; the host's sweep keeps the same.
const LOOK: Duration = Duration::from_mins(1);

/// Everything a trigger or a command needs.
#[derive(Debug)]
pub struct App {
    pub driver: Driver,
    pub start_policy: StartPolicy,
    /// Base of the links that callers get; `None`: as they reached us.
    pub public_url: Option<String>,
    agenda: Agenda,
    /// What is wrong with targets that are not among the agenda's.
    invalid_targets: Vec<String>,
    /// Of the timer trigger.
    schedule: Option<Schedule>,
    key: StateKey,
    under_host: bool,
    tasks: TaskTracker,
    pruner: Pruner,
    watch: Watch,
    lookout: Lookout,
    courier: Courier,
    reports: Shared<Report, RecordsError>,
}

impl App {
    /// Builds the app that `settings` describe. The records are opened, and probed, here.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, NotOpened> {
        Self::open_at(None, settings, clock).await
    }

    /// The same with its records at `place`, if one is given, wherever the settings would have them.
    async fn open_at(
        place: Option<&Location>,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NotOpened> {
        let arm = match &settings.arm {
            Some(arm) if settings.fatal_problems().next().is_none() => arm.clone(),
            _ => return Err(NotOpened::Settings(settings.problems.clone())),
        };
        let endpoints = arm.endpoints.clone();
        let azure = Arc::new(Arm::new(arm, clock.clone()));
        let storage = azure.storage();
        let not_opened = |source| NotOpened::Records {
            setting: settings.records.setting(),
            place: settings.records.to_string(),
            source,
        };
        let location = match place {
            Some(place) => place.clone(),
            None => location(&settings.records, &storage).map_err(not_opened)?,
        };
        let records = Records::open(&location, settings.state_key.clone()).await.map_err(not_opened)?;
        let key = records.state_key().clone();
        let records = Arc::new(records);
        let messenger = Messenger::new(settings.hooks.clone(), Limits::default(), clock.clone());
        let ports = Ports {
            clock,
            inspection: azure.clone(),
            azure,
            blobs: Arc::new(BlobReader::new(endpoints, storage, settings.blob_connections.clone())),
            catalog: records.clone(),
            alarms: records.clone(),
            outbox: records.clone(),
            journal: records,
            hooks: Arc::new(messenger),
            concerns: Concerns::new(&settings.targets),
            bounds: settings.start_policy.bounds.clone(),
            deadlines: settings.deadlines,
            settle: settings.settle,
        };
        Ok(Self {
            driver: Driver::new(ports),
            start_policy: settings.start_policy.clone(),
            public_url: settings.public_url.clone(),
            invalid_targets: settings.schedule_problems().map(ToString::to_string).collect(),
            agenda: Agenda::new(settings.targets.clone()),
            schedule: settings.schedule.clone(),
            key,
            under_host: settings.under_host,
            tasks: TaskTracker::new(),
            pruner: Pruner::default(),
            watch: Watch::default(),
            lookout: Lookout::default(),
            courier: Courier::default(),
            reports: Shared::default(),
        })
    }

    pub fn ports(&self) -> &Ports {
        self.driver.ports()
    }

    pub fn targets(&self) -> &[Target] {
        self.agenda.targets()
    }

    pub fn key(&self) -> &StateKey {
        &self.key
    }

    /// Takes the first steps of an operation in the background. Under the host the sweep takes the later
    /// ones, because an instance may be frozen once it has answered; stand-alone it is followed to its end.
    pub fn pursue(self: &Arc<Self>, id: OperationId) {
        let app = self.clone();
        let until =
            if self.under_host { later(self.ports().clock.now(), FIRST_STEPS) } else { Timestamp::MAX };
        let task = async move {
            match app.driver.drive(id, until, |_| ()).await {
                Some(Ok(Step { next: Next::Closed, .. })) => {
                    app.lookout.hurry();
                    // Boxed: a thousand operations wait, and few have ended.
                    Box::pin(app.tell_until_stopped()).await;
                }
                Some(Err(error)) => tracing::error!(
                    operation.id = %id,
                    error = &error as &dyn std::error::Error,
                    "the operation waits for whoever looks next"
                ),
                Some(Ok(_)) | None => {}
            }
        };
        self.tasks.spawn(task.in_current_span());
    }

    /// What the records tell of the targets now: read after this was called.
    pub async fn report(&self) -> Result<Arc<Report>, Arc<RecordsError>> {
        let ports = self.ports();
        let read = async {
            workflows::report(ports, self.targets(), &self.invalid_targets, ports.azure.now()).await
        };
        self.reports.get(read).await
    }

    /// Opens the slots that are due, then sweeps, and tells how it went.
    pub async fn sweep(self: &Arc<Self>, linger: Duration) -> Result<Swept, workflows::Error> {
        let app = self.clone();
        let sweep = async move {
            app.open_due(None).await;
            let swept = app.driver.sweep(linger).await;
            if swept.as_ref().is_ok_and(|swept| swept.closed > 0) {
                app.lookout.hurry();
                // Within the invocation: under the host nobody may come back for minutes.
                app.tell_until_stopped().await;
            }
            app.look_after();
            swept
        };
        self.in_background(sweep).await.unwrap_or_else(|| Ok(Swept::default()))
    }

    /// Looks at the targets and prunes the records in the background, if nobody did today, and tells what there is to tell.
    /// Nobody waits for it, and a stop cuts it short: the next process, or the next day, goes on.
    fn look_after(self: &Arc<Self>) {
        let app = self.clone();
        let task = async move {
            let ports = app.ports();
            let look = async {
                app.watch.look(ports, app.targets()).await;
                app.tell().await;
            };
            tokio::select! {
                ((), ()) = join(app.pruner.prune(ports), look) => {}
                () = app.driver.stopped() => {}
            }
        };
        self.tasks.spawn(task.in_current_span());
    }

    async fn tell_until_stopped(&self) {
        tokio::select! {
            () = self.tell() => {}
            () = self.driver.stopped() => {}
        }
    }

    /// Carries the letters that are due; with `only`, those of these operations.
    pub async fn deliver(&self, only: Option<&[OperationId]>) {
        self.courier.deliver(self.ports(), &self.tasks, only).await;
    }

    /// Raises and resolves alarms, and carries the letters that are due.
    async fn tell(&self) {
        let ports = self.ports();
        self.lookout.look(ports, self.targets(), &self.invalid_targets).await;
        self.deliver(None).await;
    }

    /// The timer trigger fires; `next` is the instant that its status names. Opens the slots that are due, and takes
    /// their first steps.
    pub async fn fire(self: &Arc<Self>, next: Option<Timestamp>) -> Vec<Due> {
        let app = self.clone();
        let open = async move {
            let now = app.ports().azure.now();
            let fired = app.schedule.as_ref().and_then(|schedule| schedule.fired(next, now));
            let due = app.open_due(fired).await;
            due.iter()
                .filter_map(|due| due.opened.as_ref().ok())
                .for_each(|operation| app.pursue(operation.id));
            due
        };
        self.in_background(open).await.unwrap_or_default()
    }

    async fn open_due(&self, fired: Option<Timestamp>) -> Vec<Due> {
        let ports = self.ports();
        self.agenda.open_due(ports, ports.azure.now(), fired).await
    }

    /// Whoever asked may hang up meanwhile: a POST that is on its way must not be dropped with the request that led
    /// to it. `None`: the runtime ends.
    async fn in_background<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        match self.tasks.spawn(work.in_current_span()).await.map_err(JoinError::try_into_panic) {
            Ok(done) => Some(done),
            // A panic is the caller's, as it would be without the task: the invocation fails and shows it.
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_)) => None,
        }
    }

    /// Opens every minute the slots that are due, looks for operations that nobody in this process drives, and
    /// pursues them: what another process left behind must not wait, and may hold a service that others wait for.
    pub async fn pursue_what_is_open(self: Arc<Self>) {
        loop {
            self.open_due(None).await;
            match self.ports().journal.open_operations().await {
                Ok(open) => open.into_iter().for_each(|id| self.pursue(id)),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the open operations cannot be listed"
                    );
                }
            }
            self.look_after();
            // Not a minute late, where it can be prompt.
            let now = self.ports().azure.now();
            let next = self.agenda.next(now).map(|next| next.duration_since(now).try_into());
            let pause = next.and_then(Result::ok).map_or(LOOK, |next: Duration| next.min(LOOK));
            self.ports().clock.sleep(pause).await;
        }
    }

    /// Waits until the steps that were taken in the background are over.
    pub async fn settle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}

/// Opens the place of the records, as far as that is Azure's.
fn location(place: &RecordsPlace, storage: &Storage) -> Result<Location, RecordsError> {
    Ok(match place {
        RecordsPlace::Memory => Location::Memory,
        RecordsPlace::Directory(path) => Location::Directory(path.clone()),
        RecordsPlace::Container(container) => {
            let store = storage.container(&container.service, &container.name).map_err(|source| {
                RecordsError::Store { action: "open", path: place.to_string(), source: source.into() }
            })?;
            Location::Container { store, prefix: container.prefix.clone() }
        }
    })
}

/// Why there is no app.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    #[error("bad settings: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<Problem>),
    #[error("{setting}: {place} cannot be used{}", advice(source).map(|it| format!(": {it}")).unwrap_or_default())]
    Records {
        setting: &'static str,
        place: String,
        #[source]
        source: RecordsError,
    },
}

impl NotOpened {
    /// What anybody may know of it: names of settings and remedies.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Settings(problems) => problems.clone(),
            Self::Records { setting, source, .. } => {
                let remedy = advice(source);
                let remedy =
                    remedy.unwrap_or_else(|| "the records cannot be opened; the log says why".to_owned());
                vec![Problem::new(*setting, remedy)]
            }
        }
    }
}

/// What helps, in words of ours.
fn advice(error: &RecordsError) -> Option<String> {
    storage_advice(error, "Storage Blob Data Contributor")
}
