//! The package: written, looked at, and started from its zip where there is nothing else.
//!
//! With `APIM_DR_PACKAGE=<zip>` it is that one which is started, as it is to be shipped. Otherwise one is made of the program
//! under test, and the libraries that this needs are put beside it.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};
use zip::ZipArchive;

use crate::{
    bed::seed,
    process::{Ended, Place, confined},
    tls::place_with_tls,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_apim-dr");

async fn package(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(PROGRAM);
    let output =
        command.arg("package").args(arguments).env_clear().current_dir(folder).output().await.unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn two_packages_of_one_program_are_the_same_bytes_and_pass_the_check() {
    let folder = TempDir::new().unwrap();
    for zip in ["a.zip", "b.zip"] {
        let written = package(folder.path(), &["--zip", zip, "--allow-dynamic"]).await;
        assert_eq!(written.code, Some(0), "{written:?}");
        assert!(written.out.contains(&format!("{zip}: written, 9 files")), "{written:?}");
        assert!(written.out.contains("needs the app setting APIM_DR_BACKUP_SCHEDULE"), "{written:?}");
    }
    let bytes = |zip| fs::read(folder.path().join(zip)).unwrap();
    assert_eq!(bytes("a.zip"), bytes("b.zip"));
    let unpacked =
        package(folder.path(), &["--folder", "dist", "--allow-dynamic", "--auth", "easy-auth"]).await;
    assert_eq!(unpacked.code, Some(0), "{unpacked:?}");
    for place in ["a.zip", "dist"] {
        let checked = package(folder.path(), &["--check", place, "--allow-dynamic"]).await;
        assert_eq!(checked.code, Some(0), "{checked:?}");
    }
    let names: BTreeSet<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["a.zip", "b.zip", "dist"].map(str::to_owned).into(), "nothing is left half written");
}

#[tokio::test]
async fn a_package_that_would_not_start_is_not_written_and_says_what_helps() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("script"), "#!/bin/sh\n").unwrap();
    fs::write(folder.path().join("targets.json"), r#"[{"clientSecret": "hush-hush"}]"#).unwrap();
    let arguments = ["--program", "script", "--targets", "targets.json"];
    let refused = package(folder.path(), &arguments).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for said in [
        "nothing was written",
        "apim-dr: not a 64-bit ELF program",
        "x86_64-unknown-linux-musl",
        "targets.json: the field clientSecret",
    ] {
        assert!(refused.out.contains(said), "{said}: {refused:?}");
    }
    assert!(!format!("{refused:?}").contains("hush-hush"));
    assert!(!folder.path().join("apim-dr.zip").exists());
    for (arguments, code, said) in [
        (vec!["--check", "nowhere.zip"], 1, "nowhere.zip: No such file or directory (os error 2)\n"),
        (vec!["--check", "script"], 1, "not a zip file"),
        (vec!["--check", "script", "--zip", "a.zip"], 64, "--check"),
        (vec!["--program", "nowhere"], 1, "nowhere cannot be read"),
    ] {
        let ended = package(folder.path(), &arguments).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(said), "{arguments:?}: {ended:?}");
    }
}

/// The package that is to be shipped.
#[expect(clippy::disallowed_methods, reason = "the test's own switch")]
fn given() -> Option<String> {
    env::var("APIM_DR_PACKAGE").ok()
}

/// The zip that is to be started: the one that is given, or one of the program under test.
async fn zip(folder: &Path) -> PathBuf {
    if let Some(given) = given() {
        let checked = package(folder, &["--check", &given]).await;
        assert_eq!(checked.code, Some(0), "{checked:?}");
        return given.into();
    }
    let written = package(folder, &["--allow-dynamic"]).await;
    assert_eq!(written.code, Some(0), "{written:?}");
    folder.join("apim-dr.zip")
}

/// Puts the libraries of a program below `root`, at their own paths; a static program has none.
async fn bring_libraries(program: &Path, root: &Path) {
    let told = Command::new("ldd").arg(program).output().await.unwrap();
    for word in String::from_utf8(told.stdout).unwrap().split_whitespace() {
        let path = Path::new(word);
        if path.is_absolute() && path.is_file() {
            let inside = root.join(path.strip_prefix("/").unwrap());
            fs::create_dir_all(inside.parent().unwrap()).unwrap();
            fs::copy(path, inside).unwrap();
        }
    }
}

/// Whether this machine lets nobody make a root of their own.
fn may_not_confine(said: &str) -> bool {
    let so = said.starts_with("unshare: ") && given().is_none();
    if so {
        eprintln!("SKIPPED: {said}");
    }
    so
}

/// The files of the package, and what its program needs, in a root of their own.
async fn unpacked(folder: &Path) -> PathBuf {
    let root = folder.join("root");
    ZipArchive::new(fs::File::open(zip(folder).await).unwrap()).unwrap().extract(&root).unwrap();
    bring_libraries(&root.join("apim-dr"), &root).await;
    root
}

#[tokio::test]
async fn the_package_starts_from_its_zip_in_an_empty_root_with_only_the_port_set() {
    let folder = TempDir::new().unwrap();
    let root = unpacked(folder.path()).await;
    let host: Value = serde_json::from_slice(&fs::read(root.join("host.json")).unwrap()).unwrap();
    let description = &host["customHandler"]["description"];
    let program = description["defaultExecutablePath"].as_str().unwrap();
    let arguments =
        description["arguments"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());

    let mut command = confined(&root, program);
    command.args(arguments).env_clear().env("FUNCTIONS_CUSTOMHANDLER_PORT", "0");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let Some(line) = lines.next_line().await.unwrap() else {
            let output = child.wait_with_output().await.unwrap();
            assert!(may_not_confine(&String::from_utf8_lossy(&output.stderr)));
            return;
        };
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "listening" {
            break line["address"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(reqwest::get(format!("http://{address}/")).await.unwrap().status(), 200);
    // It stays up, and says what it lacks.
    let health = reqwest::get(format!("http://{address}/api/health")).await.unwrap();
    assert_eq!(health.status(), 503);
    let health = health.text().await.unwrap();
    assert!(health.contains("APIM_DR_BACKUP_SCHEDULE") && health.contains("APIM_DR_RECORDS"), "{health}");
}

#[tokio::test]
async fn certificate_authorities_are_found_where_debian_azure_linux_and_alpine_keep_them_or_a_setting_is_named()
 {
    let folder = TempDir::new().unwrap();
    let root = unpacked(folder.path()).await;
    fs::create_dir(root.join("etc")).unwrap();
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    let (mut place, authority) = place_with_tls().await;
    place.below(&root);
    let body = seed("backup").to_string();
    let nowhere = place.run(&["backup", "--payload", "-"], &body).await;
    if may_not_confine(&nowhere.err) {
        return;
    }
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    assert!(nowhere.out.contains("SSL_CERT_FILE"), "{nowhere:?}");
    for place_of_authorities in
        ["etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/cert.pem"]
    {
        let file = root.join(place_of_authorities);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &authority).unwrap();
        let trusted = place.run(&["backup", "--payload", "-"], &body).await;
        assert_eq!(trusted.code, Some(0), "{place_of_authorities}: {trusted:?}");
        fs::remove_file(file).unwrap();
    }
}

#[tokio::test]
async fn a_server_that_its_package_made_demanding_takes_no_call_without_a_principal() {
    let mut place = Place::start().await;
    let outside = place.run(&["serve", "--require-principal"], "").await;
    assert_eq!(outside.code, Some(64), "{outside:?}");
    assert!(outside.err.contains("APIM_DR_KEYS"), "{outside:?}");
    place.set("FUNCTIONS_CUSTOMHANDLER_PORT", "0");
    place.set("APIM_DR_BACKUP_SCHEDULE", "0 0 1 * * *");
    // The package may be deployed where App Service authentication is off: then anybody can send its headers.
    for (said, starts, health) in [("", 503, 503), ("True", 202, 200)] {
        place.set("WEBSITE_AUTH_ENABLED", said);
        let server = place.serve_with(&["serve", "--require-principal"]).await;
        let refused = server.post("backup", &seed("backup")).await;
        assert_eq!(refused.status.as_u16(), 401, "{said}: {refused:?}");
        assert_eq!(place.emulator.posts("backup"), 0);
        let request = reqwest::Client::new().post(format!("{}/api/backup", server.url));
        let request = request.header("x-ms-client-principal-id", "somebody").body(seed("backup").to_string());
        assert_eq!(request.send().await.unwrap().status().as_u16(), starts, "{said}");
        let told = reqwest::get(format!("{}/api/health", server.url)).await.unwrap();
        assert_eq!(told.status().as_u16(), health, "{said}");
    }
}
