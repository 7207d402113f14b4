//! `apim-dr explain`: what an error of Azure means. Opens nothing.

use std::fmt::Write as _;

use serde_json::json;

use super::{args::Output, exit::Exit, print};
use crate::domain::{self, Explanation};

pub(super) fn explain(said: &[String], output: Output) -> anyhow::Result<Exit> {
    let said = said.join(" ");
    if said.trim().is_empty() {
        return list(output);
    }
    let found = meanings(&said);
    match output {
        Output::Json => {
            print(&serde_json::to_string_pretty(&json!({ "said": said, "explanations": found }))?)?;
        }
        Output::Table => {
            print(&told(&said, &found))?;
        }
    }
    Ok(if found.is_empty() { Exit::NotFound } else { Exit::Ok })
}

fn list(output: Output) -> anyhow::Result<Exit> {
    let all = domain::explanations();
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&json!({ "explanations": all }))?),
        Output::Table => print(&table(&all)),
    }
}

/// What ended a command, with what that means and what helps, where one thing is known of it.
pub(super) fn told_with_remedy(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error:#}");
    if let [known] = meanings(&text).as_slice()
        && !text.contains(known.remedy)
    {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  cause        {}\n  remedy       {}", known.cause, known.remedy);
    }
    text
}

/// What somebody pasted, read as an error: its codes are found among its words. A message says which of a code's
/// meanings it is; a code alone has them all.
fn meanings(said: &str) -> Vec<&'static Explanation> {
    // JSON has its line breaks as escapes.
    let message = said.replace("\\r", " ").replace("\\n", " ");
    let words: Vec<_> = message.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let statuses =
        words.iter().filter_map(|word| word.parse().ok()).filter(|status| (400..600).contains(status));
    let status = statuses.into_iter().next();
    let is_code = |word: &&&str| word.parse::<u16>().is_err() && !domain::explain_code(word).is_empty();
    let codes: Vec<_> = words.iter().filter(is_code).copied().collect();
    if codes.is_empty() {
        let found = domain::explain(status, None, &message, None);
        let alone = || words.first().filter(|_| words.len() == 1).map(|code| domain::explain_code(code));
        return alone().unwrap_or_else(|| found.into_iter().collect());
    }
    let has_message = words.len() > 1 + usize::from(status.is_some());
    let mut found = Vec::new();
    for code in codes {
        let all = domain::explain_code(code);
        let meant = domain::explain(status, all.first().map(|known| known.code), &message, None);
        let meant = meant.filter(|_| has_message).map_or(all, |meant| vec![meant]);
        for known in meant {
            if !found.contains(&known) {
                found.push(known);
            }
        }
    }
    found
}

/// What was said, and what it means.
fn told(said: &str, found: &[&Explanation]) -> String {
    if found.is_empty() {
        return format!(
            "{said}\n\nThis is not known. The codes that are: apim-dr explain. Microsoft's support finds what happened by the \
             request id."
        );
    }
    found.iter().map(|known| paragraph(known)).collect::<Vec<_>>().join("\n\n")
}

fn paragraph(Explanation { code, cause, remedy, document }: &Explanation) -> String {
    let mut text = format!("{code}: {cause}\n  remedy    {remedy}");
    if let Some(document) = document {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  document  {document}");
    }
    text
}

/// One line per meaning.
fn table(all: &[&Explanation]) -> String {
    let mut text = format!("{:38}  CAUSE", "CODE");
    for Explanation { code, cause, .. } in all {
        let _ = write!(text, "\n{code:38}  {cause}");
    }
    text
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn explained(said: &str) -> String {
        told(said, &meanings(said))
    }

    #[test]
    fn an_error_that_ends_a_command_is_told_with_what_is_known_of_it() {
        let told =
            |text: &str| told_with_remedy(&anyhow::anyhow!(text.to_owned()).context("reading it failed"));
        assert_snapshot!(told("403 AuthorizationFailed: no"), @r"
        error: reading it failed: 403 AuthorizationFailed: no
          cause        the caller may not do this to the service; a role that was just granted takes minutes to work
          remedy       grant the caller the role API Management Service Operator Role on the service: it needs Microsoft.ApiManagement/service/read, backup/action, restore/action and operationresults/read
        ");
        assert_snapshot!(told("the disk is full"), @"error: reading it failed: the disk is full");
    }

    #[test]
    fn a_code_alone_has_all_its_meanings() {
        assert_snapshot!(explained("restorefailed"), @r"
        RestoreFailed: the backup is of another tier than the service
          remedy    restore into a service of the same tier as the one that was backed up, or change the target's tier first
          document  https://learn.microsoft.com/azure/api-management/api-management-howto-disaster-recovery-backup-restore

        RestoreFailed: the backup is older than 30 days
          remedy    restore a newer backup: Azure guarantees a backup for 30 days only
          document  https://learn.microsoft.com/azure/api-management/api-management-howto-disaster-recovery-backup-restore

        RestoreFailed: the service has workspaces, which backups and restores do not know
          remedy    restore into a service without workspaces
          document  https://learn.microsoft.com/azure/api-management/api-management-howto-disaster-recovery-backup-restore

        RestoreFailed: API Management cannot read the backup, or takes it for unfit
          remedy    compare the tier and age of the recovery point with the service (apim-dr list), and check that the service may read the blob: its key, or its identity's role and the account's firewall
          document  https://learn.microsoft.com/azure/api-management/api-management-howto-disaster-recovery-backup-restore
        ");
    }

    #[test]
    fn what_is_not_known_is_shown_raw_and_whole() {
        assert_snapshot!(explained("418 Teapot: I am a  {teapot}\n\"short\""), @r#"
        418 Teapot: I am a  {teapot}
        "short"

        This is not known. The codes that are: apim-dr explain. Microsoft's support finds what happened by the request id.
        "#);
    }

    #[test]
    fn a_pasted_message_has_the_one_meaning_that_it_says() {
        let check = |said: &str, expected: &[&str]| {
            let found: Vec<_> = meanings(said).into_iter().map(|known| known.cause).collect();
            assert_eq!(found.len(), expected.len(), "{said}: {found:?}");
            assert!(
                found.iter().zip(expected).all(|(cause, part)| cause.contains(part)),
                "{said}: {found:?}"
            );
        };
        let tier = "400 RestoreFailed: Cannot restore: current SKU is 'StandardV2', backup SKU is 'Standard'";
        check(tier, &["another tier"]);
        check(&format!("failed: {tier} (request 96ced9a0-3b98-4e8f-9e80-38539e4a15f6)"), &["another tier"]);
        check("400 RestoreFailed: something new", &["another tier", "30 days", "workspaces", "cannot read"]);
        check("(RestoreFailed) Cannot restore: backup expired", &["30 days"]);
        check("AADSTS700016", &["no such application"]);
        check("700016", &["no such application"]);
        check("AADSTS7000222: The provided client secret keys for app 'x' are expired.", &["has expired"]);
        let json = r#"{"error":{"code":"InvalidParameters","message":"Invalid parameter: Requested value 'GET,PATCH' was not found.\r\nParameter name: backupStorageAccount"}}"#;
        check(json, &["CORS"]);
        check("the answer was lost: 503: Azure gave no reason", &["nothing is wrong with the request"]);
        check("403", &["not read its results", "may not do this"]);
        check("401 AuthenticationFailed: Authentication failed.", &["Azure Resource Manager does not take"]);
        check("BackupFailed: (403) AuthorizationFailure", &["could not make", "its firewall"]);
        check("12345", &[]);
        check("Whatever: it is", &[]);
    }
}
