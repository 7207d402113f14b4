//! `apim-dr check`: looks at targets as before a backup.

use std::fmt::Write as _;

use futures::{StreamExt as _, stream};
use serde_json::json;

use super::{args::Output, exit::Exit, open, place, print, screen, story::noted};
use crate::{
    app::App,
    domain::{Finding, Target},
    ports::Access,
    settings::Settings,
    workflows::{self, Checked},
};

/// How many targets are looked at, at the same time.
const AT_ONCE: usize = 16;

pub(super) async fn check(name: Option<&str>, settings: &Settings, output: Output) -> anyhow::Result<Exit> {
    let targets: Vec<&Target> = match name {
        Some(name) => vec![place::target(settings, name)?],
        None => settings.targets.iter().collect(),
    };
    if targets.is_empty() {
        return Ok(Exit::usage("there is nothing to look at: the setting APIM_DR_TARGETS has no targets"));
    }
    let app = open(settings).await?;
    let looks: Vec<_> = targets.into_iter().map(|target| look(&app, target)).collect();
    let looks = stream::iter(looks).buffered(AT_ONCE).collect();
    let looks: Vec<(&Target, Checked)> = screen::waiting("looking at the targets", looks).await;
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&looks.iter().map(view).collect::<Vec<_>>())?)?,
        Output::Table => print(&text(&looks))?,
    };
    let blocked = looks.iter().any(|(_, checked)| checked.findings.iter().any(Finding::is_blocking));
    Ok(if blocked { Exit::Blocked } else { Exit::Ok })
}

async fn look<'a>(app: &App, target: &'a Target) -> (&'a Target, Checked) {
    let access = Access { caller: target.plan.caller.clone(), credentials: target.credentials.clone() };
    (target, Box::pin(workflows::check(app.ports(), &target.plan, &access)).await)
}

fn view((target, checked): &(&Target, Checked)) -> serde_json::Value {
    let service = checked.service.as_ref();
    json!({
        "target": target.name,
        "service": target.plan.service.to_string(),
        "tier": service.and_then(|(_, inventory)| inventory.tier.as_ref()),
        "state": service.map(|(status, _)| status.to_string()),
        "blocked": checked.findings.iter().any(Finding::is_blocking),
        "findings": checked.findings,
    })
}

fn text(looks: &[(&Target, Checked)]) -> String {
    let mut text = String::new();
    for (n, (target, checked)) in looks.iter().enumerate() {
        let tier = checked.service.as_ref().and_then(|(_, inventory)| inventory.tier.as_ref());
        let tier = tier.map(|tier| format!(", {}", tier.0)).unwrap_or_default();
        let gap = if n > 0 { "\n" } else { "" };
        let blob = &target.plan.blob;
        let verdict = match checked.findings.first() {
            None => "nothing speaks against a backup",
            Some(finding) if finding.is_blocking() => "a backup cannot work",
            Some(_) => "a backup may work",
        };
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{gap}{} ({}{tier}, to {}/{}): {verdict}",
            target.name, target.plan.service.name, blob.account, blob.container
        );
        text.extend(checked.findings.iter().map(|finding| noted(finding, 2)));
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, tz::TimeZone};

    use super::*;
    use crate::domain::{Credentials, Inventory, NameSuffix, ServiceStatus, Tier, samples::plan};

    #[test]
    fn each_target_is_told_with_what_blocks_and_what_warns() {
        let target = |name: &str| Target {
            name: name.parse().unwrap(),
            schedule: "0 0 1 * * *".parse().unwrap(),
            zone: TimeZone::UTC,
            suffix: NameSuffix::default(),
            plan: plan("sampleapim"),
            credentials: Credentials::default(),
            rpo: SignedDuration::from_hours(26),
            standby: None,
            drill: None,
        };
        let targets = ["fine", "doubtful", "blocked"].map(target);
        let status = ServiceStatus {
            tier: None,
            provisioning_state: "Succeeded".to_owned(),
            target_provisioning_state: String::new(),
        };
        let inventory = Inventory { tier: Some(Tier("Developer".to_owned())), ..Inventory::default() };
        let read = Some((status, inventory));
        let warns = Finding::warns("account.cors", "it has CORS rules", "remove them");
        let blocks = Finding::blocks("service.missing", "there is no service", "check its name");
        let looks = [
            (&targets[0], Checked { service: read.clone(), findings: Vec::new() }),
            (&targets[1], Checked { service: read, findings: vec![warns] }),
            (&targets[2], Checked { service: None, findings: vec![blocks] }),
        ];
        insta::assert_snapshot!(text(&looks), @r"
        fine (sampleapim, Developer, to apimdrstorage/backup): nothing speaks against a backup
        doubtful (sampleapim, Developer, to apimdrstorage/backup): a backup may work
          warns   account.cors: it has CORS rules
                  -> remove them
        blocked (sampleapim, to apimdrstorage/backup): a backup cannot work
          blocks  service.missing: there is no service
                  -> check its name
        ");
    }
}
