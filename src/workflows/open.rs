//! A request becomes one operation in the journal.

use super::Error;
use crate::{
    domain::{Callback, Credentials, Entry, Operation, OperationId, Plan, later},
    ports::{Cause, Claim, Opening, Ports},
};

/// What came of opening.
#[derive(Debug, Clone)]
pub struct Opened {
    pub operation: Operation,
    /// Somebody asked for the same before: this is theirs.
    pub joined: bool,
}

/// What to do if another operation has the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfBusy {
    /// Open it, and let it wait for its turn.
    Wait,
    /// Open nothing. Two that look at the same moment both pass; then the second waits.
    Refuse,
}

/// Whether a caller's key, or an instant of drills, was used before: then what it means is settled, whatever the
/// catalogue says by now.
pub async fn is_claimed(ports: &Ports, cause: &Cause, plan: &Plan) -> Result<bool, Error> {
    if !matches!(cause, Cause::Key { .. } | Cause::Drill { .. }) {
        return Ok(false);
    }
    let opened = ports.azure.now();
    let opening = Opening { id: OperationId::at(opened), plan: plan.clone(), opened, deadline: opened };
    let failed = |source| Error::Records { action: "opening", id: opening.id, source };
    Ok(match ports.journal.claimed(cause, &opening).await.map_err(failed)? {
        // A key holds no plan: whoever claimed it may have died before that was stored. Then it is still to be chosen.
        Some(Claim::Theirs(theirs)) if matches!(cause, Cause::Key { .. }) => {
            read(ports, theirs.id).await?.is_some()
        }
        Some(Claim::Theirs(_) | Claim::OtherBody) => true,
        Some(Claim::Ours) | None => false,
    })
}

/// Opens an operation: when this returns, it is stored and will be carried out, whoever dies.
///
/// First what makes it one with its repetitions, then what is needed to carry it on (with the secrets sealed), then its
/// first entry. Whoever meets one of them without the next writes that.
pub async fn open(
    ports: &Ports,
    plan: Plan,
    credentials: &Credentials,
    cause: &Cause,
    if_busy: IfBusy,
) -> Result<Opened, Error> {
    let opened = ports.azure.now();
    let id = OperationId::at(opened);
    let deadline = later(opened, ports.deadlines.of(plan.kind));
    let wants_safety = plan.safety_backup;
    let ours = Opening { id, plan, opened, deadline };
    let failed = |source| Error::Records { action: "opening", id, source };
    let busy = match if_busy {
        IfBusy::Wait => None,
        IfBusy::Refuse => ports.journal.holder(&ours.plan.service.name, opened).await.map_err(failed)?,
    };
    let claim = match busy {
        None => ports.journal.claim(cause, &ours).await.map_err(failed)?,
        Some(holder) => {
            let claimed = ports.journal.claimed(cause, &ours).await.map_err(failed)?;
            claimed.ok_or(Error::Busy { service: ours.plan.service.name.clone(), holder })?
        }
    };
    let (opening, joined) = match claim {
        Claim::Ours => (ours, false),
        Claim::Theirs(theirs) => (*theirs, true),
        Claim::OtherBody => return Err(Error::OtherBody),
    };
    if joined && let Some(operation) = read(ports, opening.id).await? {
        if wants_safety && !operation.plan.safety_backup && !operation.phase.is_closed() {
            return Err(Error::WithoutSafetyBackup { open: operation.id });
        }
        return Ok(Opened { operation, joined });
    }
    let id = opening.id;
    let failed = |source| Error::Records { action: "opening", id, source };
    let opening = ports.journal.open(&opening, credentials).await.map_err(failed)?;
    if let Err(error) = write_first_entry(ports, opening.clone()).await {
        tracing::warn!(
            operation.id = %id,
            error = &error as &dyn std::error::Error,
            "the first entry is not written yet; whoever looks next does it"
        );
    }
    Ok(Opened { operation: operation(opening), joined })
}

/// Where an operation stands; `None` if there is none. It may be stored and have no entry yet.
pub async fn read(ports: &Ports, id: OperationId) -> Result<Option<Operation>, Error> {
    let failed = |source| Error::Records { action: "reading", id, source };
    if let Some(entry) = ports.journal.last(id).await.map_err(failed)? {
        return Ok(Some(entry.operation));
    }
    Ok(ports.journal.opening(id).await.map_err(failed)?.map(operation))
}

/// Whether the end of an operation will be told to `callback`. Of one that has ended, nobody will be told again.
pub async fn is_told(ports: &Ports, operation: &Operation, callback: &Callback) -> bool {
    let known = ports.journal.credentials(operation).await;
    !operation.phase.is_closed() && known.is_ok_and(|known| known.callback.as_ref() == Some(callback))
}

/// All that happened to it, oldest first; nothing of an operation that nobody knows.
pub async fn entries(ports: &Ports, id: OperationId) -> Result<Vec<Entry>, Error> {
    let failed = |source| Error::Records { action: "reading", id, source };
    let entries = ports.journal.entries(id).await.map_err(failed)?;
    if !entries.is_empty() {
        return Ok(entries);
    }
    let opening = ports.journal.opening(id).await.map_err(failed)?;
    Ok(opening.map(|opening| Entry::first(operation(opening))).into_iter().collect())
}

/// Writes entry 1 of an operation that is stored as open and has none yet, and tells where it stands.
pub(super) async fn finish_opening(ports: &Ports, id: OperationId) -> Result<Operation, Error> {
    let failed = |source| Error::Records { action: "opening", id, source };
    if let Some(opening) = ports.journal.opening(id).await.map_err(failed)? {
        return write_first_entry(ports, opening).await;
    }
    // Somebody may have written it meanwhile, and even have closed it.
    let entry = ports.journal.last(id).await.map_err(failed)?;
    entry.map(|entry| entry.operation).ok_or(Error::NotFound(id))
}

/// Writes entry 1; that somebody else did is as good.
async fn write_first_entry(ports: &Ports, opening: Opening) -> Result<Operation, Error> {
    let entry = Entry::first(operation(opening));
    let Operation { id, plan, .. } = &entry.operation;
    let appended = ports.journal.append(&entry).await;
    appended.map_err(|source| Error::Records { action: "opening", id: *id, source })?;
    tracing::info!(
        operation.id = %id,
        operation.kind = %plan.kind,
        service.name = %plan.service.name,
        blob = %plan.blob,
        "operation opened"
    );
    Ok(entry.operation)
}

fn operation(Opening { id, plan, opened, deadline }: Opening) -> Operation {
    Operation::open(id, plan, opened, deadline)
}
