//! A client and a server over a real socket, with an api that is only a script.

use super::{call, Api, ControlError, Exit, Failure, Items, Request, Server, REQUEST_BYTES_MAX};
use crate::home::Home;
use crate::view::{Done, Node};
use serde_json::Value;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    let api = Arc::new(Script::default());
    let server = Server::bind(home).unwrap();
    (api.clone(), tokio::spawn(server.run(api)))
}

#[tokio::test]
async fn requests_are_answered_in_a_home_whose_path_is_longer_than_a_socket_address() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::create(&dir.path().join("x".repeat(200))).unwrap();
    let (_api, server) = start(&home);
    let pause = Request::FolderPause { name: "web".to_owned() };
    let done: Done = call(&home, &pause, |_: Value| ()).await.unwrap();
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
        let (_directory, path) = home.socket().unwrap();
        let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("failed") && answer.contains("nothing was changed"), "{answer}");
    }
    let pause = Request::FolderPause { name: "web".to_owned() };
    let _: Done = call(&home, &pause, |_: Value| ()).await.unwrap();
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
