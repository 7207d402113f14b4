//! Whether a backup that Azure calls done lies where it should.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Attempt, AzureError, BlobLook, Event, Failure, FailureKind, Operation, Seen, Verification,
    operation::later,
};

/// How long a blob is looked for that should be there, or that cannot be read though it could before.
const PATIENCE: Duration = Duration::from_mins(10);

/// What follows from a look at the blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be there later.
    LookAgain,
    Record(Event),
}

impl Operation {
    /// What follows `now` from looking at the blob of a backup that Azure calls done. `pause`: until the next look.
    pub fn verdict(&self, look: &BlobLook, now: Timestamp, pause: Duration) -> Verdict {
        let before = self.completed_attempt();
        let wrong = match look {
            BlobLook::Present(seen) => match judge(seen, before) {
                Ok(verification) => return Verdict::Record(Event::Verified { verification }),
                Err(wrong) => wrong,
            },
            BlobLook::Absent => "is not there",
            BlobLook::Unread { reason } => {
                let could_be_read = before.is_some_and(|attempt| attempt.blob.is_read());
                if could_be_read && let Some(patience) = self.patience(reason, now, pause) {
                    return patience;
                }
                let verification = Verification::unverified(reason);
                return Verdict::Record(Event::Verified { verification });
            }
        };
        if let Some(patience) = self.patience(&format!("the blob {wrong}"), now, pause) {
            return patience;
        }
        let error = AzureError::local(format!("Azure reported success, the blob {wrong}"))
            .with_remedy("see who or what deletes or moves blobs of this container; then back up again");
        Verdict::Record(Event::Failed { failure: Failure { kind: FailureKind::Failed, error } })
    }

    /// The first look that fails is written down, and from then on it is looked again: so one that comes late is never
    /// the only one.
    pub fn patience(&self, reason: &str, now: Timestamp, pause: Duration) -> Option<Verdict> {
        if self.waiting.is_none() {
            let reason = format!("Azure says that it is done, but {reason}; looking again");
            return Some(Verdict::Record(Event::Unread { reason, until: later(now, pause) }));
        }
        (now < later(self.updated, PATIENCE)).then_some(Verdict::LookAgain)
    }
}

/// What a blob that is there says; else what is wrong with it.
fn judge(seen: &Seen, attempt: Option<&Attempt>) -> Result<Verification, &'static str> {
    if seen.size == 0 {
        return Err("is empty");
    }
    let is_new = match attempt.map(|attempt| (&attempt.blob, attempt.started)) {
        Some((BlobLook::Absent, _)) => Some(true),
        Some((BlobLook::Present(before), _)) => Some(!seen.is_same(before)),
        // The service tells whole seconds.
        Some((BlobLook::Unread { .. }, started)) => {
            seen.modified.map(|modified| modified.as_second() >= started.as_second())
        }
        None => None,
    };
    match is_new {
        Some(true) => Ok(Verification::Verified { blob: seen.clone() }),
        Some(false) => Err("is the one that was there before"),
        None => Ok(Verification::Unverified {
            reason: "it could not be read before the start, and does not say when it was written".to_owned(),
            blob: Some(seen.clone()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AttemptId, Kind, samples::*};

    const PAUSE: Duration = Duration::from_secs(15);

    /// A backup that had this look before its start, at second 1, and is done at second 3.
    fn done(before: &BlobLook) -> Operation {
        let attempt = AttemptId::random();
        let started = Event::Started { attempt, post_until: at(90), blob: before.clone(), tier: None };
        after(Kind::Backup, &[started, answered(attempt, accepted()), completed()])
    }

    fn written(second: i64) -> BlobLook {
        BlobLook::Present(Seen { modified: Some(at(second)), ..seen("a") })
    }

    fn words(verdict: &Verdict) -> String {
        match verdict {
            Verdict::LookAgain => "look again".to_owned(),
            Verdict::Record(Event::Verified { verification: Verification::Verified { .. } }) => {
                "verified".to_owned()
            }
            Verdict::Record(Event::Verified { verification: Verification::Unverified { reason, .. } }) => {
                format!("unverified: {reason}")
            }
            Verdict::Record(Event::Failed { failure }) => format!("failed: {failure}"),
            Verdict::Record(event) => panic!("{event:?}"),
        }
    }

    #[test]
    fn a_new_blob_with_content_is_verified_and_what_is_not_there_fails_after_patient_looks() {
        const MISSING: &str = "failed: Azure reported success, the blob ";
        let quoted = BlobLook::Present(seen("\"a\""));
        let empty = BlobLook::Present(Seen { size: 0, ..seen("b") });
        let rows = [
            (BlobLook::Absent, present("a"), "verified", "verified"),
            (present("a"), present("b"), "verified", "verified"),
            (BlobLook::Absent, BlobLook::Absent, "look again", "is not there"),
            (present("a"), BlobLook::Absent, "look again", "is not there"),
            (unread(), BlobLook::Absent, "look again", "is not there"),
            (present("a"), present("a"), "look again", "is the one that was there before"),
            (quoted, present("a"), "look again", "is the one that was there before"),
            (BlobLook::Absent, empty.clone(), "look again", "is empty"),
            (unread(), empty, "look again", "is empty"),
            // Nobody could look before; then its time tells.
            (unread(), written(1), "verified", "verified"),
            (unread(), written(0), "look again", "is the one that was there before"),
            (
                unread(),
                present("a"),
                "unverified: it could not be read before the start, and does not say when it was written",
                "unverified: it could not be read before the start, and does not say when it was written",
            ),
            // What could be read before may be read again.
            (BlobLook::Absent, unread(), "look again", "unverified: no right"),
            (present("a"), unread(), "look again", "unverified: no right"),
            (unread(), unread(), "unverified: no right", "unverified: no right"),
        ];
        for (before, look, at_first, at_last) in rows {
            let at_last =
                if at_last.starts_with("is ") { format!("{MISSING}{at_last}") } else { at_last.into() };
            let mut operation = done(&before);
            if at_first == "look again" {
                // Years later, if nobody looked before.
                let verdict = operation.verdict(&look, at(99_999_999), PAUSE);
                let Verdict::Record(event @ Event::Unread { .. }) = verdict else { panic!("{verdict:?}") };
                operation = operation.after(&event, at(3)).unwrap();
                assert_eq!(
                    (operation.phase, operation.due),
                    (crate::domain::Phase::Verifying, at(99_999_999 + 15))
                );
            }
            for (second, expected) in [(3, at_first), (602, at_first), (603, &at_last)] {
                let verdict = operation.verdict(&look, at(second), PAUSE);
                assert_eq!(words(&verdict), expected, "{before:?}, then {look:?} at {second}");
                if let Verdict::Record(event) = verdict {
                    assert!(operation.after(&event, at(second)).unwrap().phase.is_closed());
                }
            }
        }
    }

    #[test]
    fn an_older_attempt_that_is_done_is_compared_with_what_was_there_before_itself() {
        let (first, second) = (AttemptId::random(), AttemptId::random());
        let started = |attempt, blob| Event::Started { attempt, post_until: at(90), blob, tier: None };
        let operation = after(
            Kind::Backup,
            &[
                started(first, present("a")),
                answered(first, lost()),
                started(second, present("b")),
                answered(second, lost()),
            ],
        );
        assert_eq!(operation.completed_attempt().unwrap().id, second);
        let (first, second) = (AttemptId::random(), AttemptId::random());
        let operation = after(
            Kind::Backup,
            &[
                started(first, present("a")),
                started(second, present("b")),
                answered(first, accepted()),
                completed(),
            ],
        );
        assert_eq!(operation.completed_attempt().unwrap().id, first);
        assert_eq!(words(&operation.verdict(&present("b"), at(9), PAUSE)), "verified");
    }
}
