//! What the log tells of what was done.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::node::{until, Node};

/// The lines of `log` about one path, oldest first, as `event local node from`.
fn log(node: &Node, path: &str) -> Vec<String> {
    let run = node.run(&["log", "--json", "--path", path]);
    let lines = run.stdout.lines().map(|line| {
        let entry: Value = serde_json::from_str(line).expect("a line of JSON");
        let text = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", text("event"), entry["local"], text("node"), text("from"))
    });
    lines.collect()
}

#[test]
fn the_log_says_what_was_done_to_which_path_and_by_whom() {
    let (mut a, mut b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (here, there) = (a.tree("web"), b.tree("web"));
    assert_eq!(a.run(&["folder", "add", "web", &here]).code, 0);
    b.join(&a, &there);
    let step = |act: &dyn Fn()| {
        act();
        until("it is everywhere", || a.run(&["wait", "--timeout", "20s"]).code == 0);
    };
    let file = format!("{here}/file");
    step(&|| fs::write(&file, b"1").unwrap());
    step(&|| fs::write(&file, b"two").unwrap());
    step(&|| fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap());
    step(&|| fs::create_dir(format!("{here}/old")).unwrap());
    step(&|| fs::rename(format!("{here}/old"), format!("{here}/new")).unwrap());
    step(&|| fs::remove_file(&file).unwrap());
    for (node, local) in [(&a, true), (&b, false)] {
        let done = ["create", "edit", "attributes", "delete"];
        let mut expected: Vec<String> =
            done.iter().map(|what| format!("{what} {local} a -")).collect();
        let mut found = log(node, "file");
        // The kernel may tell of one write in two looks, of which the second shows nothing new.
        found.dedup();
        assert_eq!(found, expected, "on {}", node.name);
        expected = vec![format!("rename {local} a old")];
        found = log(node, "new");
        found.retain(|line| line.starts_with("rename"));
        assert_eq!(found, expected, "on {}", node.name);
    }
}

/// `log -f` printed all that had ever happened before it followed, and nothing cut that short.
#[test]
fn the_log_can_be_cut_to_its_end_and_is_followed_from_there() {
    let mut node = Node::founded("a");
    let tree = node.tree("web");
    node.start();
    assert_eq!(node.run(&["folder", "add", "web", &tree]).code, 0);
    for name in ["one", "two", "three"] {
        fs::write(format!("{tree}/{name}"), b"1").unwrap();
    }
    let log = |end: &[&str]| node.run(&[&["log", "--path", "t*"], end].concat()).stdout;
    until("the end of the log is what is shown", || {
        let (all, end) = (log(&[]), log(&["-n", "1"]));
        all.lines().count() > 1 && all.lines().last() == end.lines().next()
    });
    assert_eq!(log(&["-n", "1"]).lines().count(), 1);
    assert_eq!(log(&["-n", "0"]), "");
    let last = log(&["-n", "1"]);
    let mut watching = node.watch(&["log", "--path", "t*", "-f", "-n", "1"]);
    assert_eq!(watching.lines.next().unwrap().unwrap(), last.trim_end());
    let mut watching = node.watch(&["log", "--path", "*e*", "-f"]);
    let is_over = AtomicBool::new(false);
    let first = std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in (0..1000).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                fs::write(format!("{tree}/new-{number}"), b"1").unwrap();
                node.run(&["wait"]);
            }
        });
        let first = watching.lines.next();
        is_over.store(true, Ordering::Relaxed);
        first.unwrap().unwrap()
    });
    assert!(first.contains("new-"), "{first}");
}
