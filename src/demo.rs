//! The newcomer's first minute: a small Azure in this process, and the app as a process of its own. The one room,
//! beside the tests, that knows both.

mod process;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use reqwest::{Client, StatusCode, header};
use serde_json::Value;

use crate::{
    emulator::{Clock, Config, Emulator, accounts},
    serve,
    settings::Environment,
};
use process::Process;

/// Prints a line. A reader that went away is an error like any other: what was begun is cleared away.
macro_rules! say {
    ($($text:tt)*) => { writeln!(io::stdout(), $($text)*)? };
}

/// Runs the emulator until Ctrl-C, and says how to use it. With a `start`, time stands still there until somebody
/// advances it.
pub async fn emulate(
    listen: SocketAddr,
    retry_after: u32,
    operation: Duration,
    start: Option<Timestamp>,
    blob_endpoint: Option<String>,
) -> anyhow::Result<()> {
    let mut body = accounts::body("backup", accounts::SERVICE);
    if blob_endpoint.is_some() {
        body["storageAccount"] = accounts::AZURITE_ACCOUNT.into();
        body["accessKey"] = accounts::AZURITE_KEY.into();
    }
    let clock = start.map_or_else(Clock::system, Clock::manual);
    let config = Config { listen, retry_after, operation, clock, blob_endpoint, ..Config::default() };
    let emulator =
        Emulator::start(config).await.with_context(|| format!("the emulator cannot start on {listen}"))?;
    println!("A small Azure listens on {}. In another terminal:\n", emulator.url());
    for (name, value) in emulator.settings() {
        println!("export {name}='{value}'");
    }
    if let Some(start) = start {
        println!(
            "\nIts time, and that of whoever has it as APIM_DR_CLOCK, stands still at {start}. A minute passes by:\n\n\
             curl {}/_emulator/clock/advance -d '{{\"seconds\": 60}}'",
            emulator.url()
        );
    }
    println!(
        "\nInstances {} and {}. A body that it takes, for body.json:\n\n{body:#}\n\nCtrl-C ends it; nothing is kept.",
        accounts::SERVICE,
        accounts::STANDBY,
    );
    serve::stop_signal().await;
    emulator.stop().await;
    Ok(())
}

/// Backs an instance up, kills the app meanwhile, starts it again, backs it up twice more, prunes, and restores the
/// newest recovery point to the standby. With `stay` the app is served on until Ctrl-C. `false`: it was interrupted.
pub async fn run(environment: &Environment, stay: bool) -> anyhow::Result<bool> {
    say!(
        "A backup of API Management whose process is killed in the middle, the recovery points that there are then,\n\
         what retention makes of them, and a restore of the newest to the standby.\n\
         Azure is an emulator in this process. The app is a process of its own, as it would be in production.\n"
    );
    let config = Config { retry_after: 1, operation: Duration::from_secs(3), ..Config::default() };
    let emulator = Emulator::start(config).await.context("the emulator cannot listen")?;
    // Without a pool: a connection to a process that was killed is of no use.
    let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
    let settings = emulator.settings().into_iter().chain(target());
    let mut app = Process::start(settings.collect(), environment)?;
    let mut told = tokio::select! {
        told = tell(&client, &emulator, &mut app) => told.map(|()| true),
        () = serve::stop_signal() => Ok(false),
    };
    if let Ok(true) = told {
        told = page(&app, stay).map(|()| true);
        if stay && told.is_ok() {
            serve::stop_signal().await;
        }
    }
    // Before its folder goes, whatever happened.
    app.kill().await;
    if told.is_err() {
        eprint!("What the app said:\n{}", app.log());
    }
    drop(app);
    emulator.stop().await;
    if told? {
        say!(
            "Nothing of this is left behind.\n\n\
             Try next: `apim-dr emulate` in one terminal, `apim-dr serve` in another (README, the five-minute tour);\n\
             `apim-dr backup --help`; `apim-dr settings`."
        );
        return Ok(true);
    }
    Ok(false)
}

/// The primary as a target, so that there is something to tell of it: its secrets by reference, as they should be.
fn target() -> Vec<(&'static str, String)> {
    let mut target = accounts::body("backup", accounts::SERVICE);
    if let Some(target) = target.as_object_mut() {
        target.remove("operation");
        let own = [
            ("name", "primary"),
            ("clientSecret", "env:DEMO_CLIENT_SECRET"),
            ("accessKey", "env:DEMO_ACCESS_KEY"),
            ("standby", accounts::STANDBY),
        ];
        target.extend(own.map(|(name, value)| (name.to_owned(), value.into())));
    }
    vec![
        ("APIM_DR_TARGETS", Value::from(vec![target]).to_string()),
        ("DEMO_CLIENT_SECRET", accounts::CLIENT_SECRET.to_owned()),
        ("DEMO_ACCESS_KEY", accounts::ACCOUNT_KEY.to_owned()),
    ]
}

/// Where everything can be looked at.
fn page(app: &Process, stay: bool) -> anyhow::Result<()> {
    say!("\nThe status page: http://{}/api/status", app.address);
    if stay {
        say!("It is served until Ctrl-C.");
    } else {
        say!("It ends with the app, now; `apim-dr demo --stay` goes on serving it.");
    }
    Ok(())
}

async fn tell(client: &Client, emulator: &Emulator, app: &mut Process) -> anyhow::Result<()> {
    app.answers(client).await?;
    say!("   Azure    {}", emulator.url());
    say!("   the app  http://{}, process {}", app.address, app.id());
    say!("   records  {}\n", app.folder().join("records").display());

    say!("1. A backup of {}, as a Logic App, a pipeline or you would start it\n", accounts::SERVICE);
    let mut body = accounts::body("backup", accounts::SERVICE);
    body["nameSuffix"] = "_{date}T{time}".into();
    let body = serde_json::to_string_pretty(&body)?;
    let curl = format!("curl -i http://{}/api", app.address);
    let json = "-H 'Content-Type: application/json'";
    say!("{curl}/backup {json} -d '{body}'\n");
    let link = start(client, app, "backup", body.clone()).await?;
    while look(client, &link).await?.is_some_and(|phase| phase != "Running") {}

    say!("\n2. In the middle of it the process dies\n");
    say!("   kill -9 {}", app.id());
    app.kill().await;
    match client.get(&link).send().await {
        Ok(response) => bail!("a process that was killed answered {}", response.status()),
        Err(_) => say!("   GET Location -> no answer. Azure does not know, and works on."),
    }
    tokio::time::sleep(Duration::from_secs(1)).await;

    say!("\n3. Started again, it reads its records and goes on; the link is the same\n");
    app.start_again()?;
    app.answers(client).await?;
    say!("   apim-dr serve --listen {}    (process {})", app.address, app.id());
    while look(client, &link).await?.is_some() {}
    let posts = emulator.posts("backup");
    ensure!(posts == 1, "Azure saw {posts} POSTs of this backup");
    say!("   Azure saw 1 POST of a backup in all this: nothing was lost, and nothing was started twice.");

    say!("\n4. Two more backups, each looked for in its container; and what there is then\n");
    for _ in 0..2 {
        let link = start(client, app, "backup", body.clone()).await?;
        while look(client, &link).await?.is_some() {}
        say!("");
    }
    let key = [("AZURE_STORAGE_KEY", accounts::ACCOUNT_KEY)];
    command(app, &["list"], &key).await?;

    say!(
        "\n5. Retention, by hand: the last two stay. (A target's retention does this after each backup that was verified.)\n"
    );
    let retention = ["--name", accounts::SERVICE, "--retention", r#"{"keepLast": 2}"#];
    command(app, &[["prune", "--dry-run"].as_slice(), &retention].concat(), &key).await?;
    command(app, &[["prune"].as_slice(), &retention].concat(), &key).await?;

    say!("6. The newest that was verified, restored to {}\n", accounts::STANDBY);
    let mut body = accounts::body("restore", accounts::STANDBY);
    if let Some(body) = body.as_object_mut() {
        body.remove("backupName");
        body.insert("backup".to_owned(), "latest-verified".into());
        body.insert("source".to_owned(), accounts::SERVICE.into());
    }
    say!(
        "{curl}/restore {json} -d '{{\"operation\": \"restore\", \"apimInstance\": \"{}\",",
        accounts::STANDBY
    );
    say!("  \"backup\": \"latest-verified\", \"source\": \"{}\", ...}}'\n", accounts::SERVICE);
    let link = start(client, app, "restore", body.to_string()).await?;
    while look(client, &link).await?.is_some() {}
    say!("\nAzure saw {} backups and {} restore.", emulator.accepted("backup"), emulator.accepted("restore"));

    say!("\n7. How it stands now, by the records alone\n");
    command(app, &["status", "primary"], &[]).await?;
    Ok(())
}

/// Runs a command of the program, with the records of the app, and shows what it prints.
async fn command(app: &Process, args: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<()> {
    let shown: Vec<_> = args
        .iter()
        .map(|arg| if arg.contains(' ') { format!("'{arg}'") } else { (*arg).to_owned() })
        .collect();
    say!("apim-dr {}\n", shown.join(" "));
    for line in app.run(args, variables).await?.lines() {
        say!("   {line}");
    }
    say!("");
    Ok(())
}

/// Posts the fields, and gives the link that the answer has.
async fn start(client: &Client, app: &Process, operation: &str, body: String) -> anyhow::Result<String> {
    let request = client.post(format!("http://{}/api/{operation}", app.address));
    let response = request.header(header::CONTENT_TYPE, "application/json").body(body).send().await?;
    let status = response.status();
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let Some(location) = location.map(str::to_owned).filter(|_| status == StatusCode::ACCEPTED) else {
        bail!("the app answered {status}: {}", response.text().await?);
    };
    say!("   {status}\n   Location: {location}\n");
    Ok(location)
}

/// Reads the link once and says what it says. While the operation is open it waits as it is told to and gives the
/// phase; `None`: it succeeded.
async fn look(client: &Client, link: &str) -> anyhow::Result<Option<String>> {
    let response = client.get(link).send().await?;
    let status = response.status();
    let pause =
        response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let answer: Value = serde_json::from_slice(&response.bytes().await?)?;
    let word = |name: &str| answer[name].as_str().unwrap_or_default();
    say!("   GET Location -> {}  {}: {}", status.as_u16(), word("runtimeStatus"), word("customStatus"));
    match status {
        StatusCode::OK => Ok(None),
        StatusCode::ACCEPTED => {
            tokio::time::sleep(Duration::from_secs(pause.unwrap_or(1))).await;
            Ok(Some(word("phase").to_owned()))
        }
        _ => bail!("it did not succeed"),
    }
}
