//! `apim-dr catalog rebuild`, `adopt`.

use super::{
    args::{CatalogCommand, PlaceArgs},
    exit::{Exit, usage},
    place::{Place, places, service, target, warn_unreadable, wrong},
    print, screen,
};
use crate::{
    app::App,
    domain::{BlobRef, ServiceId, recognise},
    settings::Settings,
    workflows::{Adopted, Stock, adopt, note_all, rebuild, take_stock},
};

pub(super) async fn run(app: &App, command: CatalogCommand, settings: &Settings) -> anyhow::Result<Exit> {
    match command {
        CatalogCommand::Rebuild { place } => rebuild_all(app, &place, settings).await,
        CatalogCommand::Adopt { names, all, resource_group, subscription, place } => {
            let service = owner(resource_group, subscription, &place, settings)?;
            adopt_all(app, &service, names, all, &place, settings).await
        }
    }
}

async fn rebuild_all(app: &App, args: &PlaceArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let rebuilt = screen::waiting("reading the operations", rebuild(app.ports())).await?;
    warn_unreadable(&rebuilt.unreadable);
    print(&format!("{} backups of the records are in the catalogue", rebuilt.points))?;
    let places = places(app, args, settings).await?;
    let mut unlisted = 0;
    for Place { container, services, access_key } in &places {
        let stock = screen::waiting(
            "looking at what there is",
            take_stock(app.ports(), services, container, access_key.as_ref()),
        )
        .await?;
        warn_unreadable(&stock.unreadable);
        screen::waiting("noting it", note_all(app.ports(), &stock)).await?;
        let Stock { items, strangers_count, unlisted: reason, .. } = &stock;
        let there = items.iter().filter(|item| item.seen().is_some()).count();
        match reason {
            Some(reason) => {
                unlisted += 1;
                eprintln!("warning: {container} cannot be listed: {reason}");
            }
            None => {
                print(&format!(
                    "{container}: {there} of {} are there; {strangers_count} blobs are not ours",
                    items.len()
                ))?;
            }
        }
    }
    Ok(if unlisted > 0 || !rebuilt.unreadable.is_empty() { Exit::Partial } else { Exit::Ok })
}

/// Whose backups are adopted.
fn owner(
    resource_group: Option<String>,
    subscription: Option<String>,
    args: &PlaceArgs,
    settings: &Settings,
) -> anyhow::Result<ServiceId> {
    if let Some(name) = &args.target {
        return Ok(target(settings, name)?.plan.service.clone());
    }
    let subscription = subscription.or_else(|| settings.subscription.clone());
    let (Some(name), Some(group), Some(subscription)) =
        (service(args, settings)?, resource_group, subscription)
    else {
        return Err(usage(
            "give --target, or the instance and where it is: --name, --resource-group, --subscription, --storage-account-name and --storage-account-container",
        ));
    };
    Ok(ServiceId {
        subscription: subscription.parse().map_err(|error| wrong("--subscription", &error))?,
        resource_group: group.parse().map_err(|error| wrong("--resource-group", &error))?,
        name,
    })
}

async fn adopt_all(
    app: &App,
    service: &ServiceId,
    names: Vec<String>,
    all: bool,
    args: &PlaceArgs,
    settings: &Settings,
) -> anyhow::Result<Exit> {
    let mut places = places(app, args, settings).await?;
    let (Some(place), true) = (places.pop(), places.is_empty()) else {
        return Err(usage(
            "give --target, or --storage-account-name and --storage-account-container: one container",
        ));
    };
    let Place { container, services, access_key } = place;
    let mut names = names;
    if all {
        let stock = screen::waiting(
            "looking at what there is",
            take_stock(app.ports(), &services, &container, access_key.as_ref()),
        )
        .await?;
        if let Some(reason) = stock.unlisted {
            eprintln!("error: {container} cannot be listed: {reason}");
            return Ok(Exit::Failed);
        }
        names = stock
            .strangers
            .into_iter()
            .map(|blob| blob.name)
            .filter(|name| recognise(name).is_some())
            .collect();
    }
    let (mut adopted, mut refused) = (0, 0);
    for name in &names {
        let outcome = match name.parse() {
            Ok(name) => {
                let blob = BlobRef {
                    account: container.account.clone(),
                    container: container.container.clone(),
                    name,
                };
                screen::waiting("taking it in", adopt(app.ports(), service, blob, access_key.as_ref()))
                    .await?
            }
            Err(error) => Adopted::Refused { reason: error.to_string() },
        };
        match outcome {
            Adopted::Ours(point) => {
                adopted += 1;
                print(&format!("adopted {}, written {:.0}", point.blob, point.at))?;
            }
            Adopted::Known(point) => {
                print(&format!("{} is a recovery point already: {}", point.blob, point.id))?;
            }
            Adopted::Refused { reason } => {
                refused += 1;
                eprintln!("error: {name}: {reason}");
            }
        }
    }
    Ok(match (adopted, refused) {
        (_, 0) => Exit::Ok,
        (0, _) => Exit::Failed,
        _ => Exit::Partial,
    })
}
