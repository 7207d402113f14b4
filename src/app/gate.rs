//! The gate that stays shut while settings, or the records, do not allow an app.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::OnceCell;

use super::App;
use crate::{
    ports::Clock,
    records::Location,
    settings::{Problem, Settings},
};

/// How long an app that could not be opened is not tried again: whoever asks meanwhile is told at once.
const FAILURE_STANDS: Duration = Duration::from_secs(5);

/// The app as soon as its settings and its records allow. Bad settings never stop the process: under
/// the host that would be a crash loop, and nobody could be told what is wrong.
#[derive(Debug)]
pub struct Gate {
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// Where the records are, if not where the settings say.
    place: Option<Location>,
    app: OnceCell<Arc<App>>,
    /// What the last try to open the app said, and when.
    failed: Mutex<Option<(Duration, Vec<Problem>)>>,
}

/// Why there is no app, for the caller who met it.
#[derive(Debug)]
pub struct Unready(pub Vec<Problem>);

impl Gate {
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, place: None, app: OnceCell::new(), failed: Mutex::default() }
    }

    /// The same with the records at `place`: a store that somebody else opened.
    pub fn at(place: Location, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self { place: Some(place), ..Self::new(settings, clock) }
    }

    /// The app; opened by whoever asks first, and again if that failed a while ago.
    pub async fn app(&self) -> Result<Arc<App>, Unready> {
        if let Some(failed) = self.failed_just_now() {
            return Err(failed);
        }
        let open = || async {
            // Whoever waited while another tried need not try as well.
            if let Some(failed) = self.failed_just_now() {
                return Err(failed);
            }
            let opened = App::open_at(self.place.as_ref(), &self.settings, self.clock.clone()).await;
            opened.map(Arc::new).map_err(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the app is not ready");
                let problems = error.problems();
                *self.failed() = Some((self.clock.elapsed(), problems.clone()));
                Unready(problems)
            })
        };
        self.app.get_or_try_init(open).await.cloned()
    }

    fn failed_just_now(&self) -> Option<Unready> {
        let failed = self.failed();
        let (at, problems) = failed.as_ref()?;
        let is_fresh = self.clock.elapsed().saturating_sub(*at) < FAILURE_STANDS;
        (is_fresh && self.app.get().is_none()).then(|| Unready(problems.clone()))
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Duration, Vec<Problem>)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The app, if somebody has asked for it and it could be opened.
    pub fn opened(&self) -> Option<&Arc<App>> {
        self.app.get()
    }

    /// What is wrong, as far as known without looking.
    pub fn problems(&self) -> Vec<Problem> {
        match &*self.failed() {
            Some((_, problems)) if self.app.get().is_none() => problems.clone(),
            _ => self.settings.problems.clone(),
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}
