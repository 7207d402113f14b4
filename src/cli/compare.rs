//! `apim-dr compare`: a primary and its standby, side by side.

use super::{
    args::{CompareArgs, Output},
    compare_text::{comparison_json, comparison_text},
    exit::{Exit, usage},
    open, place, print, screen,
};
use crate::{
    domain::{Caller, Credentials, Impact, Readiness, ReadinessVerdict, ServiceId, Target},
    payload,
    ports::Access,
    settings::Settings,
    workflows::{self, Comparison, Side, StandbyLook},
};

/// Ready: 0; at risk or not ready: 2.
pub(super) async fn compare(args: &CompareArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let target = settings.targets.iter().find(|target| target.name.as_str() == args.primary);
    if let Some(target) = target {
        let standby = standby(target, args)?;
        let access = Access { caller: target.plan.caller.clone(), credentials: target.credentials.clone() };
        let app = open(settings).await?;
        let ports = app.ports();
        let look = workflows::judge_standby(ports, target, &standby, &access, ports.azure.now());
        let StandbyLook { comparison, readiness, .. } = screen::waiting("comparing", Box::pin(look)).await?;
        return report(&comparison?, Some(&readiness), args.output);
    }
    // Two instances that no target names: nothing is known of where backups of them would lie.
    let primary = service(&args.primary, args, settings)?;
    let other =
        args.standby.as_deref().ok_or_else(|| usage("STANDBY: give the instance to compare it with"))?;
    let other = payload::instance(other, &primary).map_err(|error| place::wrong("STANDBY", &error))?;
    let app = open(settings).await?;
    let ports = app.ports();
    let access = Access { caller: Caller::App, credentials: Credentials::default() };
    let [primary, other] = [primary, other].map(|service| Side { service, access: access.clone() });
    let now = ports.azure.now();
    let comparison = workflows::compare_sides(&*ports.inspection, &*ports.catalog, &primary, &other, now);
    report(&screen::waiting("comparing", Box::pin(comparison)).await?, None, args.output)
}

fn standby(target: &Target, args: &CompareArgs) -> anyhow::Result<ServiceId> {
    match (&args.standby, &target.standby) {
        (Some(given), _) => {
            payload::instance(given, &target.plan.service).map_err(|error| place::wrong("STANDBY", &error))
        }
        (None, Some(standby)) => Ok(standby.clone()),
        (None, None) => {
            let name = &target.name;
            Err(usage(format!("STANDBY: give the instance that takes over, or the target {name} a standby")))
        }
    }
}

/// An instance that is no target: its resource id, or its name and what that lacks.
fn service(text: &str, args: &CompareArgs, settings: &Settings) -> anyhow::Result<ServiceId> {
    let id = match (&args.resource_group, args.subscription.as_ref().or(settings.subscription.as_ref())) {
        (Some(group), Some(subscription)) if !text.contains('/') => {
            format!(
                "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ApiManagement/service/{text}"
            )
        }
        _ if text.contains('/') => text.to_owned(),
        _ => {
            return Err(usage(
                "PRIMARY: not a configured target; for an instance give its resource id, or --resource-group and --subscription",
            ));
        }
    };
    payload::resource_id(&id).map_err(|error| place::wrong("PRIMARY", &error))
}

fn report(comparison: &Comparison, readiness: Option<&Readiness>, output: Output) -> anyhow::Result<Exit> {
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&comparison_json(comparison, readiness))?)?,
        Output::Table => print(&comparison_text(comparison, readiness))?,
    };
    let is_fine = match readiness {
        Some(readiness) => readiness.verdict == ReadinessVerdict::Ready,
        None => comparison.differences.iter().all(|difference| difference.severity == Impact::Notes),
    };
    Ok(if is_fine { Exit::Ok } else { Exit::Differs })
}
