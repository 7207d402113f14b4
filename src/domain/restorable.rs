//! Whether a restore can work at all, as far as its blob and what is known of it tell.

use jiff::{SignedDuration, Timestamp};

use super::{BlobLook, BlobRef, Finding, RecoveryPoint, Tier, catalog::LIFETIME};

/// What speaks against a restore of `blob` into a service of this `tier`. `point` is what the catalogue knows of that
/// name; a blob that was overwritten since tells for itself. What may not be read speaks against nothing.
pub fn objection(
    blob: &BlobRef,
    look: &BlobLook,
    point: Option<&RecoveryPoint>,
    tier: Option<&Tier>,
    now: Timestamp,
) -> Option<Finding> {
    let (known, written) = match look {
        BlobLook::Absent => {
            let text = format!("the backup {blob} is not there");
            return Some(Finding::blocks("backup.missing", text, "see what there is: apim-dr list"));
        }
        BlobLook::Present(seen) if seen.size == 0 => {
            let text = format!("the backup {blob} is empty");
            return Some(Finding::blocks("backup.empty", text, "take another recovery point: apim-dr list"));
        }
        BlobLook::Present(seen) => (point.filter(|point| point.is_of(seen)), seen.modified),
        // It may have been overwritten since: who can tell?
        BlobLook::Unread { .. } => return None,
    };
    let made = known.map(|point| point.at).or(written);
    if let Some(age) = made.map(|made| now.duration_since(made)).filter(|age| *age >= LIFETIME) {
        let text = format!(
            "the backup {blob} is {} days old, and API Management restores none that is older than 30",
            age.as_hours() / SignedDuration::from_hours(24).as_hours()
        );
        return Some(Finding::blocks("backup.expired", text, "take a newer recovery point: apim-dr list"));
    }
    let (of_backup, of_service) = (known.and_then(|point| point.tier.as_ref())?, tier?);
    if of_backup.0.eq_ignore_ascii_case(&of_service.0) {
        return None;
    }
    let text = format!(
        "the backup {blob} is of the tier {}, the service is of the tier {}",
        of_backup.0, of_service.0
    );
    let remedy = "restore into a service of the same tier; a service can be scaled to that tier first";
    Some(Finding::blocks("backup.tier", text, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Kind, Seen, Verification, samples::*};

    /// What is there, what is known of it, the service's tier, the second, and what is said.
    fn point(tier: &str, verification: Verification) -> RecoveryPoint {
        let operation = operation(Kind::Backup);
        RecoveryPoint {
            id: operation.id,
            service: operation.plan.service,
            blob: operation.plan.blob,
            at: at(0),
            ended: at(9),
            tier: Some(Tier(tier.to_owned())),
            evidence: None,
            verification,
            safety_for: None,
        }
    }

    #[test]
    fn a_restore_is_refused_that_cannot_work_and_what_may_not_be_read_refuses_none() {
        type Row<'a> = (BlobLook, Option<&'a RecoveryPoint>, &'a str, i64, Option<&'a str>);
        const MONTH: i64 = 30 * 24 * 3600;
        let known = |e_tag: &str| Verification::Verified { blob: seen(e_tag) };
        let written = |second| BlobLook::Present(Seen { modified: Some(at(second)), ..seen("a") });
        let empty = BlobLook::Present(Seen { size: 0, ..seen("a") });
        let same = point("developer", known("a"));
        let other = point("Developer", known("other"));
        let never_seen = point("Developer", Verification::unverified("no right"));
        let rows: [Row; 17] = [
            (BlobLook::Absent, None, "Developer", 0, Some("is not there")),
            (BlobLook::Absent, Some(&same), "Developer", 0, Some("is not there")),
            (empty, Some(&same), "Developer", 0, Some("is empty")),
            (present("a"), Some(&same), "Developer", MONTH - 1, None),
            (present("a"), Some(&same), "Developer", MONTH, Some("30 days old")),
            (present("a"), Some(&same), "Developer", 2 * MONTH, Some("60 days old")),
            (present("a"), Some(&same), "Premium", 0, Some("of the tier developer")),
            (written(9), Some(&never_seen), "Premium", 0, Some("of the tier Developer")),
            (written(10), Some(&never_seen), "Premium", 0, None),
            (present("a"), Some(&never_seen), "Premium", 2 * MONTH, None),
            (present("a"), None, "Premium", 2 * MONTH, None),
            // Overwritten by somebody else: its own time counts, its tier is not known.
            (present("a"), Some(&other), "Premium", 2 * MONTH, None),
            (written(MONTH), Some(&other), "Premium", MONTH + 1, None),
            (written(1), None, "Premium", MONTH + 1, Some("30 days old")),
            (written(1), None, "Premium", MONTH, None),
            (unread(), None, "Premium", 2 * MONTH, None),
            (unread(), Some(&same), "Premium", 2 * MONTH, None),
        ];
        for (look, point, tier, now, expected) in rows {
            let tier = Tier(tier.to_owned());
            let blob = &operation(Kind::Restore).plan.blob;
            let said = objection(blob, &look, point, Some(&tier), at(now)).map(|error| error.to_string());
            match (&said, expected) {
                (Some(said), Some(part)) => assert!(said.contains(part), "{said}"),
                _ => assert_eq!(said.as_deref(), expected, "{look:?}, {point:?}, {tier:?}, {now}"),
            }
        }
        assert_eq!(objection(&same.blob, &present("a"), Some(&same), None, at(0)), None);
    }
}
