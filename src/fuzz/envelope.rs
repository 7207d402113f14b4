//! What the Functions host posts to us.

use crate::triggers::invocation_rules;

/// Reads an envelope as that of every function, and answers it.
pub fn envelope(bytes: &[u8]) {
    invocation_rules::hold(bytes);
}
