//! What operations write to storage and read from it, in the emulator's own accounts. Knows nothing of
//! what is in a backup.

use axum::body::Bytes;
use jiff::Timestamp;

use super::operation::Place;
use super::world::World;

/// One blob, written or read.
#[derive(Debug, Clone)]
pub(super) enum Transfer {
    Write { place: Place, content: Bytes },
    Read { place: Place },
}

impl Transfer {
    /// Carries it out in the emulator's own accounts; answers what was read, or why nothing was.
    pub(super) fn carry_out(&self, world: &mut World, at: Timestamp) -> Result<Bytes, String> {
        match self {
            Self::Write { place, content } => {
                let account = world.accounts.get_mut(&place.account).ok_or("The storage account is gone")?;
                account
                    .put_backup(&place.container, &place.blob, content.clone(), at)
                    .map_err(|code| format!("{code}: the storage account refused to write the backup"))?;
                Ok(Bytes::new())
            }
            Self::Read { place } => {
                let account = world.accounts.get(&place.account);
                let blob = account.and_then(|account| account.blob(&place.container, &place.blob));
                let blob = blob.ok_or("Cannot restore: the specified backup does not exist")?;
                if blob.is_archived() {
                    return Err(
                        "BlobArchived: this operation is not permitted on an archived blob".to_owned()
                    );
                }
                Ok(blob.content.clone())
            }
        }
    }
}
