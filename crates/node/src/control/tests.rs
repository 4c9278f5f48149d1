//! A client and a server over a real socket, with an api that is only a script.

use super::{
    call, refuse, Api, ControlError, Exit, Failure, Items, Request, Server, CALLS_MAX,
    CONNECTIONS_MAX, PATIENCE, REQUEST_BYTES_MAX,
};
use crate::home::Home;
use crate::view::{Done, Node};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

#[derive(Default)]
struct Script {
    gone: Arc<Notify>,
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Api for Script {
    async fn call(&self, request: Request, items: Items) -> Result<Value, Failure> {
        match request {
            Request::FolderPause { name } => {
                Ok(serde_json::to_value(Done { message: format!("paused {name}") }).unwrap())
            }
            Request::NodeList {} => {
                for n in 0..600 {
                    assert!(items.send(&node(n)).await);
                }
                Ok(Value::Null)
            }
            Request::Events {} => {
                let _told = OnDrop(self.gone.clone());
                items.send(&1).await;
                std::future::pending().await
            }
            _ => Err(Failure::new(Exit::Timeout, "too slow")),
        }
    }
}

fn node(n: usize) -> Node {
    Node {
        name: format!("n{n}"),
        id: String::new(),
        is_self: n == 0,
        admin: false,
        connected: true,
        addresses: vec![],
        folders: vec![],
    }
}

fn start(home: &Home) -> (Arc<Script>, tokio::task::JoinHandle<()>) {
    start_with(home, PATIENCE)
}

fn start_with(home: &Home, patience: Duration) -> (Arc<Script>, tokio::task::JoinHandle<()>) {
    let api = Arc::new(Script::default());
    let server = Server::bind(home).unwrap();
    (api.clone(), tokio::spawn(server.run(api, patience)))
}

async fn connect(home: &Home) -> UnixStream {
    let (_directory, path) = home.socket().unwrap();
    UnixStream::connect(path).await.unwrap()
}

async fn pause(home: &Home) -> Result<Done, ControlError> {
    call(home, &Request::FolderPause { name: "web".to_owned() }, |_: Value| ()).await
}

#[tokio::test]
async fn requests_are_answered_in_a_home_whose_path_is_longer_than_a_socket_address() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("x".repeat(200))).unwrap();
    let (_api, server) = start(&home);
    let done = pause(&home).await.unwrap();
    assert_eq!(done.message, "paused web");
    let mut names = Vec::new();
    let () = call(&home, &Request::NodeList {}, |n: Node| names.push(n.name)).await.unwrap();
    assert_eq!((names.len(), names[599].as_str()), (600, "n599"));
    server.abort();
}

#[tokio::test]
async fn a_no_keeps_its_exit_class() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("h")).unwrap();
    let (_api, _server) = start(&home);
    let wait = Request::Wait { folder: None, timeout_ms: 1, all: true };
    let error = call::<Done, Value>(&home, &wait, |_| ()).await.unwrap_err();
    assert!(matches!(error, ControlError::Failed(Failure { exit: Exit::Timeout, .. })));
}

#[tokio::test]
async fn without_a_daemon_the_error_says_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("h")).unwrap();
    let error = call::<Value, Value>(&home, &Request::Status {}, |_| ()).await.unwrap_err();
    assert!(matches!(error, ControlError::NotRunning { .. }));
    assert!(error.to_string().contains("syncline daemon"));
}

#[tokio::test]
async fn garbage_and_endless_lines_get_an_error_and_the_next_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("h")).unwrap();
    let (_api, _server) = start(&home);
    let endless = vec![b'x'; usize::try_from(REQUEST_BYTES_MAX).unwrap()];
    for bytes in [b"{\"do\":\"nonsense\"}\n".as_slice(), b"\xff\n", &endless] {
        let mut stream = connect(&home).await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("failed") && answer.contains("nothing was changed"), "{answer}");
    }
    pause(&home).await.unwrap();
}

#[tokio::test]
async fn a_call_ends_when_its_client_goes() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("h")).unwrap();
    let (api, _server) = start(&home);
    let (seen, mut first) = tokio::sync::mpsc::unbounded_channel();
    let client = {
        let home = home.clone();
        tokio::spawn(async move {
            let tell = |n: u32| seen.send(n).unwrap();
            call::<Value, u32>(&home, &Request::Events {}, tell).await
        })
    };
    assert_eq!(first.recv().await, Some(1));
    client.abort();
    api.gone.notified().await;
}

/// 64 connections of the node's own user that asked nothing once blocked every command for ever.
#[tokio::test]
async fn connections_that_ask_nothing_keep_no_command_out() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("h")).unwrap();
    let (_api, _server) = start_with(&home, Duration::from_secs(3600));
    let mut silent = Vec::new();
    for _ in 0..2 * CONNECTIONS_MAX {
        silent.push(connect(&home).await);
    }
    pause(&home).await.unwrap();
    for mut stream in silent.into_iter().take(CONNECTIONS_MAX + 1) {
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the oldest are closed");
    }
}

#[tokio::test]
async fn a_connection_that_asks_nothing_in_time_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("h")).unwrap();
    let (_api, _server) = start_with(&home, Duration::from_millis(50));
    let mut stream = connect(&home).await;
    stream.write_all(b"{\"do\":").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("cannot be read"), "{answer}");
}

#[tokio::test]
async fn where_all_turns_are_taken_a_command_is_told_so_and_served_when_one_ends() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("h")).unwrap();
    let (api, _server) = start_with(&home, Duration::from_millis(200));
    let mut endless = Vec::new();
    for _ in 0..CALLS_MAX {
        let mut stream = connect(&home).await;
        stream.write_all(b"{\"do\":\"events\"}\n").await.unwrap();
        assert_ne!(stream.read(&mut [0]).await.unwrap(), 0);
        endless.push(stream);
    }
    let error = pause(&home).await.unwrap_err().to_string();
    assert!(error.contains("nothing was changed; end some"), "{error}");
    drop(endless.pop());
    api.gone.notified().await;
    pause(&home).await.unwrap();
}

#[tokio::test]
async fn a_command_that_is_refused_before_it_asks_hears_why() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("h")).unwrap();
    let (_directory, path) = home.socket().unwrap();
    let listener = UnixListener::bind(path).unwrap();
    let daemon = async { refuse(&listener.accept().await.unwrap().0) };
    let (answer, ()) = tokio::join!(pause(&home), daemon);
    assert!(matches!(answer, Err(ControlError::Failed(Failure { exit: Exit::Failed, .. }))));
}
