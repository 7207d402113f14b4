//! The least that a custom handler can be: what `cargo bench --bench cold_start` compares the program with.

use axum::{Router, routing::get};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "it has no settings")]
    let port = std::env::var("FUNCTIONS_CUSTOMHANDLER_PORT").unwrap_or_default();
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    axum::serve(listener, Router::new().route("/", get(|| async { "bare\n" }))).await
}
