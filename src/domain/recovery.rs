//! What may be concluded from looking, when nobody knows what became of a start.
//!
//! Looked at are the service first, the blob second, and the holder of the service last: DESIGN's rule, because a blob
//! that changed between the two looks is then still seen.

use std::time::Duration;

use jiff::Timestamp;

use super::{BlobLook, Event, Kind, Operation, POST_TIMEOUT, operation::later};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// What the service does, if it does anything.
    pub busy: Option<String>,
    pub blob: BlobLook,
    /// Whether the service is still held by this operation, asked after both looks.
    pub holds: bool,
}

/// What follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// Nothing new.
    LookAgain,
    Record(Event),
    /// The start before certainly did not begin, as far as anybody can see: start again.
    StartAgain,
}

impl Operation {
    /// What follows `now` from looking at the world. `settle`: how long the service must have been seen idle, and the
    /// blob unchanged, before a start counts as not begun. `pause`: until the next look.
    pub fn conclude(&self, sight: &Sight, now: Timestamp, settle: Duration, pause: Duration) -> Conclusion {
        let until = later(now, pause);
        if let Some(state) = &sight.busy {
            return match self.idle_since {
                Some(_) => Conclusion::Record(Event::SeenBusy { state: state.clone(), until }),
                None => Conclusion::LookAgain,
            };
        }
        let before = self.attempts.last().map(|attempt| &attempt.blob);
        if self.plan.kind == Kind::Backup
            && sight.holds
            && before.is_some_and(|before| sight.blob.is_new_since(before))
        {
            return Conclusion::Record(Event::Found { blob: sight.blob.clone() });
        }
        if self.cancel_requested.is_some() {
            return Conclusion::Record(Event::Canceled);
        }
        match self.idle_since {
            None => Conclusion::Record(Event::SeenIdle { until }),
            Some(since) if now < later(since, settle) => Conclusion::LookAgain,
            Some(_) => self.settled(sight, now),
        }
    }

    fn settled(&self, sight: &Sight, now: Timestamp) -> Conclusion {
        let may_start = self.may_restart() && sight.holds && later(now, POST_TIMEOUT) <= self.deadline;
        match self.attempts.last().map(|attempt| &attempt.blob) {
            Some(before) if may_start && before.is_read() => {
                if sight.blob.is_as(before) {
                    return Conclusion::StartAgain;
                }
                if !sight.blob.is_read() {
                    // It could be read before, so it may be read again.
                    return Conclusion::LookAgain;
                }
            }
            _ => {}
        }
        Conclusion::Record(Event::Failed { failure: self.unknown_outcome() })
    }
}

impl BlobLook {
    /// Whether it tells what is there.
    pub fn is_read(&self) -> bool {
        !matches!(self, Self::Unread { .. })
    }

    /// Whether there is the same as `before`, as far as both looks tell.
    fn is_as(&self, before: &Self) -> bool {
        match (before, self) {
            (Self::Absent, Self::Absent) => true,
            (Self::Present(before), Self::Present(now)) => now.is_same(before),
            _ => false,
        }
    }

    /// Whether there is a blob with content now that was not there `before`.
    pub(super) fn is_new_since(&self, before: &Self) -> bool {
        match (before, self) {
            (Self::Absent, Self::Present(now)) => now.size > 0,
            (Self::Present(before), Self::Present(now)) => now.size > 0 && !now.is_same(before),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AttemptId, FailureKind, Seen, samples::*};

    const SETTLE: Duration = Duration::from_mins(20);
    const PAUSE: Duration = Duration::from_mins(1);

    fn starting(kind: Kind, blob: BlobLook) -> Operation {
        let attempt = AttemptId::random();
        let event = Event::Started { attempt, post_until: at(90), blob, tier: None };
        after(kind, &[event, answered(attempt, lost())])
    }

    fn idle(blob: BlobLook) -> Sight {
        Sight { busy: None, blob, holds: true }
    }

    fn conclude(operation: &Operation, sight: &Sight, second: i64) -> Conclusion {
        operation.conclude(sight, at(second), SETTLE, PAUSE)
    }

    fn name(conclusion: &Conclusion) -> &'static str {
        match conclusion {
            Conclusion::LookAgain => "look again",
            Conclusion::StartAgain => "start again",
            Conclusion::Record(event) => event.name(),
        }
    }

    #[test]
    fn a_backup_is_believed_by_a_new_blob_with_content_under_its_own_lock() {
        let empty = |e_tag: &str| BlobLook::Present(Seen { size: 0, ..seen(e_tag) });
        let table = [
            (BlobLook::Absent, present("a"), true, "found"),
            (present("a"), present("b"), true, "found"),
            (present("a"), present("a"), true, "seenIdle"),
            (present("a"), BlobLook::Absent, true, "seenIdle"),
            (BlobLook::Absent, BlobLook::Absent, true, "seenIdle"),
            (BlobLook::Absent, empty("a"), true, "seenIdle"),
            (present("a"), empty("b"), true, "seenIdle"),
            // Whether it is new, nobody can tell.
            (unread(), present("a"), true, "seenIdle"),
            (BlobLook::Absent, unread(), true, "seenIdle"),
            // It may be the next operation's.
            (BlobLook::Absent, present("a"), false, "seenIdle"),
        ];
        for (before, now, holds, expected) in table {
            let sight = Sight { holds, ..idle(now.clone()) };
            let operation = starting(Kind::Backup, before.clone());
            assert_eq!(name(&conclude(&operation, &sight, 100)), expected, "{before:?} -> {now:?}, {holds}");
        }
        let sight = idle(present("a"));
        assert_eq!(name(&conclude(&starting(Kind::Restore, BlobLook::Absent), &sight, 100)), "seenIdle");
    }

    #[test]
    fn a_service_that_works_again_begins_the_count_anew() {
        let operation = starting(Kind::Backup, BlobLook::Absent);
        let busy = Sight { busy: Some("Updating".into()), blob: unread(), holds: false };
        assert_eq!(conclude(&operation, &busy, 100), Conclusion::LookAgain);
        let idle_once = operation.after(&seen_idle(), at(100)).unwrap();
        assert_eq!(name(&conclude(&idle_once, &busy, 200)), "seenBusy");
        let busy_again = idle_once.after(&seen_busy(), at(200)).unwrap();
        assert_eq!(name(&conclude(&busy_again, &idle(BlobLook::Absent), 5_000)), "seenIdle");
    }

    #[test]
    fn once_settled_a_backup_starts_again_and_everything_else_ends_unknown() {
        let settled = 100 + 20 * 60;
        let backup = |blob: BlobLook| starting(Kind::Backup, blob).after(&seen_idle(), at(100)).unwrap();
        let absent = || idle(BlobLook::Absent);
        let after_first = backup(BlobLook::Absent);
        assert_eq!(conclude(&after_first, &absent(), settled - 1), Conclusion::LookAgain);
        assert_eq!(conclude(&after_first, &absent(), settled), Conclusion::StartAgain);

        let restore = starting(Kind::Restore, unread()).after(&seen_idle(), at(100)).unwrap();
        let running = {
            let attempt = AttemptId::random();
            after(Kind::Backup, &[started(attempt), answered(attempt, accepted()), seen_idle()])
        };
        let third = [AttemptId::random(), AttemptId::random(), AttemptId::random()].map(started);
        let third = after(Kind::Backup, &[&third[..], &[seen_idle()]].concat());
        let refused_again = {
            let (first, second) = (AttemptId::random(), AttemptId::random());
            let events = [started(first), started(second), answered(second, refused()), seen_idle()];
            after(Kind::Backup, &events)
        };
        let unknown = [
            ("a restore", restore, idle(unread())),
            ("its blob was never read", backup(unread()), idle(unread())),
            ("its blob was never read before", backup(unread()), idle(present("a"))),
            ("the blob changed, but not into a backup", backup(present("a")), absent()),
            ("it lost its service", after_first.clone(), Sight { holds: false, ..absent() }),
            ("Azure took it, and lost its address", running, absent()),
            ("the third start", third, absent()),
            ("a definite no", refused_again, absent()),
        ];
        for (case, operation, sight) in unknown {
            let Conclusion::Record(Event::Failed { failure }) = conclude(&operation, &sight, settled) else {
                panic!("{case}: {:?}", conclude(&operation, &sight, settled));
            };
            assert_eq!(failure.kind, FailureKind::OutcomeUnknown, "{case}");
        }

        // The deadline bounds starting, and a blob that could be read may be read again.
        let too_late = 6 * 3600 - 29;
        assert_eq!(name(&conclude(&after_first, &absent(), too_late)), "failed");
        assert_eq!(conclude(&after_first, &absent(), too_late - 1), Conclusion::StartAgain);
        assert_eq!(conclude(&after_first, &idle(unread()), settled), Conclusion::LookAgain);
        assert_eq!(name(&conclude(&after_first, &idle(unread()), too_late)), "failed");
    }

    #[test]
    fn a_wish_to_cancel_is_granted_when_the_service_is_idle_unless_there_is_a_new_blob() {
        let operation =
            starting(Kind::Backup, BlobLook::Absent).after(&Event::CancelRequested, at(9)).unwrap();
        let busy = Sight { busy: Some("Updating".into()), blob: unread(), holds: false };
        assert_eq!(conclude(&operation, &busy, 100), Conclusion::LookAgain);
        assert_eq!(name(&conclude(&operation, &idle(BlobLook::Absent), 100)), "canceled");
        assert_eq!(name(&conclude(&operation, &idle(present("a")), 100)), "found");
    }
}
