//! The core broker alone, with defaults: `cargo run --example core -- 4222`.

use headwater::server::{Options, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(4222), |port| port.parse())?;
    let running = Server::start(Options { host: "127.0.0.1".to_owned(), port, ..Options::default() }).await?;
    println!("Listening for client connections on {}", running.client_addr());
    tokio::signal::ctrl_c().await?;
    running.shutdown().await;
    Ok(())
}
