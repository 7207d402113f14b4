//! The emulator's whole state behind one lock, and the passing of its time. Knows nothing of HTTP.
//!
//! Nothing runs in the background: whatever came due is settled before a request is looked at, at
//! the instant it was due.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::Config;
use super::accounts;
use super::entra::Token;
use super::faults::Fault;
use super::log::Log;
use super::operation::{Failure, Kind, Operation, Script, carry_out, conclude};
use super::service::Service;
use super::storage::{Account, Blob, RoleAssignment, account_id};
use super::transfer::Transfer;

/// Everything that the emulated Azure remembers.
#[derive(Debug, Default)]
pub(super) struct World {
    /// By name in small letters.
    pub services: BTreeMap<String, Service>,
    /// By name in small letters: ARM still routes them, and the provider answers that they are gone.
    pub deleted_services: BTreeMap<String, Deleted>,
    /// By name.
    pub accounts: BTreeMap<String, Account>,
    pub roles: Vec<RoleAssignment>,
    /// Parts of the paths that nobody may use, in small letters.
    pub denied: Vec<String>,
    pub tokens: HashMap<String, Token>,
    /// By id.
    pub operations: HashMap<String, Operation>,
    pub faults: Vec<Fault>,
    pub log: Log,
    /// How many backups and restores began.
    pub accepted: Counts,
    /// How many reads and writes ARM answered: its quota headers count down from them.
    pub reads: u32,
    pub writes: u32,
    /// Whether the services' gateways are the emulator's own.
    pub local_gateway: bool,
    /// How many storage accounts are on one page.
    pub account_page: usize,
    /// Whether backups are kept in a real blob service.
    pub stores_outside: bool,
    /// What is to be done there, in this order.
    pub jobs: VecDeque<Job>,
    /// What will happen, by its instant and the order in which it was begun.
    due: BTreeMap<(Timestamp, u64), Due>,
    begun: u64,
}

/// A service that was deleted.
#[derive(Debug)]
pub(super) struct Deleted {
    pub service: Service,
    pub at: Timestamp,
}

/// A transfer that came due.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// The operation that ends with it, if one does.
    operation: Option<String>,
    at: Timestamp,
    pub transfer: Transfer,
}

#[derive(Debug)]
enum Due {
    /// The operation of this id ends.
    End(String),
    /// The blob of a backup appears that ended before.
    Write(Transfer),
}

/// Numbers of backups and of restores.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(super) struct Counts {
    pub backup: usize,
    pub restore: usize,
}

impl Counts {
    /// Counts one; other words are not counted.
    pub(super) fn add(&mut self, kind: &str) {
        match kind {
            "backup" => self.backup += 1,
            "restore" => self.restore += 1,
            _ => {}
        }
    }

    pub(super) fn of(self, kind: &str) -> usize {
        match kind {
            "backup" => self.backup,
            "restore" => self.restore,
            _ => 0,
        }
    }
}

impl World {
    /// The default world of [`accounts`].
    pub(super) fn new(config: &Config) -> Self {
        let at = config.clock.now();
        let stores_outside = config.blob_endpoint.is_some();
        let mut world = Self {
            stores_outside,
            local_gateway: config.local_gateway,
            account_page: config.account_page,
            ..Self::default()
        };
        world.accounts.insert(accounts::STORAGE_ACCOUNT.to_owned(), Account::default());
        if stores_outside {
            world.accounts.insert(accounts::AZURITE_ACCOUNT.to_owned(), Account::default());
        }
        for principal in [
            accounts::APPLICATION_PRINCIPAL_ID,
            accounts::SYSTEM_IDENTITY_PRINCIPAL_ID,
            accounts::USER_IDENTITY_PRINCIPAL_ID,
        ] {
            world.grant_blobs(principal);
        }
        for (name, location) in
            [(accounts::SERVICE, accounts::LOCATION), (accounts::STANDBY, accounts::STANDBY_LOCATION)]
        {
            world.add_service(Service { created: at, ..Service::new(name, location) });
        }
        world
    }

    /// Adds a service, or replaces the one of that name; its identity may write blobs.
    pub(super) fn add_service(&mut self, service: Service) {
        if let Some(principal) = &service.system_identity {
            self.grant_blobs(principal);
        }
        let key = service.name.to_ascii_lowercase();
        self.deleted_services.remove(&key);
        self.services.insert(key, service);
    }

    /// Deletes a service, if it is there.
    pub(super) fn delete_service(&mut self, name: &str, at: Timestamp) {
        let key = name.to_ascii_lowercase();
        if let Some(service) = self.services.remove(&key) {
            self.deleted_services.insert(key, Deleted { service, at });
        }
    }

    pub(super) fn blob_mut(&mut self, account: &str, container: &str, name: &str) -> Option<&mut Blob> {
        self.accounts.get_mut(account)?.containers.get_mut(container)?.get_mut(name)
    }

    fn grant_blobs(&mut self, principal: &str) {
        self.roles.push(RoleAssignment {
            name: Uuid::new_v4().to_string(),
            scope: account_id(accounts::STORAGE_ACCOUNT),
            role: accounts::BLOB_DATA_CONTRIBUTOR.to_owned(),
            principal: principal.to_owned(),
            principal_type: "ServicePrincipal".to_owned(),
            condition: None,
        });
    }

    /// Begins an operation on a service that is there; answers its id.
    ///
    /// Ids are base64 of `region:service_Word_8hex`, as recorded since 2019.
    pub(super) fn start(
        &mut self,
        key: &str,
        kind: Kind,
        api_version: &str,
        at: Timestamp,
        takes: Duration,
        script: Option<Script>,
    ) -> String {
        let word = kind.word();
        if let Some(service) = self.services.get_mut(key) {
            service.revision += 1;
            // A recorded update shows a target only; that a backup shows `Updating` is documented.
            match kind {
                Kind::Update(_) => "Updating".clone_into(&mut service.target_provisioning_state),
                _ => "Updating".clone_into(&mut service.provisioning_state),
            }
        }
        let (region, name) = self
            .services
            .get(key)
            .map(|service| (service.region(), service.name.clone()))
            .unwrap_or_default();
        let hex = format!("{:08x}", Uuid::new_v4().as_fields().0);
        let id = STANDARD.encode(format!("{region}:{name}_{word}_{hex}"));
        self.accepted.add(&word.to_ascii_lowercase());
        self.later(at, takes, Due::End(id.clone()));
        let api_version = api_version.to_owned();
        let operation = Operation {
            service: key.to_owned(),
            api_version,
            kind,
            polls: 0,
            script,
            client_request_id: None,
            began: at,
            ended: None,
            outcome: None,
        };
        self.operations.insert(id.clone(), operation);
        id
    }

    /// Ends every operation whose time is over, in order, each at its own instant.
    pub(super) fn settle(&mut self, now: Timestamp) {
        while let Some(first) = self.due.first_entry() {
            let (due, _) = *first.key();
            if due > now {
                return;
            }
            match first.remove() {
                Due::End(id) => self.finish(&id, due),
                Due::Write(transfer) => self.transfer(Job { operation: None, at: due, transfer }),
            }
        }
    }

    /// Writes the blob of a backup only so much later.
    pub(super) fn write_later(&mut self, write: Transfer, at: Timestamp, late: Duration) {
        self.later(at, late, Due::Write(write));
    }

    fn later(&mut self, at: Timestamp, after: Duration, what: Due) {
        let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
        self.begun += 1;
        self.due.insert((at.checked_add(after).unwrap_or(Timestamp::MAX), self.begun), what);
    }

    /// Counts a poll of a running operation; a script may end it now.
    pub(super) fn poll(&mut self, id: &str, now: Timestamp) {
        let Some(operation) = self.operations.get_mut(id) else { return };
        let over = matches!(&operation.script, Some(Script::Fail { after_polls, .. }) if operation.polls >= *after_polls);
        operation.polls += 1;
        if over {
            self.finish(id, now);
        }
    }

    fn finish(&mut self, id: &str, at: Timestamp) {
        let Some(operation) = self.operations.get(id).filter(|operation| operation.outcome.is_none()) else {
            return;
        };
        let (key, kind, script) =
            (operation.service.clone(), operation.kind.clone(), operation.script.clone());
        match carry_out(self, &key, &kind, script.as_ref(), at) {
            Ok(Some(transfer)) => {
                self.transfer(Job { operation: Some(id.to_owned()), at, transfer });
            }
            Ok(None) => self.end(id, at, Ok(())),
            Err(failure) => self.end(id, at, Err(failure)),
        }
    }

    /// Does it here and now, or leaves it to whoever may wait for another service.
    fn transfer(&mut self, job: Job) {
        if self.stores_outside {
            self.jobs.push_back(job);
            return;
        }
        let transferred = job.transfer.carry_out(self, job.at);
        self.transferred(&job, transferred);
    }

    /// Notes what became of the first of the jobs.
    pub(super) fn done(&mut self, transferred: Result<Bytes, String>) {
        if let Some(job) = self.jobs.pop_front() {
            self.transferred(&job, transferred);
        }
    }

    /// Ends the operation whose transfer is done, well or not. When a late blob could not be written nobody is
    /// told why: its backup is over.
    fn transferred(&mut self, job: &Job, transferred: Result<Bytes, String>) {
        let Some(id) = &job.operation else { return };
        let at = job.at;
        let Some(operation) = self.operations.get(id) else { return };
        let (key, kind, script) =
            (operation.service.clone(), operation.kind.clone(), operation.script.clone());
        let outcome = conclude(self, &key, &kind, script.as_ref(), transferred, at);
        self.end(id, at, outcome);
    }

    fn end(&mut self, id: &str, at: Timestamp, outcome: Result<(), Failure>) {
        let Some(operation) = self.operations.get_mut(id) else { return };
        operation.ended = Some(at);
        operation.outcome = Some(outcome);
        if let Some(service) = self.services.get_mut(&operation.service) {
            service.revision += 1;
            "Succeeded".clone_into(&mut service.provisioning_state);
            service.target_provisioning_state.clear();
        }
    }
}
