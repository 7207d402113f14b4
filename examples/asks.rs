//! A client that only asks, and neither reads the answers nor writes anything down: what `cargo bench --bench fleet`
//! compares the program with.

use std::io;

use futures::{StreamExt as _, TryStreamExt as _, stream};

/// As many as the program takes steps at the same time.
const AT_ONCE: usize = 64;

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "it has no settings")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [url, token, requests] =
        ["URL", "TOKEN", "REQUESTS"].map(|name| std::env::var(name).unwrap_or_default());
    let client = reqwest::Client::builder().no_proxy().build()?;
    let ask = async |_| client.get(&url).bearer_auth(&token).send().await?.error_for_status()?.bytes().await;
    stream::iter(0..requests.parse::<u32>()?)
        .map(ask)
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |_| Ok(()))
        .await?;
    println!("asked");
    // What it took is read while it is there.
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}
