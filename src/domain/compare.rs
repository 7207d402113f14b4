//! Two services side by side: what a fail-over, or a restore, would find different.
//!
//! A backup carries APIs, products, users and subscriptions. What is compared here it does not carry, so on the day it is
//! as somebody has set it up before.

mod hostnames;
mod monitoring;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod sentences;
mod setup;
mod surface;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Counts, Snapshot};

/// What a difference does on the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Impact {
    /// A fail-over does not work.
    Breaks,
    /// It works, but some callers or operators lose something; or nobody could tell.
    Risks,
    /// It is expected to differ.
    Notes,
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Breaks => "breaks",
            Self::Risks => "risks",
            Self::Notes => "notes",
        })
    }
}

/// One thing that is not the same on both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    pub severity: Impact,
    /// Stable: `tier`, `hostname`.
    pub item: Cow<'static, str>,
    /// What the primary has.
    pub primary: String,
    /// What the standby has.
    pub standby: String,
    /// What it means on the day: one sentence.
    pub text: String,
    /// What to do, with the command if there is one; empty: nothing.
    pub remedy: String,
}

/// How the two sides are called, and when it shows that they differ.
#[derive(Debug, Clone, Copy)]
struct Roles {
    primary: &'static str,
    standby: &'static str,
    then: &'static str,
}

const FAIL_OVER: Roles = Roles { primary: "the primary", standby: "the standby", then: "after a fail-over" };
const RESTORE: Roles = Roles { primary: "the source", standby: "the target", then: "after the restore" };

/// What stands for nothing.
const NONE: &str = "-";

/// The two sides.
#[derive(Debug, Clone, Copy)]
struct Pair<'a> {
    primary: &'a Snapshot,
    standby: &'a Snapshot,
    roles: Roles,
    now: Timestamp,
}

/// What differs, the worst first. Live or recorded makes no difference here.
pub fn compare(primary: &Snapshot, standby: &Snapshot, now: Timestamp) -> Vec<Difference> {
    differences(Pair { primary, standby, roles: FAIL_OVER, now })
}

/// What of the source will not come back with a restore: the target keeps its own. `source` is as it was when the backup
/// was taken.
pub fn not_carried(source: &Snapshot, target: &Snapshot, now: Timestamp) -> Vec<Difference> {
    let mut found = differences(Pair { primary: source, standby: target, roles: RESTORE, now });
    // The first is carried. The others say nothing of what does not come back; a wrong tier keeps a restore from starting.
    found.retain(|difference| !matches!(&*difference.item, "counts" | "tier" | "location" | "platform"));
    found
}

fn differences(pair: Pair<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    found.extend(setup::tier(pair));
    found.extend(hostnames::hostnames(pair));
    found.extend(hostnames::certificates(pair));
    found.extend(hostnames::ca_certificates(pair));
    found.extend(surface::gateway(pair));
    found.extend(surface::network(pair));
    found.extend(surface::public_network_access(pair));
    found.extend(surface::private_endpoints(pair));
    found.extend(surface::protocols(pair));
    found.extend(setup::identity(pair));
    found.extend(monitoring::diagnostics(pair));
    found.extend(setup::capacity(pair));
    found.extend(setup::zones(pair));
    found.extend(setup::regions(pair));
    found.extend(setup::location(pair));
    found.extend(setup::platform(pair));
    found.extend(surface::api_version_constraint(pair));
    found.extend(monitoring::portal(pair));
    found.extend(monitoring::counts(pair));
    found.extend(monitoring::unread(pair));
    // Stable: of the same weight in the order above.
    found.sort_by_key(|difference| difference.severity);
    found
}

impl Pair<'_> {
    /// How commands of `az` name the standby.
    fn at(&self) -> String {
        let service = &self.standby.service;
        format!("--name {} --resource-group {}", service.name, service.resource_group)
    }

    /// A change of the standby for which `az apim` has no option.
    fn patch(&self, body: &str) -> String {
        let service = &self.standby.service;
        format!("az rest --method patch --url \"{service}?api-version=2024-05-01\" --body '{body}'")
    }
}

impl Difference {
    fn new(
        severity: Impact,
        item: &'static str,
        primary: impl Into<String>,
        standby: impl Into<String>,
        text: String,
        remedy: impl Into<String>,
    ) -> Self {
        let (primary, standby, remedy) = (primary.into(), standby.into(), remedy.into());
        Self { severity, item: item.into(), primary, standby, text, remedy }
    }
}

/// Where fewer or more came back than the backup had, in sentences.
pub fn counts_differ(expected: Counts, found: Counts) -> Vec<String> {
    let pairs = expected.named().into_iter().zip(found.named());
    let sentence = |((name, expected), (_, found)): ((&str, u64), (_, u64))| {
        let word = if found < expected { "fewer" } else { "more" };
        let by = expected.abs_diff(found);
        (by > 0).then(|| {
            let name = counted(by, name);
            format!("{name} {word} than the backup had ({found}, was {expected})")
        })
    };
    pairs.filter_map(sentence).collect()
}

/// `2 APIs`, `1 API`: of a name in the plural.
fn counted(count: u64, name: &str) -> String {
    let singular = name.strip_suffix('s').filter(|_| count == 1);
    format!("{count} {}", singular.unwrap_or(name))
}

/// The texts one after another; if there are none, a dash.
fn list<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> String {
    let mut all = String::new();
    for text in texts {
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(text.as_ref());
    }
    if all.is_empty() { NONE.to_owned() } else { all }
}
