//! One path answers, with one word.

use super::{HttpError, HttpServer, CONNECTIONS_MAX, CONNECTION_LIMIT};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn healthz_follows_the_health_and_all_else_is_not_found() {
    let server = HttpServer::bind(HERE, CONNECTION_LIMIT).await.unwrap();
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
    let taken = HttpServer::bind(address, CONNECTION_LIMIT).await.unwrap_err();
    assert!(matches!(taken, HttpError::InUse { .. }));
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

async fn half_sent(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").await.unwrap();
    stream
}

/// Until the server has closed it.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // Closed or broken off: both are the end.
    drop(stream.read_to_end(&mut rest).await);
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

/// 1,500 half-sent requests once held 1,538 descriptors of the daemon for ever, in a port that all
/// local programs reach. No limit of time helps here: only that the oldest goes for a new one.
#[tokio::test]
async fn half_sent_requests_hold_few_connections_and_keep_nobody_out() {
    let never = Duration::from_secs(3600);
    let server = HttpServer::bind(HERE, never).await.unwrap();
    let address = server.address();
    let running = tokio::spawn(server.run(Arc::new(|| true), std::future::pending()));
    let mut held = Vec::new();
    for _ in 0..3 * CONNECTIONS_MAX {
        held.push(half_sent(address).await);
    }
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    let last = held.split_off(2 * CONNECTIONS_MAX + 1);
    for stream in held {
        closed(stream).await;
    }
    for mut stream in last {
        stream.write_all(b"x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    running.abort();
}

#[tokio::test]
async fn a_request_that_does_not_come_whole_is_not_waited_for() {
    let server = HttpServer::bind(HERE, Duration::from_millis(50)).await.unwrap();
    let address = server.address();
    let running = tokio::spawn(server.run(Arc::new(|| true), std::future::pending()));
    closed(half_sent(address).await).await;
    closed(TcpStream::connect(address).await.unwrap()).await;
    running.abort();
}

#[tokio::test]
async fn a_connection_ends_with_its_answer() {
    let server = HttpServer::bind(HERE, Duration::from_secs(3600)).await.unwrap();
    let address = server.address();
    let running = tokio::spawn(server.run(Arc::new(|| true), std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.abort();
}
