//! `apim-dr restore --plan`: what a restore would do.

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::{
    args::{OrderArgs, Output},
    exit::Exit,
    open, print, screen, start,
    story::noted,
};
use crate::{
    domain::{Difference, Kind, RecoveryPoint, Verification},
    payload::{Confirmation, Order, StartPolicy},
    ports::Access,
    settings::Settings,
    view::story::time,
    workflows::{self, Preview},
};

/// What nobody has measured yet, by recorded sessions: most restores took 9 to 19 minutes, one took hours.
const USUALLY: &str = "not known from earlier ones; usually 10 to 20 minutes, but hours have been seen";

pub(super) async fn plan(body: &[u8], args: &OrderArgs, settings: Settings) -> anyhow::Result<Exit> {
    let policy = StartPolicy { confirm: Confirmation::None, ..settings.start_policy };
    let settings = Settings { start_policy: policy, ..settings };
    let Some(Order { plan, choice, credentials }) = start::order(Kind::Restore, body, &settings) else {
        return Ok(Exit::Usage);
    };
    let app = open(&settings).await?;
    let plan = match workflows::choose(app.ports(), plan, &choice, credentials.access_key.as_ref()).await {
        Ok(plan) => plan,
        Err(error @ workflows::Error::NoRecoveryPoint { .. }) => {
            eprintln!("error: {error}");
            return Ok(Exit::NotFound);
        }
        Err(error) => return Err(error.into()),
    };
    let access = Access { caller: plan.caller.clone(), credentials };
    let preview =
        screen::waiting("looking ahead", Box::pin(workflows::preview(app.ports(), &plan, &access))).await?;
    match args.output {
        Output::Json => print(&serde_json::to_string_pretty(&preview)?)?,
        Output::Table => print(&text(&preview))?,
    };
    Ok(if preview.is_blocked(&plan) { Exit::Blocked } else { Exit::Ok })
}

fn text(preview: &Preview) -> String {
    let mut text = format!("a restore of {} would overwrite {}", preview.backup, preview.target.name);
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {name:12}  {value}");
    };
    line("target", &preview.target.to_string());
    if let Some(tier) = &preview.target_tier {
        line("tier", &tier.0);
    }
    match &preview.point {
        Some(point) => recovery_point(point, preview.age_seconds, &mut line),
        None => line("backup", "not in the catalogue: nobody here saw it being made"),
    }
    line(
        "is lost",
        &preview.overwritten.map_or_else(|| "could not be counted".to_owned(), |counts| counts.to_string()),
    );
    line(
        "comes back",
        &preview.restored.map_or_else(
            || "was not counted when the backup was taken".to_owned(),
            |counts| counts.to_string(),
        ),
    );
    let takes = preview.median_seconds.map(|seconds| {
        let median = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        format!("half of the earlier ones took up to {median:#}")
    });
    line("takes", takes.as_deref().unwrap_or(USUALLY));
    if preview.safety_backup {
        line("before", "the target is backed up, and that backup is verified");
    }
    match preview.not_carried.as_deref() {
        None => text += "\n\nwhat does not come back is not known: nothing was recorded beside the backup",
        Some([]) => text += "\n\nnothing that a backup does not carry differs",
        Some(differences) => {
            text += "\n\nwhat does not come back, and stays as the target has it";
            text.extend(differences.iter().map(difference));
        }
    }
    if preview.findings.is_empty() {
        text += "\n\nnothing speaks against it";
    } else {
        text += "\n\nwhat speaks against it";
        text.extend(preview.findings.iter().map(|finding| noted(finding, 2)));
    }
    text + "\n\nnothing was started"
}

fn recovery_point(point: &RecoveryPoint, age: Option<i64>, line: &mut impl FnMut(&str, &str)) {
    let tier = point.tier.as_ref().map(|tier| format!(", tier {}", tier.0)).unwrap_or_default();
    line("backup", &format!("of {}{tier}, started {}", point.service.name, time(point.at)));
    if let Some(age) = age {
        let age = SignedDuration::from_mins(age / 60);
        line("age", &format!("{age:#}; restorable until {}", time(point.expires())));
    }
    match &point.verification {
        Verification::Verified { .. } => line("verified", "yes"),
        other => line("verified", &format!("no: {}", other.doubt().unwrap_or("nobody saw it"))),
    }
}

fn difference(difference: &Difference) -> String {
    let Difference { item, primary, standby, text, .. } = difference;
    format!("\n  {item}: {primary} -> {standby}\n    {text}")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::domain::{
        Counts, Evidence, Finding, Impact, OperationId, Tier,
        samples::{at, plan, seen},
    };

    fn preview() -> Preview {
        let (source, target) = (plan("sampleapim"), plan("sampleapim-standby"));
        let tier = Some(Tier("Developer".to_owned()));
        let point = RecoveryPoint {
            id: OperationId::at(at(0)),
            service: source.service,
            blob: source.blob.clone(),
            at: at(0),
            ended: at(600),
            tier: tier.clone(),
            evidence: Some(Evidence::Arm),
            verification: Verification::Verified { blob: seen("a") },
            safety_for: None,
        };
        let lost = Difference {
            severity: Impact::Breaks,
            item: "hostname".into(),
            primary: "api.example.com".to_owned(),
            standby: "-".to_owned(),
            text: "callers do not reach the target by this name".to_owned(),
            remedy: String::new(),
        };
        Preview {
            target: target.service,
            target_tier: tier,
            backup: source.blob,
            point: Some(point),
            age_seconds: Some(7_322),
            overwritten: Some(Counts { apis: 1, products: 2, subscriptions: 3, users: 1 }),
            restored: Some(Counts { apis: 7, products: 1, subscriptions: 9, users: 4 }),
            not_carried: Some(vec![lost]),
            findings: vec![Finding::blocks("backup.tier", "another tier", "scale the target")],
            median_seconds: Some(660),
            safety_backup: true,
        }
    }

    #[test]
    fn a_plan_says_what_is_lost_what_comes_back_and_what_speaks_against_it() {
        assert_snapshot!(text(&preview()), @r"
        a restore of apimdrstorage/backup/apimbackup would overwrite sampleapim-standby
          target        /subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/sampleapim-standby
          tier          Developer
          backup        of sampleapim, tier Developer, started 2026-11-21T01:00:00Z
          age           2h 2m; restorable until 2026-12-21T01:00:00Z
          verified      yes
          is lost       1 API, 2 products, 3 subscriptions, 1 user
          comes back    7 APIs, 1 product, 9 subscriptions, 4 users
          takes         half of the earlier ones took up to 11m
          before        the target is backed up, and that backup is verified

        what does not come back, and stays as the target has it
          hostname: api.example.com -> -
            callers do not reach the target by this name

        what speaks against it
          blocks  backup.tier: another tier
                  -> scale the target

        nothing was started
        ");
    }

    #[test]
    fn a_plan_says_what_is_not_known() {
        let preview = Preview {
            point: None,
            age_seconds: None,
            overwritten: None,
            restored: None,
            not_carried: None,
            findings: Vec::new(),
            median_seconds: None,
            safety_backup: false,
            ..preview()
        };
        assert_snapshot!(text(&preview), @r"
        a restore of apimdrstorage/backup/apimbackup would overwrite sampleapim-standby
          target        /subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/apimdrresourcegroup/providers/Microsoft.ApiManagement/service/sampleapim-standby
          tier          Developer
          backup        not in the catalogue: nobody here saw it being made
          is lost       could not be counted
          comes back    was not counted when the backup was taken
          takes         not known from earlier ones; usually 10 to 20 minutes, but hours have been seen

        what does not come back is not known: nothing was recorded beside the backup

        nothing speaks against it

        nothing was started
        ");
    }
}
