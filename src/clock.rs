//! The time of an emulator, for processes that are to live in simulated time.
//!
//! What is known of it is the newest instant that the emulator told. Without the emulator it stands still.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::Client;
use serde::Deserialize;
use tokio::sync::watch;
use url::Url;

use crate::{
    domain::later,
    ports::{Clock, SystemClock},
};

/// How long one question may take; the emulator answers after 20 s at the latest.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Real time between two questions when nobody answers.
const PAUSE: Duration = Duration::from_secs(1);

/// The clock at that address, or the system's.
pub async fn open(address: Option<&Url>) -> Result<Arc<dyn Clock>, NoClock> {
    match address {
        Some(address) => Ok(Arc::new(EmulatedClock::follow(address.clone()).await?)),
        None => Ok(Arc::new(SystemClock)),
    }
}

/// The emulator did not tell the time.
#[derive(Debug, thiserror::Error)]
#[error("APIM_DR_CLOCK: {address} does not tell the time")]
pub struct NoClock {
    address: Url,
    source: Failure,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The clock of an emulator.
#[derive(Debug)]
struct EmulatedClock {
    /// The newest known instant.
    known: watch::Receiver<Timestamp>,
}

#[derive(Deserialize)]
struct Told {
    now: Timestamp,
}

impl EmulatedClock {
    /// Asks for the time, then follows it in the background for as long as somebody has this clock.
    async fn follow(address: Url) -> Result<Self, NoClock> {
        let failed = |source| NoClock { address: address.clone(), source };
        let client = Client::builder().no_proxy().timeout(TIMEOUT).build();
        let client = client.map_err(|error| failed(error.into()))?;
        let (told, known) = watch::channel(ask(&client, address.clone()).await.map_err(failed)?);
        tokio::spawn(async move {
            tokio::select! {
                () = follow(&client, &address, &told) => {}
                () = told.closed() => {}
            }
        });
        Ok(Self { known })
    }
}

/// Asks for what is later than the newest known instant, again and again.
async fn follow(client: &Client, address: &Url, told: &watch::Sender<Timestamp>) {
    let mut failures = 0_u32;
    loop {
        let mut later = address.clone();
        later.query_pairs_mut().append_pair("after", &told.borrow().to_string());
        match ask(client, later).await {
            Ok(now) => {
                failures = 0;
                // It never goes back.
                told.send_if_modified(|known| std::mem::replace(known, now.max(*known)) < now);
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                // Once is what a process hears that ends: its own requests are cut off.
                if failures == 2 {
                    tracing::warn!(
                        error = &*error as &dyn std::error::Error,
                        "APIM_DR_CLOCK no longer tells the time, so it stands still"
                    );
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn ask(client: &Client, address: Url) -> Result<Timestamp, Failure> {
    let answer = client.get(address).send().await?.error_for_status()?.bytes().await?;
    let Told { now } = serde_json::from_slice(&answer)?;
    Ok(now)
}

#[async_trait]
impl Clock for EmulatedClock {
    fn now(&self) -> Timestamp {
        *self.known.borrow()
    }

    fn elapsed(&self) -> Duration {
        self.now().as_duration().unsigned_abs()
    }

    async fn sleep(&self, pause: Duration) {
        let until = later(self.now(), pause);
        if self.known.clone().wait_for(|now| *now >= until).await.is_err() {
            // Nobody follows the time any more: this process ends.
            std::future::pending::<()>().await;
        }
    }
}
