//! Which step may follow which, and what an operation is after it.
//!
//! The rules for answers are those of an explicit-state model of the protocol (two drivers, crashes and pauses between
//! any two accesses, lost and late answers, cancellation, deadlines): docs/ARCHITECTURE.md, "Exactly once".

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Answer, AttemptId, AzureError, BlobLook, Event, Evidence, Failure, FailureKind, IllegalEvent, Kind,
    Operation, Phase, Verification,
    operation::{Attempt, SafetyBackup, later},
};

/// How often a backup is posted at most while nobody knows what became of the POSTs before.
pub const MAX_UNKNOWN_STARTS: u32 = 3;

impl Operation {
    /// The state after `event`, which happened `at`.
    pub fn after(&self, event: &Event, at: Timestamp) -> Result<Self, IllegalEvent> {
        let mut next = self.clone();
        next.updated = at;
        next.due = at;
        match (self.phase, event) {
            (Phase::Pending, Event::Waited { reason, until }) => next.wait(reason.clone(), *until),
            (Phase::Pending, Event::Checked { findings }) if self.findings.is_empty() => {
                next.findings.clone_from(findings);
            }
            (Phase::Pending, Event::SafetyBackupOpened { operation, blob })
                if self.plan.safety_backup && self.safety_backup.is_none() =>
            {
                let (operation, blob) = (*operation, blob.clone());
                next.safety_backup = Some(SafetyBackup { operation, blob, verified: false });
            }
            (Phase::Pending, Event::SafetyBackupVerified) if self.waits_for().is_some() => {
                next.safety_backup.iter_mut().for_each(|backup| backup.verified = true);
                next.waiting = None;
                next.waits = 0;
            }
            (Phase::Pending, Event::Started { .. }) if self.is_safe_to_start() => next.start(event, at),
            (Phase::Starting, Event::Started { .. }) if self.may_restart() => {
                next.restarts += 1;
                next.start(event, at);
            }
            (Phase::Pending, Event::Skipped { reason }) => {
                next.phase = Phase::Skipped;
                next.waiting = Some(reason.clone());
            }
            (_, Event::Answered { attempt, answer }) => return self.answered(next, *attempt, answer, event),
            (Phase::Running, Event::Moved { continuation, until }) => {
                next.continuation = Some(continuation.clone());
                next.waiting = None;
                next.idle_since = None;
                next.due = *until;
            }
            (Phase::Starting | Phase::Running | Phase::Verifying, Event::Unread { reason, until }) => {
                next.waiting = Some(reason.clone());
                next.due = *until;
            }
            (Phase::Starting | Phase::Running, Event::SeenIdle { until }) => {
                next.idle_since = Some(at);
                next.due = *until;
            }
            (Phase::Starting | Phase::Running, Event::SeenBusy { until, .. }) => {
                next.idle_since = None;
                next.due = *until;
            }
            (Phase::Running, Event::Completed { .. }) => next.complete(),
            (Phase::Starting, Event::Completed { attempt, .. }) if self.older_accepted().next().is_some() => {
                next.followed = attempt.or_else(|| self.older_accepted().next().map(|older| older.id));
                next.complete();
            }
            (Phase::Starting | Phase::Running, Event::Found { blob }) if self.plan.kind == Kind::Backup => {
                next.close(Phase::Succeeded);
                next.evidence = Some(Evidence::Blob);
                let reason = "Azure's answer was lost; the service is idle again and the blob is new, but not \
                              provably this operation's";
                let blob = match blob {
                    BlobLook::Present(seen) => Some(seen.clone()),
                    BlobLook::Absent | BlobLook::Unread { .. } => None,
                };
                next.verification = Some(Verification::Unverified { reason: reason.to_owned(), blob });
            }
            (Phase::Verifying, Event::Verified { verification }) => {
                next.close(Phase::Succeeded);
                next.evidence = Some(Evidence::Arm);
                next.verification = Some(verification.clone());
            }
            (phase, Event::CancelRequested) if !phase.is_closed() && self.cancel_requested.is_none() => {
                next.cancel_requested = Some(at);
                // Nobody decides before the POST is over.
                next.due = if phase == Phase::Starting { self.due } else { at };
            }
            (Phase::Pending | Phase::Starting | Phase::Running, Event::Canceled)
                if self.cancel_requested.is_some() =>
            {
                next.close(Phase::Canceled);
            }
            (phase, Event::Failed { failure }) if may_fail(phase, failure.kind) => next.fail(failure.clone()),
            _ => return Err(self.illegal(event)),
        }
        Ok(next)
    }

    /// Whether it may be started although nobody knows what became of the start before: a backup only, and not for
    /// ever. A definite no is not asked for again.
    pub fn may_restart(&self) -> bool {
        let refused = self.attempts.last().is_some_and(|attempt| {
            matches!(attempt.answer, Some(Answer::Refused { .. } | Answer::Accepted { .. }))
        });
        self.phase == Phase::Starting
            && self.plan.kind == Kind::Backup
            && self.restarts < MAX_UNKNOWN_STARTS - 1
            && !refused
    }

    /// Whether what is to be backed up first was.
    pub fn is_safe_to_start(&self) -> bool {
        !self.plan.safety_backup || self.safety_backup.as_ref().is_some_and(|backup| backup.verified)
    }

    fn start(&mut self, event: &Event, at: Timestamp) {
        let Event::Started { attempt, post_until, blob, tier } = event else { return };
        self.phase = Phase::Starting;
        self.waiting = None;
        self.idle_since = None;
        self.due = *post_until;
        self.attempts.push(Attempt {
            id: *attempt,
            started: at,
            post_until: *post_until,
            blob: blob.clone(),
            tier: tier.clone(),
            answer: None,
        });
    }

    /// An answer is always kept. It moves the state if it belongs to the newest attempt and that is undecided; a late
    /// yes also opens again what was closed without knowing.
    fn answered(
        &self,
        mut next: Self,
        attempt: AttemptId,
        answer: &Answer,
        event: &Event,
    ) -> Result<Self, IllegalEvent> {
        let Some(position) =
            self.attempts.iter().position(|known| known.id == attempt && known.answer.is_none())
        else {
            return Err(self.illegal(event));
        };
        next.attempts[position].answer = Some(answer.clone());
        let newest = position + 1 == self.attempts.len();
        match (self.phase, answer) {
            (Phase::Starting, Answer::Accepted { .. }) if newest => next.follow(position),
            (Phase::Pending, Answer::Accepted { .. }) => next.follow(position),
            (Phase::Failed | Phase::Skipped, Answer::Accepted { .. }) if self.opens_again(newest) => {
                next.follow(position);
                next.reopened = true;
            }
            (Phase::Starting, Answer::Unknown { .. }) if newest => next.due = self.post_until(),
            (Phase::Starting, Answer::Refused { .. } | Answer::Busy { .. } | Answer::NotSent { .. })
                if newest =>
            {
                next.turned_down(answer);
            }
            // Kept, and that is all.
            _ => next.due = self.due,
        }
        Ok(next)
    }

    /// Whether a yes that came after the end opens it again: not if a newer yes was followed to that end, nor if the
    /// end was seen.
    fn opens_again(&self, newest: bool) -> bool {
        let unknown = self.failure.as_ref().is_none_or(|failure| failure.kind == FailureKind::OutcomeUnknown);
        unknown && (newest || !self.attempts.last().is_some_and(Attempt::is_accepted))
    }

    /// Follows the attempt at `position`, which Azure took.
    fn follow(&mut self, position: usize) {
        let Attempt { id, answer, .. } = &self.attempts[position];
        let Some(Answer::Accepted { continuation, after_seconds, .. }) = answer else { return };
        self.followed = Some(*id);
        self.continuation.clone_from(continuation);
        self.due = later(self.updated, Duration::from_secs(u64::from(*after_seconds)));
        self.phase = Phase::Running;
        self.waits = 0;
        self.waiting = None;
        self.idle_since = None;
        self.failure = None;
    }

    /// The newest attempt certainly started nothing. What that means depends on those before it.
    fn turned_down(&mut self, answer: &Answer) {
        self.idle_since = None;
        let older = self.attempts.iter().rev().skip(1).position(Attempt::is_accepted);
        if let Some(back) = older {
            return self.follow(self.attempts.len() - 2 - back);
        }
        if self.restarts > 0 {
            // An earlier attempt may run: back to looking, when this POST is certainly over.
            self.due = self.post_until();
            return;
        }
        match answer {
            Answer::Busy { error, after_seconds } => {
                let pause = Duration::from_secs(after_seconds.map_or(0, u64::from)).max(self.backoff());
                self.phase = Phase::Pending;
                self.wait(format!("Azure is busy: {error}"), later(self.updated, pause));
            }
            Answer::NotSent { reason } => {
                let pause = self.backoff();
                self.phase = Phase::Pending;
                self.wait(format!("nothing was sent: {reason}"), later(self.updated, pause));
            }
            Answer::Refused { error } => {
                self.fail(Failure { kind: FailureKind::Refused, error: error.clone() });
            }
            Answer::Accepted { .. } | Answer::Unknown { .. } => {}
        }
    }

    fn wait(&mut self, reason: String, until: Timestamp) {
        self.waiting = Some(reason);
        self.waits = self.waits.saturating_add(1);
        self.due = until;
    }

    fn complete(&mut self) {
        self.phase = Phase::Verifying;
        self.waiting = None;
        self.idle_since = None;
    }

    fn close(&mut self, phase: Phase) {
        self.phase = phase;
        self.waiting = None;
        self.idle_since = None;
    }

    fn fail(&mut self, failure: Failure) {
        self.close(Phase::Failed);
        self.failure = Some(failure);
    }

    fn illegal(&self, event: &Event) -> IllegalEvent {
        IllegalEvent { phase: self.phase, event: Box::new(event.clone()) }
    }
}

impl Failure {
    /// Nobody can tell what became of it; `error` is the last that was heard.
    pub fn unknown(error: AzureError) -> Self {
        let remedy = "look at the service's activity log, and at the blob, before you start another one";
        let error = if error.remedy.is_some() { error } else { error.with_remedy(remedy) };
        Self { kind: FailureKind::OutcomeUnknown, error }
    }
}

fn may_fail(phase: Phase, kind: FailureKind) -> bool {
    match kind {
        FailureKind::Blocked | FailureKind::Refused => phase == Phase::Pending,
        FailureKind::Failed => matches!(phase, Phase::Running | Phase::Verifying),
        FailureKind::OutcomeUnknown => matches!(phase, Phase::Starting | Phase::Running),
    }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
