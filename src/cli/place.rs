//! Which containers a command about recovery points means, and what opens them.

use std::collections::BTreeMap;

use super::{args::PlaceArgs, exit::usage};
use crate::{
    app::App,
    domain::{ContainerRef, InvalidName, Policy, RecoveryPoint, Secret, ServiceName, Target, standing},
    settings::Settings,
};

/// A container, and the services whose recovery points in it are meant.
pub(super) struct Place {
    pub(super) container: ContainerRef,
    pub(super) services: Vec<ServiceName>,
    pub(super) access_key: Option<Secret>,
}

/// The configured target of that name.
pub(super) fn target<'a>(settings: &'a Settings, name: &str) -> anyhow::Result<&'a Target> {
    settings.targets.iter().find(|target| target.name.as_str() == name).ok_or_else(|| {
        let names: Vec<_> = settings.targets.iter().map(|target| target.name.as_str()).collect();
        let remedy = match names.as_slice() {
            [] => "the setting APIM_DR_TARGETS has no targets".to_owned(),
            names => format!("take one of {}", names.join(", ")),
        };
        usage(format!("{name}: not a configured target; {remedy}"))
    })
}

/// The container that the options name; `None`: any.
fn container(args: &PlaceArgs, settings: &Settings) -> anyhow::Result<Option<ContainerRef>> {
    if let Some(name) = &args.target {
        return Ok(Some(target(settings, name)?.plan.blob.place()));
    }
    let (Some(account), Some(container)) = (&args.storage_account_name, &args.storage_account_container)
    else {
        return Ok(None);
    };
    let account = account.parse().map_err(|error| wrong("--storage-account-name", &error))?;
    let container = container.parse().map_err(|error| wrong("--storage-account-container", &error))?;
    Ok(Some(ContainerRef { account, container }))
}

/// The service that the options name; `None`: any.
pub(super) fn service(args: &PlaceArgs, settings: &Settings) -> anyhow::Result<Option<ServiceName>> {
    if let Some(name) = &args.target {
        return Ok(Some(target(settings, name)?.plan.service.name.clone()));
    }
    args.name.as_deref().map(str::parse).transpose().map_err(|error| wrong("--name", &error))
}

pub(super) fn wrong(option: &str, error: &InvalidName) -> anyhow::Error {
    usage(format!("{option}: {error}"))
}

/// All containers that are meant, with the services that have recovery points there, or are backed up to there.
pub(super) async fn places(app: &App, args: &PlaceArgs, settings: &Settings) -> anyhow::Result<Vec<Place>> {
    let (wanted, only) = (container(args, settings)?, service(args, settings)?);
    let mut found: BTreeMap<ContainerRef, Vec<ServiceName>> = BTreeMap::new();
    let mut add = |container: ContainerRef, service: &ServiceName| {
        let meant = only.as_ref().is_none_or(|only| only.key() == service.key())
            && wanted.as_ref().is_none_or(|wanted| *wanted == container);
        let services = meant.then(|| found.entry(container).or_default());
        if let Some(services) = services
            && services.iter().all(|known| known.key() != service.key())
        {
            services.push(service.clone());
        }
    };
    for target in &settings.targets {
        add(target.plan.blob.place(), &target.plan.service.name);
    }
    let catalog = &app.ports().catalog;
    for service in catalog.services().await? {
        for point in standing(catalog.points(&service, None).await?.points) {
            add(point.blob.place(), &point.service.name);
        }
    }
    if let Some(container) = wanted {
        found.entry(container).or_default();
    }
    let place = |(container, services): (ContainerRef, Vec<ServiceName>)| {
        let access_key = access_key(&container, args, settings);
        Place { container, services, access_key }
    };
    Ok(found.into_iter().map(place).collect())
}

/// What opens a container: the key that is given, else that of a target in the same account.
fn access_key(container: &ContainerRef, args: &PlaceArgs, settings: &Settings) -> Option<Secret> {
    let of_target = || {
        let mut targets = settings.targets.iter();
        let same = |target: &&Target| {
            target.plan.blob.account == container.account && target.credentials.access_key.is_some()
        };
        targets.find(same).and_then(|target| target.credentials.access_key.clone())
    };
    let given = args.storage_account_key.as_ref().or(settings.storage_key.as_ref()).cloned();
    if args.storage_account_name.is_some() {
        return given.or_else(of_target);
    }
    // It may be another account's: what is known of this one goes first.
    let is_connected = settings.blob_connections.iter().any(|it| it.account == container.account.as_str());
    of_target().or(given.filter(|_| !is_connected))
}

/// The policy of the target that backs this service up to this container.
pub(super) fn policy<'a>(
    settings: &'a Settings,
    service: &ServiceName,
    container: &ContainerRef,
) -> Option<&'a Policy> {
    let is_it = |target: &&Target| {
        target.plan.service.name.key() == service.key() && target.plan.blob.place() == *container
    };
    settings.targets.iter().find(is_it).and_then(|target| target.plan.retention.as_ref())
}

/// Says which records cannot be read; the others count.
pub(super) fn warn_unreadable<E: std::fmt::Display>(errors: &[E]) {
    for error in errors {
        eprintln!("warning: {error}");
    }
}

/// Whether the point is the one that is asked for, by its blob or its operation.
pub(super) fn is_named(point: &RecoveryPoint, name: &str) -> bool {
    point.blob.name.as_str() == name || point.blob.to_string() == name || point.id.to_string() == name
}
