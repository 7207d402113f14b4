//! A small Azure on loopback: Entra ID, the App Service identity endpoint, Azure Resource Manager
//! for API Management, and the Blob service. Strict where real sessions were recorded, and said to
//! be unverified where none was.
//!
//! It shares no code with the rest of the crate: client and emulator meet over HTTP only, each with
//! its own reading of the protocol, so that a misreading shows. It has a clock that can be moved
//! ([`Clock`]) and scripted [`Fault`]s.
//!
//! What it does not know: the APIs behind the API Management gateway, callers' permissions in Resource
//! Manager (any live token may do there what [`Emulator::deny`] has not taken away), and signatures of
//! storage requests.

pub mod accounts;
mod admin;
mod arm;
mod blob;
mod call;
mod clock;
mod entra;
mod faults;
mod gateway;
mod log;
mod operation;
mod outside;
mod reply;
mod server;
mod service;
mod storage;
#[cfg(test)]
mod tests;
mod transfer;
mod world;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use self::outside::Outside;
use self::server::Shared;

pub use self::clock::Clock;
pub use self::faults::{Effect, Fault, LocationForm, Match};
pub use self::log::LoggedRequest;
pub use self::operation::Run;
pub use self::service::{
    AdditionalLocation, CaCertificate, Certificate, Connectivity, Diagnostics, Entities, Hostname, Logged,
    Service,
};
pub use self::storage::{Account, Blob, Container, Lock, ResourceAccessRule, RoleAssignment};

/// How the emulator behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// `Retry-After` of running operations, in seconds; 60 is what every recording has.
    pub retry_after: u32,
    /// How long a backup, a restore or an update takes, by [`Config::clock`]; 543 s is the median
    /// of recorded backups.
    pub operation: Duration,
    pub clock: Clock,
    /// Base of the absolute URLs it answers, for when TLS or another name stands in front. `None`:
    /// `http://{Host}`.
    pub public_url: Option<String>,
    /// How long a token lives; 3599 s as recorded.
    pub token_lifetime: Duration,
    /// A real blob service on this machine, with `{account}` in its address: backups are written there and
    /// restored from there with the key of the request, and any account is taken as existing. They get there
    /// with the first request after their time.
    pub blob_endpoint: Option<String>,
    /// Whether `gatewayUrl` leads to the emulator, where a gateway can be probed, and not to Azure.
    pub local_gateway: bool,
    /// How many storage accounts a list has on one page.
    pub account_page: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            retry_after: 60,
            operation: Duration::from_secs(543),
            clock: Clock::system(),
            public_url: None,
            token_lifetime: Duration::from_secs(3599),
            blob_endpoint: None,
            local_gateway: true,
            account_page: 100,
        }
    }
}

/// A running emulator. It ends when this is dropped, or stopped.
#[derive(Debug)]
pub struct Emulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Dropping it ends the server.
    stop: DropGuard,
    server: JoinHandle<()>,
}

impl Emulator {
    /// Binds, and serves the default world of [`accounts`] in a background task.
    pub async fn start(config: Config) -> io::Result<Self> {
        let outside = config.blob_endpoint.as_deref().map(Outside::new).transpose();
        let outside = outside.map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(config, outside));
        let stop = shared.stopping.clone().drop_guard();
        let server = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, stop, server })
    }

    /// Ends the server; what is being answered is answered first.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the emulator's server failed");
        }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn clock(&self) -> &Clock {
        &self.shared.config.clock
    }

    /// The environment that points the app at this emulator: names and values. Only a manual clock is the app's,
    /// too: one that runs needs no telling.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let url = self.public_url();
        let clock =
            self.clock().is_manual().then(|| ("APIM_DR_CLOCK", format!("{}/_emulator/clock", self.url())));
        let always = [
            ("APIM_DR_ALLOW_HTTP_LOOPBACK", "true".to_owned()),
            ("AZURE_AUTHORITY_HOST", url.clone()),
            ("APIM_DR_ARM_ENDPOINT", url.clone()),
            ("APIM_DR_BLOB_ENDPOINT", self.blob_endpoint("{account}")),
            ("IDENTITY_ENDPOINT", format!("{url}/msi/token")),
            ("IDENTITY_HEADER", accounts::IDENTITY_HEADER.to_owned()),
        ];
        always.into_iter().chain(clock).collect()
    }

    /// The Blob service's address of one account: the emulator's own, or that of the real service.
    pub fn blob_endpoint(&self, account: &str) -> String {
        let here = || format!("{}/blob/{account}", self.public_url());
        self.shared.outside.as_ref().map_or_else(here, |outside| outside.of(account))
    }

    fn public_url(&self) -> String {
        let url = self.shared.config.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        url.unwrap_or_else(|| self.url())
    }

    /// What arrived so far, oldest first; the newest hundred thousand.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.world().log.requests()
    }

    /// How many requests arrived so far.
    pub fn arrived(&self) -> usize {
        self.shared.world().log.count()
    }

    /// The backups and restores that were taken, in the order in which they began.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<_> = self.shared.world().operations.values().filter_map(Run::of).collect();
        runs.sort_by_key(|run| run.began);
        runs
    }

    /// How many `backup` or `restore` POSTs arrived, answered or not.
    pub fn posts(&self, kind: &str) -> usize {
        self.shared.world().log.posts.of(kind)
    }

    /// How many of them began a `backup` or `restore`, whether the caller was told or not.
    pub fn accepted(&self, kind: &str) -> usize {
        self.shared.world().accepted.of(kind)
    }

    /// The tokens that were issued and not forgotten since.
    pub fn tokens(&self) -> Vec<String> {
        self.shared.world().tokens.keys().cloned().collect()
    }

    /// Adds a fault; earlier ones strike first.
    pub fn inject(&self, fault: Fault) {
        self.shared.world().faults.push(fault);
    }

    /// Lets no fault strike any more.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }

    /// The faults that have not yet struck as often as they should.
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.world().faults.clone()
    }

    /// How many faults have not yet struck as often as they should.
    pub fn faults_left(&self) -> usize {
        self.shared.world().faults.len()
    }

    /// Adds a service, or replaces the one of its name. Its system-assigned identity may write
    /// blobs.
    pub fn add_service(&self, service: Service) {
        self.shared.world().add_service(service);
    }

    /// Deletes a service: from then on the provider answers `ServiceNotFound`, and for 48 hours it is listed
    /// among the deleted ones.
    pub fn delete_service(&self, name: &str) {
        let now = self.clock().now();
        self.shared.world().delete_service(name, now);
    }

    /// Takes away everybody's right to what has this part in its path; case does not count, and the path ends
    /// in a `?` there.
    pub fn deny(&self, path_part: &str) {
        self.shared.world().denied.push(path_part.to_ascii_lowercase());
    }

    /// Gives back every right that was taken away.
    pub fn allow_all(&self) {
        self.shared.world().denied.clear();
    }

    /// Reads or changes a service; `None` if there is none of this name.
    pub fn with_service<R>(&self, name: &str, change: impl FnOnce(&mut Service) -> R) -> Option<R> {
        self.shared.world().services.get_mut(&name.to_ascii_lowercase()).map(change)
    }

    /// Adds a storage account, or replaces the one of its name.
    pub fn add_account(&self, name: &str, account: Account) {
        self.shared.world().accounts.insert(name.to_owned(), account);
    }

    /// Reads or changes a storage account; `None` if there is none of this name.
    pub fn with_account<R>(&self, name: &str, change: impl FnOnce(&mut Account) -> R) -> Option<R> {
        self.shared.world().accounts.get_mut(name).map(change)
    }

    /// Reads or changes the role assignments.
    pub fn with_roles<R>(&self, change: impl FnOnce(&mut Vec<RoleAssignment>) -> R) -> R {
        change(&mut self.shared.world().roles)
    }

    /// Name, size in bytes and `ETag` of each blob, by name; nothing if there is no such container.
    pub fn blobs(&self, account: &str, container: &str) -> Vec<(String, usize, String)> {
        let world = self.shared.world();
        let blobs = world.accounts.get(account).and_then(|account| account.containers.get(container));
        let blobs = blobs.into_iter().flatten();
        blobs.map(|(name, blob)| (name.clone(), blob.content.len(), blob.etag.clone())).collect()
    }

    /// Writes a blob now, by the emulator's clock; account and container are made if they are
    /// missing.
    pub fn put_blob(&self, account: &str, container: &str, name: &str, content: impl Into<Bytes>) {
        let now = self.clock().now();
        let mut world = self.shared.world();
        let account = world.accounts.entry(account.to_owned()).or_default();
        account.put(container, name, content.into(), "application/octet-stream", now);
    }

    /// Puts a lock on a blob; says whether the blob is there.
    pub fn lock_blob(&self, account: &str, container: &str, name: &str, lock: Lock) -> bool {
        self.shared.world().blob_mut(account, container, name).map(|blob| blob.locks.push(lock)).is_some()
    }

    /// Reads or changes a blob; `None` if there is none of this name.
    pub fn with_blob<R>(
        &self,
        account: &str,
        container: &str,
        name: &str,
        change: impl FnOnce(&mut Blob) -> R,
    ) -> Option<R> {
        self.shared.world().blob_mut(account, container, name).map(change)
    }

    /// Deletes a blob, locked or not; says whether it was there.
    pub fn delete_blob(&self, account: &str, container: &str, name: &str) -> bool {
        let mut world = self.shared.world();
        let container =
            world.accounts.get_mut(account).and_then(|account| account.containers.get_mut(container));
        container.is_some_and(|blobs| blobs.remove(name).is_some())
    }
}
