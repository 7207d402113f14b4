//! The secrets that came with a request.

use super::{Callback, Secret};

/// What a request brought along to prove itself. Lives in memory and, sealed, beside the open
/// operation; nowhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Secret of the application that calls Azure Resource Manager.
    pub client_secret: Option<Secret>,
    /// Key of the storage account, handed to API Management.
    pub access_key: Option<Secret>,
    /// Where the end is to be told.
    pub callback: Option<Callback>,
}

impl Credentials {
    pub fn is_empty(&self) -> bool {
        self.client_secret.is_none() && self.access_key.is_none() && self.callback.is_none()
    }
}
