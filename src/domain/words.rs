//! Lengths and sizes as people say them.

use jiff::SignedDuration;

/// A length of time in its largest unit, of which there are at least two.
pub fn in_words(length: SignedDuration) -> String {
    let minutes = length.as_mins().max(0);
    match minutes {
        ..2 => format!("{} seconds", length.as_secs().max(0)),
        2..120 => format!("{minutes} minutes"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / (24 * 60)),
    }
}
