//! `apim-dr identity show`, `enable`, `disable`.

use std::{
    fmt::Write as _,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
};

use serde_json::{Value, json};

use super::{
    args::{IdentityArgs, IdentityCommand, Output},
    exit::{Exit, usage},
    open, place, print, screen,
};
use crate::{
    app::App,
    domain::{
        AzureError, Caller, Credentials, Identity, IdentityChange, IdentityRequest, Plan, ServiceId,
        TargetName,
    },
    ports::{Access, ReadError},
    settings::Settings,
    workflows::{self, Identities, IdentityError, Role},
};

/// Whose identities are meant, and who asks.
struct Subject {
    service: ServiceId,
    /// Of a target: which account is reached, and how.
    plan: Option<Plan>,
    target: Option<TargetName>,
    access: Access,
}

pub(super) async fn run(command: IdentityCommand, settings: &Settings) -> anyhow::Result<Exit> {
    match command {
        IdentityCommand::Show { service, output } => {
            let subject = subject(&service, settings)?;
            show(&*open(settings).await?, &subject, output).await
        }
        IdentityCommand::Enable { service, system, user, output } => {
            let subject = subject(&service, settings)?;
            let request = IdentityRequest::Enable { system, user };
            change(&*open(settings).await?, &subject, &request, true, output).await
        }
        IdentityCommand::Disable { service, system, user, all, yes, output } => {
            let subject = subject(&service, settings)?;
            let request =
                if all { IdentityRequest::DisableAll } else { IdentityRequest::Disable { system, user } };
            change(&*open(settings).await?, &subject, &request, yes, output).await
        }
    }
}

/// A target stands in for what is not given.
fn subject(args: &IdentityArgs, settings: &Settings) -> anyhow::Result<Subject> {
    let target = args.target.as_deref().map(|name| place::target(settings, name)).transpose()?;
    let default = target.map(|target| &target.plan.service);
    let subscription = args.subscription.clone().or_else(|| default.map(|it| it.subscription.to_string()));
    let subscription = subscription.or_else(|| settings.subscription.clone());
    let group = args.resource_group.clone().or_else(|| default.map(|it| it.resource_group.to_string()));
    let name = args.name.clone().or_else(|| default.map(|it| it.name.to_string()));
    let given = |option: &str, value: Option<String>| {
        value.ok_or_else(|| usage(format!("{option}: give it, or a configured --target")))
    };
    let wrong = place::wrong;
    let service = ServiceId {
        name: given("--name", name)?.parse().map_err(|error| wrong("--name", &error))?,
        resource_group: given("--resource-group", group)?
            .parse()
            .map_err(|error| wrong("--resource-group", &error))?,
        subscription: given("--subscription", subscription)?
            .parse()
            .map_err(|error| wrong("--subscription", &error))?,
    };
    let plan = target.map(|target| Plan { service: service.clone(), ..target.plan.clone() });
    let access = match target {
        Some(target) => {
            Access { caller: target.plan.caller.clone(), credentials: target.credentials.clone() }
        }
        None => Access { caller: Caller::App, credentials: Credentials::default() },
    };
    let target = target.map(|target| target.name.clone());
    Ok(Subject { service, plan, target, access })
}

async fn look(app: &App, subject: &Subject) -> Result<Identities, IdentityError> {
    let look = workflows::identities(app.ports(), &subject.service, subject.plan.as_ref(), &subject.access);
    screen::waiting("looking", look).await
}

async fn show(app: &App, subject: &Subject, output: Output) -> anyhow::Result<Exit> {
    match look(app, subject).await {
        Ok(identities) => report(subject, &identities, None, output),
        Err(error) => Ok(told(&error)),
    }
}

async fn change(
    app: &App,
    subject: &Subject,
    request: &IdentityRequest,
    agreed: bool,
    output: Output,
) -> anyhow::Result<Exit> {
    let name = &subject.service.name;
    let before = match look(app, subject).await {
        Ok(before) => before,
        Err(error) => return Ok(told(&error)),
    };
    let change = match IdentityChange::of(request, &before.inventory) {
        Ok(Some(change)) => change,
        Ok(None) => {
            screen::note(&format!("nothing to do: {name} is so already"));
            return report(subject, &before, Some(false), output);
        }
        Err(refusal) => {
            eprintln!("error: {refusal}; nothing was changed");
            return Ok(Exit::Blocked);
        }
    };
    if change.leaves_none() && !agreed && !ask(subject)? {
        return Ok(Exit::usage("it would leave the service without an identity: add --yes"));
    }
    let runs = || screen::note(&format!("the change of {name} runs in Azure, which takes minutes"));
    let changing = workflows::change_identity(
        app.ports(),
        &subject.service,
        &before.status,
        &change,
        &subject.access,
        runs,
    );
    let changed = tokio::select! {
        changed = changing => changed,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            eprintln!("interrupted; Azure may go on with it. Look: {}", look_again(subject));
            return Ok(Exit::Interrupted);
        }
    };
    let exit = match &changed {
        Ok(()) => Exit::Ok,
        Err(error) => told(error),
    };
    // Nothing of it reached the service.
    if matches!(changed, Err(IdentityError::Busy(_) | IdentityError::Refused(_))) {
        return Ok(exit);
    }
    let after = match look(app, subject).await {
        Ok(after) => after,
        Err(error) => return Ok(told(&error)),
    };
    let known = match &changed {
        Ok(()) => Some(true),
        Err(IdentityError::Failed(_)) => Some(false),
        Err(_) => None,
    };
    report(subject, &after, known, output)?;
    match changed.and_then(|()| workflows::has_become(request, &after)) {
        Err(error @ IdentityError::Unseen) => Ok(told(&error)),
        Ok(()) | Err(_) => Ok(exit),
    }
}

fn look_again(Subject { service, target, .. }: &Subject) -> String {
    let ServiceId { subscription, resource_group, name } = service;
    let target = target.as_ref().map(|target| format!("--target {target} ")).unwrap_or_default();
    format!("apim-dr identity show {target}-n {name} -g {resource_group} --subscription {subscription}")
}

/// Asks on the terminal; elsewhere nobody agrees.
fn ask(Subject { service, .. }: &Subject) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!(
        "This leaves {} without an identity: it reaches nothing by one then. Type yes to go on: ",
        service.name
    );
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}

/// Says why it did not work.
fn told(error: &IdentityError) -> Exit {
    eprintln!("error: {error}");
    let (azure, exit): (Option<&AzureError>, _) = match error {
        IdentityError::Unread(ReadError::Definite(error) | ReadError::Transient(error)) => {
            (Some(error), if error.status == Some(404) { Exit::NotFound } else { Exit::Failed })
        }
        IdentityError::Busy(error) => (Some(error), Exit::Skipped),
        IdentityError::Refused(error) | IdentityError::Failed(error) | IdentityError::Unknown(error) => {
            (Some(error), Exit::Failed)
        }
        IdentityError::Unseen => (None, Exit::Failed),
    };
    if let Some(remedy) = azure.and_then(|error| error.remedy.as_deref()) {
        eprintln!("  remedy       {remedy}");
    }
    if let Some(request) = azure.and_then(|error| error.ids.request.as_deref()) {
        eprintln!("  request      {request}");
    }
    exit
}

/// Prints what there is; `changed`: whether it was just changed, if that was asked for and is known.
fn report(
    subject: &Subject,
    now: &Identities,
    changed: Option<bool>,
    output: Output,
) -> anyhow::Result<Exit> {
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&view(subject, now, changed))?),
        Output::Table => print(&text(subject, now)),
    }
}

/// As Azure calls it.
fn kind(identity: &Identity) -> &'static str {
    match (identity.system_assigned, identity.user_assigned.is_empty()) {
        (true, true) => "SystemAssigned",
        (true, false) => "SystemAssigned, UserAssigned",
        (false, false) => "UserAssigned",
        (false, true) => "None",
    }
}

fn view(subject: &Subject, now: &Identities, changed: Option<bool>) -> Value {
    let identity = &now.inventory.identity;
    let user = identity
        .user_assigned
        .iter()
        .map(|(id, it)| json!({ "id": id, "clientId": it.client_id, "principalId": it.principal }));
    let (role, findings) = match &now.role {
        None => (None, &[][..]),
        Some(Role::Assigned) => (Some("assigned"), &[][..]),
        Some(Role::NoPrincipal) => (Some("unknown"), &[][..]),
        Some(Role::Doubted(findings)) => (Some("doubted"), &findings[..]),
    };
    let mut view = json!({
        "service": subject.service.to_string(),
        "state": now.status.to_string(),
        "type": kind(identity),
        "principalId": identity.principal,
        "userAssigned": user.collect::<Vec<_>>(),
        "account": now.role.as_ref().and(subject.plan.as_ref()).map(|plan| &plan.blob.account),
        "role": role,
        "findings": findings,
    });
    if let Some(changed) = changed {
        view["changed"] = changed.into();
    }
    view
}

fn text(subject: &Subject, now: &Identities) -> String {
    let Identities { status, inventory, role } = now;
    let identity = &inventory.identity;
    let mut text = format!("{} ({status}): {}", subject.service.name, kind(identity));
    let known = |id: &Option<String>| id.clone().unwrap_or_else(|| "not told yet".to_owned());
    // Writing to a string does not fail.
    if identity.system_assigned {
        let _ = write!(text, "\n  system-assigned  principal {}", known(&identity.principal));
    }
    for (id, it) in &identity.user_assigned {
        let (client, principal) = (known(&it.client_id), known(&it.principal));
        let _ = write!(
            text,
            "\n  user-assigned    {id}\n                   client id {client}, principal {principal}"
        );
    }
    let account = subject.plan.as_ref().map(|plan| plan.blob.account.as_str()).unwrap_or_default();
    match role {
        None => {}
        Some(Role::Assigned) => {
            let _ = write!(text, "\n  role             Storage Blob Data Contributor on {account}");
        }
        Some(Role::NoPrincipal) => {
            let _ = write!(
                text,
                "\n  role             on {account}: Azure does not tell the principal yet; look again"
            );
        }
        Some(Role::Doubted(findings)) => {
            // The command stands on a line of its own, to be copied.
            text.extend(findings.iter().map(|finding| {
                let word = if finding.is_blocking() { "blocks" } else { "warns" };
                format!("\n  {word:15}  {finding}\n    -> {}", finding.remedy)
            }));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Finding, Inventory, ServiceStatus, UserAssigned, samples::plan};

    #[test]
    fn what_azure_does_not_tell_yet_is_said_so_and_no_role_is_claimed() {
        let plan = plan("sampleapim");
        let access = Access { caller: Caller::App, credentials: Credentials::default() };
        let subject = Subject { service: plan.service.clone(), plan: Some(plan), target: None, access };
        let state = "Succeeded".to_owned();
        let status =
            ServiceStatus { tier: None, provisioning_state: state, target_provisioning_state: String::new() };
        let identity = Identity {
            system_assigned: true,
            principal: None,
            user_assigned: [("/the/id".to_owned(), UserAssigned::default())].into(),
        };
        let inventory = Inventory { identity, ..Inventory::default() };
        let told = |role: Option<Role>| {
            let now = Identities { status: status.clone(), inventory: inventory.clone(), role };
            (text(&subject, &now), view(&subject, &now, None))
        };
        let (words, json) = told(Some(Role::NoPrincipal));
        insta::assert_snapshot!(words, @r"
        sampleapim (Succeeded): SystemAssigned, UserAssigned
          system-assigned  principal not told yet
          user-assigned    /the/id
                           client id not told yet, principal not told yet
          role             on apimdrstorage: Azure does not tell the principal yet; look again
        ");
        assert_eq!((&json["role"], &json["account"]), (&"unknown".into(), &"apimdrstorage".into()));
        assert!(json["principalId"].is_null() && json.get("changed").is_none(), "{json}");

        let (words, json) =
            told(Some(Role::Doubted(vec![Finding::warns("role.unread", "why", "what to do")])));
        assert!(words.ends_with("\n  warns            role.unread: why\n    -> what to do"), "{words}");
        assert_eq!((&json["role"], &json["findings"][0]["code"]), (&"doubted".into(), &"role.unread".into()));

        let (words, json) = told(None);
        assert!(
            !words.contains("role") && json["role"].is_null() && json["account"].is_null(),
            "{words} {json}"
        );
    }
}
