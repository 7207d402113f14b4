use object::{LittleEndian, U16, U32, U64, elf, endian::LittleEndian as Little, pod::bytes_of};
use serde_json::json;

use super::super::{Auth, archive, build};
use super::*;

/// An ELF program for that processor, with these segments and nothing else.
fn elf(machine: u16, segments: &[u32]) -> Vec<u8> {
    let header = elf::FileHeader64::<LittleEndian> {
        e_ident: elf::Ident {
            magic: elf::ELFMAG,
            class: elf::ELFCLASS64,
            data: elf::ELFDATA2LSB,
            version: elf::EV_CURRENT,
            os_abi: 0,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(Little, elf::ET_DYN),
        e_machine: U16::new(Little, machine),
        e_version: U32::new(Little, 1),
        e_entry: U64::new(Little, 0),
        e_phoff: U64::new(Little, 64),
        e_shoff: U64::new(Little, 0),
        e_flags: U32::new(Little, 0),
        e_ehsize: U16::new(Little, 64),
        e_phentsize: U16::new(Little, 56),
        e_phnum: U16::new(Little, u16::try_from(segments.len()).unwrap()),
        e_shentsize: U16::new(Little, 0),
        e_shnum: U16::new(Little, 0),
        e_shstrndx: U16::new(Little, 0),
    };
    let mut bytes = bytes_of(&header).to_vec();
    for segment in segments {
        let zero = || U64::new(Little, 0);
        let segment = elf::ProgramHeader64::<LittleEndian> {
            p_type: U32::new(Little, *segment),
            p_flags: U32::new(Little, 0),
            p_offset: zero(),
            p_vaddr: zero(),
            p_paddr: zero(),
            p_filesz: zero(),
            p_memsz: zero(),
            p_align: zero(),
        };
        bytes.extend(bytes_of(&segment));
    }
    bytes
}

fn program() -> Vec<u8> {
    elf(elf::EM_X86_64, &[elf::PT_LOAD, elf::PT_DYNAMIC])
}

/// What is wrong with a good package after a change.
fn faults(auth: Auth, change: impl FnOnce(&mut Vec<File>)) -> Vec<String> {
    let mut files = build(program(), auth, None);
    change(&mut files);
    check(&files, Linking::Static).faults.iter().map(ToString::to_string).collect()
}

fn file<'a>(files: &'a mut [File], path: &str) -> &'a mut File {
    files.iter_mut().find(|file| file.path == path).unwrap()
}

/// Sets a field of a file's JSON, by its pointer.
fn set(files: &mut [File], path: &str, pointer: &str, value: Value) {
    let file = file(files, path);
    let mut json: Value = serde_json::from_slice(&file.bytes).unwrap();
    let (object, field) = pointer.rsplit_once('/').unwrap();
    json.pointer_mut(object).unwrap()[field] = value;
    file.bytes = json.to_string().into_bytes();
}

const LEVEL: &str = "/bindings/0/authLevel";

#[test]
fn what_is_built_is_good_and_says_which_settings_its_functions_need() {
    for auth in [Auth::Keys, Auth::EasyAuth] {
        let files = build(program(), auth, Some(b"[]".to_vec()));
        let checked = check(&files, Linking::Static);
        assert_eq!((checked.faults, files.len()), (vec![], 10));
        assert_eq!(checked.settings, ["APIM_DR_BACKUP_SCHEDULE".to_owned()].into());
        let modes: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.mode.unwrap())).collect();
        assert!(
            modes.iter().all(|(path, mode)| *mode == if *path == "apim-dr" { 0o755 } else { 0o644 }),
            "{modes:?}"
        );
    }
}

#[test]
fn with_app_service_authentication_every_function_is_anonymous_and_the_program_demands_a_principal() {
    let files = build(program(), Auth::EasyAuth, None);
    let json = |path: &str| -> Value {
        serde_json::from_slice(&files.iter().find(|file| file.path == path).unwrap().bytes).unwrap()
    };
    assert_eq!(
        json("host.json")["customHandler"]["description"]["arguments"],
        json!(["serve", "--require-principal"])
    );
    for (path, _) in FUNCTIONS {
        let trigger = &json(path)["bindings"][0];
        assert!(
            trigger["type"] == "timerTrigger" || trigger["authLevel"] == "anonymous",
            "{path}: {trigger}"
        );
    }
}

/// What is done to a good package, and what is told of it then.
type Case = (fn(&mut Vec<File>), &'static [&'static str]);

fn check_each(cases: &[Case]) {
    for (number, (change, expected)) in cases.iter().enumerate() {
        let told = faults(Auth::Keys, change);
        assert_eq!(told.len(), expected.len(), "{number}: {told:#?}");
        for (told, expected) in told.iter().zip(*expected) {
            assert!(told.contains(expected), "{number}: {told}");
        }
    }
}

#[test]
fn each_thing_that_the_host_would_stumble_over_is_named_with_what_helps() {
    check_each(&[
        (
            |files| files.retain(|file| file.path != "host.json"),
            &["host.json: is missing; the host looks for it at"],
        ),
        (
            |files| files.iter_mut().for_each(|file| file.path = format!("dist/{}", file.path)),
            &["host.json: lies in a folder, as dist/host.json; "],
        ),
        (
            |files| file(files, "host.json").bytes = b"{".to_vec(),
            &["host.json: is no JSON in UTF-8 without a byte order mark"],
        ),
        (
            |files| {
                set(
                    files,
                    "host.json",
                    "/customHandler/description/defaultExecutablePath",
                    json!("bin/apim-dr"),
                );
            },
            &["defaultExecutablePath is \"bin/apim-dr\", which is not in the package"],
        ),
        (
            |files| set(files, "host.json", "/customHandler/description/arguments", json!(["demo"])),
            &["arguments does not begin with \"serve\""],
        ),
        (
            |files| set(files, "host.json", "/customHandler/enableForwardingHttpRequest", json!(false)),
            &["customHandler.enableForwardingHttpRequest is not true"],
        ),
        (|files| set(files, "host.json", "/version", json!("1.0")), &["version is not \"2.0\""]),
        (|files| file(files, "apim-dr").mode = Some(0o644), &["apim-dr: is not executable"]),
        (
            |files| file(files, "apim-dr").mode = None,
            &["apim-dr: is not executable, or the zip does not say", "apim-dr: may not be read by everybody"],
        ),
        (|files| file(files, "host.json").mode = Some(0o600), &["host.json: may not be read by everybody"]),
        (
            |files| file(files, "apim-dr").bytes = b"#!/bin/sh\n".to_vec(),
            &["apim-dr: not a 64-bit ELF program"],
        ),
        (|files| file(files, "apim-dr").bytes.truncate(70), &["apim-dr: its ELF headers cannot be read"]),
        (
            |files| file(files, "apim-dr").bytes = elf(elf::EM_AARCH64, &[]),
            &["apim-dr: built for another processor than x86-64; build it with `cargo build"],
        ),
        (
            |files| file(files, "apim-dr").bytes = elf(elf::EM_X86_64, &[elf::PT_INTERP]),
            &["apim-dr: linked dynamically"],
        ),
        (
            |files| files.push(File::new("local.settings.json", 0o644, "{}")),
            &["local.settings.json: its name is that of a file with secrets; leave it out"],
        ),
        (
            |files| files.push(File::new("targets.json", 0o644, "\u{feff}[]")),
            &[
                "targets.json: is no JSON in UTF-8 without a byte order mark, so nobody can tell what it holds; save",
            ],
        ),
    ]);
    assert_eq!(faults(Auth::EasyAuth, |files| file(files, "apim-dr").bytes = program()), [""; 0]);
}

#[test]
fn each_function_that_this_version_does_not_serve_so_is_named_with_what_helps() {
    check_each(&[
        (
            |files| files.retain(|file| file.path != "sweep-trigger/function.json"),
            &["sweep-trigger/function.json: is missing"],
        ),
        (
            |files| set(files, "backup-trigger/function.json", "/bindings/0/route", json!("backups")),
            &["backup-trigger/function.json: differs from what this version serves"],
        ),
        (
            |files| file(files, "backup-trigger/function.json").bytes = b"[]".to_vec(),
            &["backup-trigger/function.json: has no binding; make the package anew"],
        ),
        (
            |files| file(files, "timer-trigger/function.json").bytes = b"{}".to_vec(),
            &["timer-trigger/function.json: has no binding"],
        ),
        (
            |files| set(files, "backup-trigger/function.json", "/bindings", json!([])),
            &["backup-trigger/function.json: has no binding"],
        ),
        (
            |files| set(files, "backup-trigger/function.json", "/bindings", json!({})),
            &["backup-trigger/function.json: has no binding"],
        ),
        (
            |files| set(files, "backup-trigger/function.json", "/bindings", json!(["httpTrigger"])),
            &["backup-trigger/function.json: has no binding"],
        ),
        (
            |files| {
                set(files, "backup-trigger/function.json", "/bindings/0/schedule", json!("0 30 2 * * *"));
            },
            &["backup-trigger/function.json: differs from what this version serves"],
        ),
        (
            |files| set(files, "operations-trigger/function.json", LEVEL, json!("function")),
            &["operations-trigger/function.json: authLevel is \"function\", not \"anonymous\""],
        ),
        (
            |files| set(files, "timer-trigger/function.json", "/bindings/0/schedule", json!("%SCHEDULE%")),
            &["schedule is the setting SCHEDULE, which nobody knows"],
        ),
        (
            |files| set(files, "sweep-trigger/function.json", "/bindings/0/schedule", json!("0 0 0 31 2 *")),
            &["the schedule \"0 0 0 31 2 *\" is none that fires; give an NCRONTAB"],
        ),
        (
            |files| files.push(File::new("other/function.json", 0o644, "{}")),
            &["other/function.json: a function that this version does not serve"],
        ),
        (
            |files| {
                set(files, "backup-trigger/function.json", LEVEL, json!("anonymous"));
                set(files, "status-trigger/function.json", LEVEL, json!("anonymous"));
            },
            &["backup-trigger, status-trigger are anonymous: anybody could call"],
        ),
        (|files| set(files, "backup-trigger/function.json", LEVEL, json!("admin")), &[]),
        (
            |files| set(files, "timer-trigger/function.json", "/bindings/0/schedule", json!("0 30 2 * * *")),
            &[],
        ),
    ]);
}

#[test]
fn a_program_that_needs_libraries_is_taken_by_whoever_says_so() {
    let files = build(elf(elf::EM_X86_64, &[elf::PT_INTERP]), Auth::Keys, None);
    assert_eq!(check(&files, Linking::Any).faults, []);
}

#[test]
fn a_zip_is_the_same_bytes_for_the_same_files_and_reads_back_as_they_were() {
    let files = build(program(), Auth::Keys, None);
    let zip = archive::zipped(&files).unwrap();
    assert_eq!(zip, archive::zipped(&build(program(), Auth::Keys, None)).unwrap());
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("a.zip");
    std::fs::write(&path, zip).unwrap();
    assert_eq!(archive::read(&path).unwrap(), files);
    let unpacked = folder.path().join("unpacked");
    archive::write_folder(&files, &unpacked).unwrap();
    archive::write_folder(&files, &unpacked).unwrap();
    assert_eq!(archive::read(&unpacked).unwrap(), files);
    std::fs::write(unpacked.join("notes.txt"), "mine").unwrap();
    let refused = archive::write_folder(&files, &unpacked).unwrap_err().to_string();
    assert!(refused.contains("notes.txt") && refused.contains("give a new folder"), "{refused}");
    std::fs::write(&path, "PK").unwrap();
    assert!(archive::read(&path).unwrap_err().to_string().contains("not a zip file"));
}
