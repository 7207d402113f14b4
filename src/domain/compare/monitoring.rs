//! What people see of a service: logs and metrics, the developer portal, how much is in it; and what nobody could read.

use std::collections::{BTreeMap, BTreeSet};

use super::{Difference, Impact, NONE, Pair, counted, list};
use crate::domain::{Counts, Diagnostic, Snapshot};

/// All categories of logs at once; metrics are not among them.
const ALL_LOGS: &str = "alllogs";
const ALL_METRICS: &str = "allmetrics";

/// What goes where: each kind of sink with its ids and categories, in small letters.
type Flows = BTreeMap<&'static str, (BTreeSet<String>, BTreeSet<String>)>;

fn flows(diagnostics: &[Diagnostic]) -> Flows {
    let mut flows = Flows::new();
    for Diagnostic { sinks, categories, .. } in diagnostics {
        for sink in sinks {
            let (ids, known) = flows.entry(kind(sink)).or_default();
            ids.insert(sink.to_ascii_lowercase());
            known.extend(categories.iter().map(|category| category.to_ascii_lowercase()));
        }
    }
    flows.retain(|_, (_, categories)| !categories.is_empty());
    flows
}

fn kind(sink: &str) -> &'static str {
    let sink = sink.to_ascii_lowercase();
    let kinds = [
        ("/microsoft.operationalinsights/", "a workspace"),
        ("/microsoft.storage/", "a storage account"),
        ("/microsoft.eventhub/", "an event hub"),
    ];
    kinds.into_iter().find(|(provider, _)| sink.contains(provider)).map_or("another sink", |(_, kind)| kind)
}

/// A storage account or an event hub has to lie in the service's own region, so only the kinds of sinks have to be the
/// same.
pub(super) fn diagnostics(pair: Pair<'_>) -> Option<Difference> {
    let (ours, theirs) = (pair.primary.diagnostics.as_ref()?, pair.standby.diagnostics.as_ref()?);
    let (wanted, given) = (flows(ours), flows(theirs));
    let goes = |kind: &str, category: &str| {
        given.get(kind).is_some_and(|(_, categories)| {
            categories.contains(category) || category != ALL_METRICS && categories.contains(ALL_LOGS)
        })
    };
    let mut missing = BTreeSet::new();
    for diagnostic in ours {
        for sink in &diagnostic.sinks {
            let lost = diagnostic.categories.iter().filter(|it| !goes(kind(sink), &it.to_ascii_lowercase()));
            missing.extend(lost.map(|category| format!("{category} to {}", kind(sink))));
        }
    }
    let (primary, standby) = (told(ours), told(theirs));
    if !missing.is_empty() {
        let text = format!("{} nobody sees what is sent now: {}", pair.roles.then, list(missing));
        let remedy = format!(
            "send them to sinks of the same kinds: az monitor diagnostic-settings create --name <name> --resource {} --workspace <id> --logs <json> --metrics <json>",
            pair.standby.service
        );
        return Some(Difference::new(Impact::Risks, "diagnostics", primary, standby, text, remedy));
    }
    (wanted != given).then(|| {
        let text = format!("{} logs and metrics go elsewhere, or more of them do", pair.roles.then);
        Difference::new(Impact::Notes, "diagnostics", primary, standby, text, "")
    })
}

/// `GatewayLogs to my-workspace`
fn told(diagnostics: &[Diagnostic]) -> String {
    let each = |diagnostic: &Diagnostic| -> Vec<String> {
        let names =
            diagnostic.sinks.iter().map(|id| id.rsplit_once('/').map_or(id.as_str(), |(_, name)| name));
        let flows = names.flat_map(|name| {
            diagnostic.categories.iter().map(move |category| format!("{category} to {name}"))
        });
        flows.collect()
    };
    list(diagnostics.iter().flat_map(each).collect::<BTreeSet<_>>())
}

/// Revisions are named apart on each service; all that can be told is whether there is one.
pub(super) fn portal(pair: Pair<'_>) -> Option<Difference> {
    let (ours, theirs) = (pair.primary.portal_revision.as_ref()?, pair.standby.portal_revision.as_ref()?);
    if ours.is_empty() || !theirs.is_empty() {
        return None;
    }
    let text = format!(
        "{} developers find no portal: that of {} was never published, and its content does not come with a backup",
        pair.roles.then, pair.roles.standby
    );
    let remedy = format!(
        "move the content, then publish: Azure portal, {}, Portal overview, Publish",
        pair.standby.service.name
    );
    Some(Difference::new(Impact::Notes, "portal", "published", "never published", text, remedy))
}

/// Before a restore they are expected to differ.
pub(super) fn counts(pair: Pair<'_>) -> Option<Difference> {
    let (ours, theirs) = (pair.primary.counts?, pair.standby.counts?);
    let told = |counts: Counts| list(counts.named().map(|(name, count)| counted(count, name)));
    (ours != theirs).then(|| {
        let text = format!("a restore brings {} what the backup had", pair.roles.standby);
        Difference::new(Impact::Notes, "counts", told(ours), told(theirs), text, "")
    })
}

/// What nobody could read may differ.
pub(super) fn unread(pair: Pair<'_>) -> Vec<Difference> {
    let Pair { primary, standby, roles, .. } = pair;
    let sides = [(primary, roles.primary, true), (standby, roles.standby, false)];
    let unread = sides.into_iter().filter_map(|(snapshot, side, is_primary)| {
        let parts = absent(snapshot);
        if parts.is_empty() && snapshot.unread.is_empty() {
            return None;
        }
        let why = if snapshot.unread.is_empty() { String::new() } else { format!(": {}", snapshot.unread.join("; ")) };
        let what = if parts.is_empty() { "a part".to_owned() } else { list(parts) };
        let text = format!("of {side} nobody could read {what}, so nobody knows whether it differs{why}");
        let (here, there) = if is_primary { (what.as_str(), NONE) } else { (NONE, what.as_str()) };
        let remedy = "let whoever compares read it (the roles API Management Service Reader Role and Monitoring Reader), and compare again";
        Some(Difference::new(Impact::Risks, "unread", here, there, text, remedy))
    });
    unread.collect()
}

fn absent(snapshot: &Snapshot) -> Vec<&'static str> {
    let parts = [
        ("the counts", snapshot.counts.is_none()),
        ("the diagnostics", snapshot.diagnostics.is_none()),
        ("the portal's revision", snapshot.portal_revision.is_none()),
    ];
    parts.into_iter().filter(|(_, is_absent)| *is_absent).map(|(name, _)| name).collect()
}
