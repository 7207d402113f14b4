//! `apim-dr drill`: a recovery point of a target is tried out, in an instance that is there for it.

use uuid::Uuid;

use super::{
    args::{DrillArgs, DrillBackup},
    exit::Exit,
    follow, open, place, screen,
};
use crate::{
    settings::Settings,
    workflows::{self, Cause, Draw, Error, IfBusy},
};

/// Nobody has to confirm it: the instance was declared for it.
pub(super) async fn drill(args: DrillArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let target = place::target(settings, &args.target)?;
    let bounds = &settings.start_policy.bounds;
    let plan = match workflows::drill_plan(target, &settings.targets, bounds) {
        Ok(plan) => plan,
        Err(refused) => return Ok(Exit::usage(&refused.to_string())),
    };
    let wanted = match args.backup {
        DrillBackup::Latest => Draw::Newest { verified: false },
        DrillBackup::LatestVerified => Draw::Newest { verified: true },
        DrillBackup::Random => Draw::Random(Uuid::new_v4().as_u128()),
    };
    let app = open(settings).await?;
    let key = target.credentials.access_key.as_ref();
    let plan = match workflows::draw(app.ports(), plan, wanted, key).await {
        Ok(plan) => plan,
        Err(error @ Error::DrillRefused { .. }) => {
            eprintln!("error: {error}. Restore it by hand, if that is meant: apim-dr restore");
            return Ok(Exit::Blocked);
        }
        Err(error @ Error::NoRecoveryPoint { .. }) => {
            eprintln!("error: {error}");
            return Ok(Exit::NotFound);
        }
        Err(error) => return Err(error.into()),
    };
    let opened =
        workflows::open(app.ports(), plan, &target.credentials, &Cause::Request, IfBusy::Wait).await?;
    let id = opened.operation.id;
    if opened.joined {
        screen::note(&format!("the same is open already, as operation {id}: following that one"));
    }
    follow::run(&app, id, args.no_wait, args.output).await
}
