//! The records as they lie there, past the program that wrote them.

use std::{collections::BTreeMap, fs, path::Path};

use apim_dr::{
    domain::{Entry, OperationId},
    emulator::accounts,
};
use serde_json::Value;

use super::world::{RECORDS, World};

/// Every object, by its name.
pub(super) struct Shelf(pub(super) BTreeMap<String, Vec<u8>>);

impl Shelf {
    pub(super) fn read(world: &World) -> Self {
        let mut objects = BTreeMap::new();
        if world.in_files {
            read_files(&world.records(), "", &mut objects);
            return Self(objects);
        }
        let (emulator, account) = (&world.emulator, accounts::STORAGE_ACCOUNT);
        for (name, ..) in emulator.blobs(account, RECORDS) {
            let content = emulator.with_blob(account, RECORDS, &name, |blob| blob.content.to_vec());
            objects.extend(content.map(|content| (name, content)));
        }
        Self(objects)
    }

    /// The names below a folder, without it, and what lies there.
    pub(super) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, Value)> {
        let objects = self.0.range(folder.to_owned()..).take_while(move |(name, _)| name.starts_with(folder));
        objects.map(move |(name, bytes)| {
            (&name[folder.len()..], serde_json::from_slice(bytes).unwrap_or(Value::Null))
        })
    }

    /// The entries of every operation, oldest first.
    pub(super) fn entries(&self) -> BTreeMap<OperationId, Vec<Entry>> {
        let mut entries: BTreeMap<_, Vec<Entry>> = BTreeMap::new();
        for (name, entry) in self.below("operations/") {
            let entry: Entry =
                serde_json::from_value(entry).unwrap_or_else(|error| panic!("{name}: {error}"));
            entries.entry(entry.operation.id).or_default().push(entry);
        }
        entries
    }
}

fn read_files(folder: &Path, name: &str, objects: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        let name = format!("{name}{}", entry.file_name().to_string_lossy());
        if name.contains('#') {
            // Half of an object, as who was killed left it: `object_store` does not list it either.
            continue;
        }
        if path.is_dir() {
            read_files(&path, &format!("{name}/"), objects);
        } else if let Ok(bytes) = fs::read(&path) {
            objects.insert(name, bytes);
        }
    }
}

/// The journal in lines.
pub(super) fn journal(entries: &BTreeMap<OperationId, Vec<Entry>>) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, entries) in entries {
        if let Some(last) = entries.last() {
            let plan = &last.operation.plan;
            lines.push(format!("{id}: {} of {}, blob {}", plan.kind, plan.service.name, plan.blob.name));
        }
        for entry in entries {
            let event = serde_json::to_string(&entry.event).unwrap_or_default();
            lines.push(format!("  {:03} {} {:<9} {event}", entry.seq, entry.at, entry.operation.phase));
        }
    }
    lines
}
