//! Which identities a service has once some were enabled or disabled.
//!
//! Azure takes the whole set at a time: what is there and was not named stays.

use super::{Hostname, Identity, IdentityChange, Inventory, UserAssigned};

/// By API Management's documentation.
const MOST: usize = 10;

/// What somebody asks for. User-assigned identities are named by their resource ids, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityRequest {
    Enable { system: bool, user: Vec<String> },
    Disable { system: bool, user: Vec<String> },
    DisableAll,
}

/// Why the identities stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityRefusal {
    #[error("a service has at most {MOST} user-assigned identities, and this one would have {0}")]
    TooMany(usize),
    #[error("{identity} reads the certificate of {} from a Key Vault", .hosts.join(", "))]
    ReadsCertificates { identity: String, hosts: Vec<String> },
}

impl IdentityChange {
    /// What a request makes of a service; `None`: it is so already.
    pub fn of(request: &IdentityRequest, inventory: &Inventory) -> Result<Option<Self>, IdentityRefusal> {
        let now = &inventory.identity;
        let change = match request {
            IdentityRequest::Enable { system, user } => Self::enabling(now, *system, user)?,
            IdentityRequest::Disable { system, user } => {
                Self::keeping(now, now.system_assigned && !system, |id| {
                    !user.iter().any(|named| named.eq_ignore_ascii_case(id))
                })
            }
            IdentityRequest::DisableAll => Self::keeping(now, false, |_| false),
        };
        change.check(inventory)?;
        let is_same = change.system_assigned == now.system_assigned
            && change.removed.is_empty()
            && change.user_assigned.len() == now.user_assigned.len();
        Ok((!is_same).then_some(change))
    }

    fn enabling(now: &Identity, system: bool, named: &[String]) -> Result<Self, IdentityRefusal> {
        let mut change = Self::keeping(now, now.system_assigned || system, |_| true);
        for id in named {
            if !change.user_assigned.iter().any(|known| known.eq_ignore_ascii_case(id)) {
                change.user_assigned.push(id.clone());
            }
        }
        match change.user_assigned.len() {
            count if count > MOST => Err(IdentityRefusal::TooMany(count)),
            _ => Ok(change),
        }
    }

    fn keeping(now: &Identity, system_assigned: bool, stays: impl Fn(&str) -> bool) -> Self {
        let (user_assigned, removed) = now.user_assigned.keys().cloned().partition(|id: &String| stays(id));
        Self { system_assigned, user_assigned, removed }
    }

    /// Whether the service has no identity then.
    pub fn leaves_none(&self) -> bool {
        !self.system_assigned && self.user_assigned.is_empty()
    }

    /// Azure refuses to take away the identity that reads a host name's certificate. It says so after minutes.
    fn check(&self, inventory: &Inventory) -> Result<(), IdentityRefusal> {
        let now = &inventory.identity;
        let used = |is_read: &dyn Fn(&Hostname) -> bool| {
            let from_vault = inventory.hostnames.iter().filter(|name| name.key_vault.is_some());
            from_vault.filter(|name| is_read(name)).map(|name| name.host.clone()).collect::<Vec<_>>()
        };
        let refuse = |identity: &str, hosts: Vec<String>| {
            if hosts.is_empty() {
                return Ok(());
            }
            Err(IdentityRefusal::ReadsCertificates { identity: identity.to_owned(), hosts })
        };
        if now.system_assigned && !self.system_assigned {
            refuse("the system-assigned identity", used(&|name| name.identity_client_id.is_none()))?;
        }
        for (id, lost) in now.user_assigned.iter().filter(|(id, _)| self.removed.contains(id)) {
            refuse(
                id,
                used(&|name| {
                    name.identity_client_id.as_deref().is_some_and(|client| may_be(lost, client, now))
                }),
            )?;
        }
        Ok(())
    }
}

/// Whether this identity has that client id. One that Azure does not tell yet may be any that is nobody else's.
fn may_be(identity: &UserAssigned, client: &str, all: &Identity) -> bool {
    let has = |it: &UserAssigned| it.client_id.as_deref().map(|id| id.eq_ignore_ascii_case(client));
    has(identity).unwrap_or_else(|| !all.user_assigned.values().any(|it| has(it) == Some(true)))
}

/// Whether a text is the resource id of a user-assigned identity. Azure reads it without case.
pub fn is_identity_id(text: &str) -> bool {
    let parts: Vec<_> = text.split('/').collect();
    let fixed = [
        (0, ""),
        (1, "subscriptions"),
        (3, "resourceGroups"),
        (5, "providers"),
        (6, "Microsoft.ManagedIdentity"),
        (7, "userAssignedIdentities"),
    ];
    parts.len() == 9
        && parts[1..].iter().all(|part| !part.trim().is_empty())
        && fixed.iter().all(|(at, word)| parts[*at].eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(name: &str) -> String {
        format!(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
        )
    }

    fn ids(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| id(name)).collect()
    }

    /// The client id of each is its name with `-client` behind.
    fn service(system: bool, user: &[&str]) -> Inventory {
        let assigned = |name: &&str| {
            (id(name), UserAssigned { client_id: Some(format!("{name}-client")), principal: None })
        };
        let user_assigned = user.iter().map(assigned).collect();
        let identity = Identity { system_assigned: system, principal: None, user_assigned };
        Inventory { identity, ..Inventory::default() }
    }

    fn enable(system: bool, user: &[&str]) -> IdentityRequest {
        IdentityRequest::Enable { system, user: ids(user) }
    }

    fn disable(system: bool, user: &[&str]) -> IdentityRequest {
        IdentityRequest::Disable { system, user: ids(user) }
    }

    /// The whole set that is sent: system-assigned, those that it has then, those that it loses.
    type Sent<'a> = Option<(bool, &'a [&'a str], &'a [&'a str])>;

    #[test]
    fn a_request_becomes_the_whole_set_and_nothing_if_it_is_so_already() {
        use IdentityRequest::DisableAll;
        let both = || service(true, &["a", "b"]);
        let none = || service(false, &[]);
        let rows: [(Inventory, IdentityRequest, Sent<'_>); 13] = [
            (none(), enable(true, &[]), Some((true, &[], &[]))),
            (none(), enable(false, &["a"]), Some((false, &["a"], &[]))),
            (none(), enable(true, &["a", "a", "A"]), Some((true, &["a"], &[]))),
            (both(), enable(true, &["c"]), Some((true, &["a", "b", "c"], &[]))),
            (both(), enable(true, &["A"]), None),
            (service(false, &["a"]), enable(true, &[]), Some((true, &["a"], &[]))),
            (both(), disable(true, &[]), Some((false, &["a", "b"], &[]))),
            (both(), disable(false, &["B"]), Some((true, &["a"], &["b"]))),
            (both(), disable(true, &["a", "b"]), Some((false, &[], &["a", "b"]))),
            (both(), disable(false, &["c"]), None),
            (none(), disable(true, &["a"]), None),
            (both(), DisableAll, Some((false, &[], &["a", "b"]))),
            (none(), DisableAll, None),
        ];
        for (before, request, expected) in rows {
            let expected = expected.map(|(system_assigned, user_assigned, removed)| IdentityChange {
                system_assigned,
                user_assigned: ids(user_assigned),
                removed: ids(removed),
            });
            let leaves_none = expected
                .as_ref()
                .is_some_and(|change| !change.system_assigned && change.user_assigned.is_empty());
            let change = IdentityChange::of(&request, &before);
            assert_eq!(change.as_ref().unwrap().as_ref(), expected.as_ref(), "{before:?} {request:?}");
            let told = change.unwrap().is_some_and(|change| change.leaves_none());
            assert_eq!(told, leaves_none, "{before:?} {request:?}");
        }
    }

    #[test]
    fn an_eleventh_identity_is_refused_and_ten_are_not() {
        let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(IdentityChange::of(&enable(true, &names), &service(false, &[])).unwrap().is_some());
        let full = service(false, &names);
        assert_eq!(IdentityChange::of(&enable(false, &["11"]), &full), Err(IdentityRefusal::TooMany(11)));
        assert!(IdentityChange::of(&enable(true, &["3"]), &full).unwrap().is_some());
    }

    #[test]
    fn the_identity_that_reads_a_certificate_from_a_key_vault_is_not_taken_away() {
        let with = |client: Option<&str>, vault: bool| {
            let host = |host: &str| Hostname {
                host: host.to_owned(),
                key_vault: vault.then(|| "https://vault.example.com/secrets/tls".to_owned()),
                identity_client_id: client.map(str::to_owned),
                ..Hostname::default()
            };
            let hostnames = vec![host("api.example.com"), host("portal.example.com")];
            Inventory { hostnames, ..service(true, &["a", "b"]) }
        };
        let hosts = "the certificate of api.example.com, portal.example.com from a Key Vault";
        let system = format!("the system-assigned identity reads {hosts}");
        let a = format!("{} reads {hosts}", id("a"));
        let rows = [
            (with(None, true), disable(true, &[]), Some(&system)),
            (with(None, true), IdentityRequest::DisableAll, Some(&system)),
            (with(None, true), disable(false, &["a", "b"]), None),
            (with(None, false), disable(true, &[]), None),
            (with(Some("A-client"), true), disable(false, &["a"]), Some(&a)),
            (with(Some("A-client"), true), IdentityRequest::DisableAll, Some(&a)),
            (with(Some("a-client"), true), disable(true, &["b"]), None),
            (with(Some("a-client"), false), disable(false, &["a"]), None),
            // Nobody's, as far as Azure tells.
            (with(Some("c-client"), true), IdentityRequest::DisableAll, None),
        ];
        for (before, request, expected) in rows {
            let refused = IdentityChange::of(&request, &before).err().map(|refusal| refusal.to_string());
            assert_eq!(refused.as_ref(), expected, "{request:?} of {:?}", before.hostnames);
        }
        // Right after it was assigned its client id is unknown: it may be the one.
        let mut fresh = with(Some("c-client"), true);
        fresh.identity.user_assigned.insert(id("c"), UserAssigned::default());
        assert!(IdentityChange::of(&disable(false, &["c"]), &fresh).is_err());
        fresh.hostnames.iter_mut().for_each(|name| name.identity_client_id = Some("b-client".to_owned()));
        assert!(IdentityChange::of(&disable(false, &["c"]), &fresh).is_ok());
    }

    #[test]
    fn a_resource_id_is_that_of_a_user_assigned_identity() {
        assert!(is_identity_id(&id("a")) && is_identity_id(&id("a").to_uppercase()));
        let odd = id("a").replace("userAssignedIdentities", "others");
        for text in
            ["", "a", "51511111-0000-4000-8000-000000000002", &odd, &id(""), &id("a/b"), &id("a")[1..]]
        {
            assert!(!is_identity_id(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_there_and_was_not_named_stays(
            had in proptest::sample::subsequence(vec!["a", "b", "c", "d", "e"], 0..5),
            named in proptest::sample::subsequence(vec!["a", "C", "D", "e", "f"], 0..5),
            had_system: bool, system: bool, enables: bool,
        ) {
            let before = service(had_system, &had);
            let request = if enables { enable(system, &named) } else { disable(system, &named) };
            let Some(change) = IdentityChange::of(&request, &before).unwrap() else { return Ok(()) };
            let is_named = |id: &String| ids(&named).iter().any(|named| named.eq_ignore_ascii_case(id));
            for id in ids(&had).iter().filter(|id| !is_named(id)) {
                prop_assert!(change.user_assigned.contains(id) && !change.removed.contains(id));
            }
            if !system {
                prop_assert_eq!(change.system_assigned, had_system);
            }
            // Nothing comes that was not asked for, and what goes was there.
            prop_assert!(change.user_assigned.iter().all(|it| ids(&had).contains(it) || (enables && is_named(it))));
            prop_assert!(change.removed.iter().all(|it| !enables && is_named(it) && ids(&had).contains(it)));
        }
    }
}
