//! `apim-dr package`: writes what the Functions host runs, or checks it. Opens nothing of Azure.

use std::{fs, path::Path};

use anyhow::Context as _;

use super::{
    args::{Auth, PackageArgs},
    exit::Exit,
    print,
};
use crate::package::{self, Checked, File, Linking};

pub(super) fn package(args: &PackageArgs) -> anyhow::Result<Exit> {
    let linking = if args.allow_dynamic { Linking::Any } else { Linking::Static };
    if let Some(path) = &args.check {
        let files = package::read(path)?;
        let checked = package::check(&files, linking);
        return told(&format!("{}: {} files", path.display(), files.len()), &checked);
    }
    let files = build(args)?;
    let checked = package::check(&files, linking);
    if !checked.faults.is_empty() {
        return told("nothing was written", &checked);
    }
    let place = args.folder.as_ref().unwrap_or(&args.zip);
    if args.folder.is_some() {
        package::write_folder(&files, place)?;
    } else {
        write(place, &package::zipped(&files)?)?;
    }
    told(&format!("{}: written, {} files", place.display(), files.len()), &checked)
}

fn build(args: &PackageArgs) -> anyhow::Result<Vec<File>> {
    let program = match &args.program {
        Some(path) => path.clone(),
        None => std::env::current_exe().context("this program cannot be found; give one with --program")?,
    };
    let read = |path: &Path| fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    let targets = args.targets.as_deref().map(read).transpose()?;
    let auth = match args.auth {
        Auth::Keys => package::Auth::Keys,
        Auth::EasyAuth => package::Auth::EasyAuth,
    };
    Ok(package::build(read(&program)?, auth, targets))
}

/// What stands afterwards is the whole of it, or what stood before.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = Path::new(&beside);
    let written = fs::write(beside, bytes).and_then(|()| fs::rename(beside, path));
    written.with_context(|| format!("{} cannot be written", path.display()))
}

fn told(first: &str, checked: &Checked) -> anyhow::Result<Exit> {
    let faults = checked.faults.iter().map(|fault| format!("wrong: {fault}"));
    let settings = checked.settings.iter().map(|name| {
        format!("needs the app setting {name}: without it the host leaves out the function that names it")
    });
    let lines: Vec<_> = [first.to_owned()].into_iter().chain(faults).chain(settings).collect();
    print(&lines.join("\n"))?;
    Ok(if checked.faults.is_empty() { Exit::Ok } else { Exit::Failed })
}
