//! What a target has for the day of a disaster: how old its newest recovery point may be, what takes over, and where
//! restores are tried out.

use jiff::SignedDuration;

use super::{
    Problem,
    fields::{Fields, Read},
    instance::Instance,
};
use crate::domain::{Drill, Schedule, ServiceId};

/// As it stands in a target, still without its place.
pub(super) struct Disaster {
    rpo: Option<SignedDuration>,
    standby: Option<Instance>,
    drill: Option<Instance>,
    drill_schedule: Option<Schedule>,
}

impl Disaster {
    pub(super) fn read(fields: &mut Fields) -> Read<Self> {
        let rpo = fields.parsed("rpo", "give a duration, such as 26h, 90m or PT6H", |text| {
            text.parse::<SignedDuration>().ok().filter(SignedDuration::is_positive)
        });
        let standby = fields.optional("standby");
        let drill = fields.optional("drill");
        let drill_schedule = fields.optional("drillSchedule");
        if matches!((&drill, &drill_schedule), (Ok(None), Ok(Some(_)))) {
            let remedy = "add drill, the instance that drills restore into, or leave it out";
            return Err(fields.note("drillSchedule", "says when, and nothing says where", remedy));
        }
        Ok(Self { rpo: rpo?, standby: standby?, drill: drill?, drill_schedule: drill_schedule? })
    }

    /// What it means for a target of this service; nothing of it may be overwritten by a drill.
    pub(super) fn of(
        self,
        service: &ServiceId,
        rpo: SignedDuration,
        fields: &mut Fields,
    ) -> Read<(SignedDuration, Option<ServiceId>, Option<Drill>)> {
        let is_same = |one: &ServiceId, other: &ServiceId| one.name.key() == other.name.key();
        let standby = self.standby.map(|standby| standby.beside(service));
        let drill = self.drill.map(|drill| drill.beside(service));
        let mut noted = None;
        if standby.as_ref().is_some_and(|standby| is_same(standby, service)) {
            let remedy = "give the instance that is to take over, or leave it out";
            noted = Some(fields.note("standby", "the target's own instance", remedy));
        }
        if let Some(drill) = &drill {
            if is_same(drill, service) {
                noted = Some(fields.note(
                    "drill",
                    "the target's own instance: a drill would overwrite it",
                    REMEDY,
                ));
            } else if standby.as_ref().is_some_and(|standby| is_same(standby, drill)) {
                let detail = "the target's standby: a drill would overwrite it, and it may be in use";
                noted = Some(fields.note("drill", detail, REMEDY));
            }
        }
        if let Some(noted) = noted {
            return Err(noted);
        }
        let drill = drill.map(|service| Drill { service, schedule: self.drill_schedule });
        Ok((self.rpo.unwrap_or(rpo), standby, drill))
    }
}

const REMEDY: &str = "declare an instance that is there for drills alone, of the same tier, or leave it out";

/// The instances that an element of the targets names as its own and as its standby, read or not: nothing may be tried
/// out there, whatever else is wrong with it.
pub(super) struct Kept {
    place: String,
    /// In small letters.
    instances: Vec<String>,
}

impl Kept {
    pub(super) fn of(place: &str, fields: &Fields) -> Self {
        let name = |field| {
            let text = fields.peek(field)?;
            Some(text.rsplit('/').next().unwrap_or(text).to_ascii_lowercase())
        };
        let instances = ["apimInstance", "standby"].into_iter().filter_map(name).collect();
        Self { place: place.to_owned(), instances }
    }
}

/// What speaks against the drill of the target at `place`: it would overwrite what another one rests on.
pub(super) fn objection(drill: &Drill, place: &str, kept: &[Kept]) -> Option<Problem> {
    let key = drill.service.name.key();
    let other = kept.iter().find(|kept| kept.place != place && kept.instances.contains(&key))?;
    Some(Problem {
        field: Some(format!("{place}.drill")),
        detail: format!("an instance of {}, or its standby: a drill would overwrite it", other.place),
        remedy: REMEDY.to_owned(),
    })
}
