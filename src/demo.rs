//! The newcomer's first minute: a small Azure and the app on this machine, together. The one room,
//! beside the tests, that knows both.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use reqwest::{Client, StatusCode, header};
use serde_json::Value;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    app::Gate,
    emulator::{Clock, Config, Emulator, accounts},
    ports::SystemClock,
    serve,
    settings::{Environment, Settings},
};

/// Runs the emulator until Ctrl-C, and says how to use it. With a `start`, time stands still there until somebody
/// advances it.
pub async fn emulate(
    listen: SocketAddr,
    retry_after: u32,
    operation: Duration,
    start: Option<Timestamp>,
) -> anyhow::Result<()> {
    let clock = start.map_or_else(Clock::system, Clock::manual);
    let config = Config { listen, retry_after, operation, clock, ..Config::default() };
    let emulator =
        Emulator::start(config).await.with_context(|| format!("the emulator cannot listen on {listen}"))?;
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
        "\nInstances {} and {}. A body that it takes, for body.json:\n\n{:#}\n\nCtrl-C ends it; nothing is kept.",
        accounts::SERVICE,
        accounts::STANDBY,
        accounts::body("backup", accounts::SERVICE)
    );
    serve::stop_signal().await;
    emulator.stop().await;
    Ok(())
}

/// Backs an instance up and restores it to its standby, as a caller over HTTP would.
pub async fn run() -> anyhow::Result<()> {
    println!(
        "apim-dr demo: a backup and a restore of API Management on a small Azure inside this process.\n"
    );
    let config = Config { retry_after: 1, operation: Duration::from_secs(3), ..Config::default() };
    let emulator = Emulator::start(config).await.context("the emulator cannot listen")?;
    let mut variables = emulator.settings();
    variables.push(("APIM_DR_RECORDS", "memory:".to_owned()));
    let environment: Environment =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let gate = Arc::new(Gate::new(Settings::read(&environment), Arc::new(SystemClock)));
    let listener = TcpListener::bind("127.0.0.1:0").await.context("the app cannot listen")?;
    let app = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve::serve(gate, listener, async {
        // A dropped sender is a stop as well.
        let _ = stopped.await;
    }));
    println!("The emulated Azure is at {}, the app at {app}.\n", emulator.url());

    let client = Client::builder().no_proxy().build()?;
    println!("1. What a Logic App, a pipeline or you would send:\n");
    start_and_follow(&client, &app, "backup", accounts::SERVICE).await?;
    println!("2. The same body, restored to the standby:\n");
    start_and_follow(&client, &app, "restore", accounts::STANDBY).await?;

    // The server may have ended by itself only with an error, which is the next line's.
    let _ = stop.send(());
    server.await??;
    println!(
        "Azure saw {} backup and {} restore; nothing is left behind.\n\n\
         Try next: `apim-dr emulate` in one terminal, `apim-dr serve` in another (README, the five-minute tour);\n\
         `apim-dr backup --help`; `apim-dr settings`.",
        emulator.accepted("backup"),
        emulator.accepted("restore")
    );
    emulator.stop().await;
    Ok(())
}

/// Posts the eleven fields, then reads the link until it says how it ended.
async fn start_and_follow(client: &Client, app: &str, operation: &str, instance: &str) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&accounts::body(operation, instance))?;
    println!("curl -i {app}/api/{operation} -H 'Content-Type: application/json' -d '{text}'\n");
    let request = client.post(format!("{app}/api/{operation}"));
    let response = request.header(header::CONTENT_TYPE, "application/json").body(text).send().await?;
    let status = response.status();
    let location =
        response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let Some(location) = location.filter(|_| status == StatusCode::ACCEPTED) else {
        bail!("the app answered {status}: {}", response.text().await?);
    };
    println!("{status}\nLocation: {location}\n");
    loop {
        let response = client.get(&location).send().await?;
        let status = response.status();
        let pause =
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let answer: Value = serde_json::from_slice(&response.bytes().await?)?;
        let word = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        println!(
            "   GET Location -> {}  {}: {}",
            status.as_u16(),
            word("runtimeStatus"),
            word("customStatus")
        );
        match status {
            StatusCode::ACCEPTED => tokio::time::sleep(Duration::from_secs(pause.unwrap_or(1))).await,
            StatusCode::OK => break println!(),
            _ => bail!("the {operation} of {instance} did not succeed"),
        }
    }
    Ok(())
}
