//! One path answers, with one word.

use super::{HttpError, HttpServer};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn healthz_follows_the_health_and_all_else_is_not_found() {
    let server = HttpServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = server.address();
    let well = Arc::new(AtomicBool::new(true));
    let health = well.clone();
    let health = Arc::new(move || health.load(Ordering::Relaxed));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(health, async { drop(stopped.await) }));
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    well.store(false, Ordering::Relaxed);
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 503"));
    assert!(get(address, "/").await.starts_with("HTTP/1.1 404"));
    let taken = HttpServer::bind(address).await.unwrap_err();
    assert!(matches!(taken, HttpError::InUse { .. }));
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
