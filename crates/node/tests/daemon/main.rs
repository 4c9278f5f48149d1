//! Real daemons on the loopback interface, driven by the command line as by a person. No root.
//!
//! What needs machines of their own (cuts, kills, full disks) is in the e2e tests.

mod conflicts;
mod log;
mod node;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use node::{until, Node};
use serde_json::Value;

/// A restart with the very same command failed to add the folder that was there already, and
/// printed no join code.
#[test]
fn up_can_be_given_again_and_prints_a_code_each_time() {
    let mut node = Node::new("a");
    let tree = node.tree("www");
    for _ in 0..2 {
        let printed = node.up(&["up", &tree, "--name", "web", "--listen", "127.0.0.1:0"]);
        assert!(printed.starts_with("syncline join "), "{printed}");
        let folders = node.json(&["folder", "list"]);
        assert_eq!(folders.as_array().unwrap().len(), 1, "{folders}");
        node.stop();
    }
    let printed = node.up(&["up", &tree]);
    assert!(printed.starts_with("syncline join "), "its name need not be said again: {printed}");
}

/// A port was in use, the message said which option chooses another, and the daemon took that
/// option and did not heed it: only a node's first start did.
#[test]
fn what_a_later_start_says_of_addresses_holds_from_then_on() {
    let mut node = Node::new("a");
    let tree = node.tree("www");
    node.up(&["up", &tree, "--listen", "127.0.0.1:0", "--http", "off"]);
    assert_eq!(node.json(&["status"])["node"]["http"], "off");
    node.stop();
    node.up(&["up", &tree, "--http", "127.0.0.1:0"]);
    let http = node.json(&["status"])["node"]["http"].clone();
    assert!(http.as_str().unwrap().starts_with("127.0.0.1:"), "{http}");
}

/// `up` where the port is taken had founded a cluster before it said so.
#[test]
fn a_port_in_use_is_told_before_anything_is_written() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let node = Node::new("a");
    let tree = node.tree("www");
    let run = node.run(&["up", &tree, "--listen", &address]);
    assert_eq!(run.code, 1);
    run.says(&["cannot listen on", &address, "nothing was changed", "--listen"]);
    assert_eq!(node.run(&["status"]).code, 1);
    node.run(&["status"]).says(&["no node yet"]);
}

/// `up` on a directory that cannot be shared printed an error and went on, sharing nothing.
#[test]
fn up_ends_with_an_error_when_it_cannot_share() {
    let node = Node::new("a");
    let run = node.run(&["up", "/proc", "--listen", "127.0.0.1:0", "--http", "off"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("/proc: no file can be made there"), "{}", run.stderr);
}

/// The line of `folder list` about one folder, as `path paused delay`.
fn folder(node: &Node, name: &str) -> Option<String> {
    let folders = node.json(&["folder", "list"]);
    let folder = folders.as_array()?.iter().find(|folder| folder["name"] == name)?.clone();
    let path = folder["path"].as_str()?;
    Some(format!("{path} {} {}", folder["paused"], folder["delay_ms"]))
}

#[test]
fn a_hangup_brings_the_node_in_line_with_its_settings() {
    let mut node = Node::founded("a");
    let (one, two, moved) = (node.tree("one"), node.tree("two"), node.tree("moved"));
    fs::write(format!("{one}/file"), b"1").unwrap();
    node.start();
    assert_eq!(node.run(&["folder", "add", "one", &one]).code, 0);
    let settings = |path: &str, more: &str| {
        let node = "listen = \"127.0.0.1:0\"\nname = \"b\"\nhttp = \"off\"";
        format!("{node}\n{more}\n[[folder]]\nname = \"one\"\npath = \"{path}\"\n")
    };
    let both =
        format!("paused = true\ndelay = \"2s\"\n[[folder]]\nname = \"two\"\npath = \"{two}\"\n");
    node.reload(&(settings(&one, "") + &both));
    until("both folders are held", || {
        folder(&node, "one") == Some(format!("{one} true 2000"))
            && folder(&node, "two") == Some(format!("{two} false 0"))
            && node.json(&["status"])["folders"].as_array().unwrap().len() == 2
            && node.json(&["node", "list"])[0]["name"] == "b"
    });
    node.reload("name = \n");
    node.reload(&settings(&one, ""));
    until("the second folder is not held any more", || {
        folder(&node, "two").is_none() && folder(&node, "one") == Some(format!("{one} false 0"))
    });
    until("nobody is to wait for it there", || {
        let all = node.json(&["folder", "list"]);
        let two = all.as_array().unwrap().iter().find(|folder| folder["name"] == "two");
        two.is_some_and(|two| two["holders"].as_array().unwrap().is_empty())
    });
    assert!(node.path(&format!("{one}/file")).exists());
    node.reload(&settings(&moved, ""));
    until("another directory at its place stops the folder", || {
        let status = node.json(&["status"]);
        status["folders"][0]["state"] == "stopped"
    });
    assert_eq!(fs::read_dir(&moved).unwrap().count(), 0);
}

/// `wait` and `verify` without a folder's name passed over folders that had stopped.
#[test]
fn a_stopped_folder_makes_the_answer_a_no() {
    let mut node = Node::founded("a");
    let (web, other) = (node.tree("web"), node.tree("other"));
    fs::write(format!("{web}/file"), b"1").unwrap();
    node.start();
    for (name, path) in [("web", &web), ("other", &other)] {
        assert_eq!(node.run(&["folder", "add", name, path]).code, 0);
    }
    let run = node.run(&["wait"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("nobody to wait for"), "{}", run.stdout);
    assert_eq!(node.run(&["wait", "-q"]).stdout, "");
    node.stop();
    fs::rename(&web, format!("{web}-away")).unwrap();
    node.start();
    for command in ["wait", "verify"] {
        let run = node.run(&[command]);
        assert_eq!(run.code, 3, "{command}: {}", run.stderr);
        run.says(&["web", "has stopped", "missing"]);
    }
    assert_eq!(node.run(&["wait", "other"]).code, 0);
}

/// The message spoke of the right to change the cluster, not of the name with the typo.
#[test]
fn a_name_that_the_cluster_does_not_know_is_told_as_such() {
    let (mut a, mut b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (here, there, other) = (a.tree("web"), b.tree("web"), b.tree("other"));
    assert_eq!(a.run(&["folder", "add", "web", &here]).code, 0);
    b.join(&a, &there);
    let run = b.run(&["folder", "add", "wbe", &other]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    run.says(&["the cluster has no folder \"wbe\"", "nothing was changed", "--admin"]);
}

/// Two hosts of one image have one name; `verify` then said that it had compared one node.
#[test]
fn nodes_of_one_name_are_told_apart() {
    let (mut a, mut b) = (Node::founded("web"), Node::new("web"));
    a.start();
    let (here, there) = (a.tree("tree"), b.tree("tree"));
    fs::write(format!("{here}/file"), b"1").unwrap();
    assert_eq!(a.run(&["folder", "add", "web", &here]).code, 0);
    b.join(&a, &there);
    until("it is everywhere", || a.run(&["wait", "--timeout", "20s"]).code == 0);
    let verified = a.json(&["verify"]);
    let nodes = verified["nodes"].as_array().unwrap();
    assert_eq!((nodes.len(), &verified["identical"]), (2, &Value::Bool(true)), "{verified}");
    assert!(nodes.iter().all(|node| node.as_str().unwrap().starts_with("web (")), "{verified}");
    fs::write(format!("{there}/.."), b"").unwrap_err();
    assert_eq!(a.run(&["folder", "pause", "web"]).code, 0);
    fs::write(format!("{here}/file"), b"2").unwrap();
    let run = a.run(&["verify"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stdout.contains("web: file: content differs on web ("), "{}", run.stdout);
}

/// A file open for writing on both nodes, with other bytes on each, made "0 entries, 0 B are
/// identical", and nobody compared the root itself.
#[test]
fn verify_says_what_it_could_not_read_and_compares_the_root() {
    let (mut a, mut b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (here, there) = (a.tree("web"), b.tree("web"));
    fs::write(format!("{here}/log"), b"start").unwrap();
    assert_eq!(a.run(&["folder", "add", "web", &here]).code, 0);
    b.join(&a, &there);
    until("it is everywhere", || a.run(&["wait", "--timeout", "20s"]).code == 0);
    let append =
        |tree: &str| fs::OpenOptions::new().append(true).open(format!("{tree}/log")).unwrap();
    let (mut ours, mut theirs) = (append(&here), append(&there));
    ours.write_all(b"from a").unwrap();
    theirs.write_all(b"and something else from b").unwrap();
    let run = a.run(&["verify"]);
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    for node in ["a", "b"] {
        let words = format!("web: not compared: log on {node} (open for writing");
        assert!(run.stdout.contains(&words), "no {words:?} in {}", run.stdout);
    }
    assert!(run.stdout.contains("all else, 0 entries"), "{}", run.stdout);
    let verified = a.json(&["verify"]);
    assert_eq!(verified["identical"], Value::Bool(false), "{verified}");
    drop((ours, theirs));
    until("it is the same again", || a.run(&["verify"]).code == 0);
    assert_eq!(b.run(&["folder", "pause", "web"]).code, 0);
    fs::set_permissions(&there, PermissionsExt::from_mode(0o700)).unwrap();
    let run = a.run(&["verify"]);
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("web: .: mode differs on b"), "{}", run.stdout);
    fs::write(format!("{here}/later"), b"1").unwrap();
    // It said "all is well".
    until("b says that it is behind and why", || {
        let run = b.run(&["status"]);
        run.code == 3 && run.stdout.contains("is paused with")
    });
}

/// The folder was announced before its directory was claimed: "nothing was changed", yet it stood
/// in everybody's list from then on, and joining with a PATH alone was ambiguous for ever.
#[test]
fn a_folder_that_cannot_be_held_is_not_announced() {
    let (mut a, mut other) = (Node::founded("a"), Node::founded("other"));
    a.start();
    other.start();
    let (web, theirs) = (a.tree("web"), other.tree("web"));
    assert_eq!(a.run(&["folder", "add", "web", &web]).code, 0);
    assert_eq!(other.run(&["folder", "add", "web", &theirs]).code, 0);
    let run = a.run(&["folder", "add", "second", &theirs]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    run.says(&["already belongs to", "nothing was changed"]);
    assert_eq!(a.json(&["folder", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(a.json(&["status"])["folders"].as_array().unwrap().len(), 1);
    // One that was shared and is held nowhere any more is no choice either.
    let gone = a.tree("gone");
    assert_eq!(a.run(&["folder", "add", "gone", &gone]).code, 0);
    assert_eq!(a.run(&["folder", "remove", "gone"]).code, 0);
    let mut b = Node::new("b");
    let there = b.tree("web");
    b.join(&a, &there);
    assert_eq!(b.json(&["status"])["folders"][0]["name"], "web");
}

/// A join whose PATH belonged to another home ended with "holds www" and a member that could never
/// hold it; one that was refused left a key and a lock behind.
#[test]
fn a_join_that_cannot_hold_its_folder_changes_nothing_anywhere() {
    let (mut a, b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (web, other) = (a.tree("web"), a.tree("other"));
    assert_eq!(a.run(&["folder", "add", "web", &web]).code, 0);
    let code = a.json(&["invite"])["code"].as_str().unwrap().to_owned();
    let there = b.tree("web");
    let file = format!("{there}/file");
    fs::write(&file, b"no directory").unwrap();
    let missing = format!("{there}/missing");
    let join = |what: &[&str]| {
        b.run(&[&["join", &code], what, &["--listen", "127.0.0.1:0", "--name", "b"]].concat())
    };
    let refused = |what: &[&str], exit: i32, words: &[&str]| {
        let run = join(what);
        assert_eq!(run.code, exit, "{what:?}: {}", run.stderr);
        run.says(words);
        assert!(!b.home().exists(), "{what:?} left {:?}", fs::read_dir(b.home()).unwrap());
        assert_eq!(a.json(&["node", "list"]).as_array().unwrap().len(), 1, "{what:?}");
    };
    refused(&[&web], 1, &["already belongs to", "nothing was changed"]);
    refused(&[&missing], 1, &["no such directory"]);
    refused(&[&file], 1, &["not a directory"]);
    refused(&["--folder", &format!("nope={there}")], 2, &["no folder \"nope\"", "(it has: web)"]);
    assert_eq!(a.run(&["folder", "add", "other", &other]).code, 0);
    refused(&[&there], 2, &["several folders", "--folder NAME=PATH", "the same code works again"]);
    let inside = format!("{there}/inside");
    fs::create_dir(&inside).unwrap();
    let both = |web: &str, other: &str| [format!("web={web}"), format!("other={other}")];
    for (web, other) in [(&there, &there), (&there, &inside), (&inside, &there)] {
        let [web, other] = both(web, other);
        let apart = ["inside one another", "nothing was changed"];
        refused(&["--folder", &web, "--folder", &other], 1, &apart);
    }
    let twice = [format!("web={there}"), format!("web={inside}")];
    refused(&["--folder", &twice[0], "--folder", &twice[1]], 2, &["named twice"]);
    let run = join(&["--folder", &format!("web={there}")]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.says(&["holds web"]);
}

/// The settings were written behind the inviter's back: where that failed, "nothing was changed"
/// was said, the code was used up, and the key was deleted that had become a member.
#[test]
fn a_home_that_cannot_be_written_is_noticed_before_or_keeps_its_key() {
    let (mut a, b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (web, there) = (a.tree("web"), b.tree("web"));
    assert_eq!(a.run(&["folder", "add", "web", &web]).code, 0);
    let code = a.json(&["invite", "--uses", "1"])["code"].as_str().unwrap().to_owned();
    let members = || a.json(&["node", "list"]).as_array().unwrap().len();
    let join = ["join", &code, &there, "--listen", "127.0.0.1:0", "--name", "b"];
    let run = b.run_with_little_room(&join);
    assert_eq!(run.code, 1, "{}", run.stderr);
    run.says(&["cannot write in", "nothing was changed"]);
    assert!(!b.home().exists() && members() == 1);
    // What is in the way is found only when the settings are written.
    fs::create_dir(b.home()).unwrap();
    fs::set_permissions(b.home(), PermissionsExt::from_mode(0o700)).unwrap();
    for name in ["config.toml.new", "cluster.map.new"] {
        let obstacle = b.home().join(name);
        fs::create_dir(&obstacle).unwrap();
        let run = b.run(&join);
        assert_eq!(run.code, 1, "{}", run.stderr);
        run.says(&["has let this node in", "Is a directory", "the same command again"]);
        assert!(!run.stderr.contains("nothing was changed"), "{}", run.stderr);
        assert!(b.home().join("identity.key").exists() && !b.home().join("config.toml").exists());
        fs::remove_dir(obstacle).unwrap();
    }
    let run = b.run(&join);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.says(&["holds web"]);
    assert_eq!(members(), 2);
}

/// `wait` called what nobody had read done, and for a moment after the pause as well.
#[test]
fn a_pause_makes_wait_a_no_and_after_it_everything_is_read() {
    let (mut a, mut b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (here, there) = (a.tree("media"), b.tree("media"));
    assert_eq!(a.run(&["folder", "add", "media", &here]).code, 0);
    b.join(&a, &there);
    until("it is everywhere", || a.run(&["wait", "--timeout", "20s"]).code == 0);
    assert_eq!(a.run(&["folder", "pause", "media"]).code, 0);
    fs::write(format!("{here}/q1"), b"q").unwrap();
    for wait in [&["wait", "media"][..], &["wait"], &["wait", "--all"], &["wait", "--json"]] {
        let run = a.run(wait);
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{wait:?}: {}", run.stderr);
        run.says(&["folder \"media\" is paused here", "was not read", "folder resume media"]);
    }
    for n in 2..300 {
        fs::write(format!("{here}/q{n}"), b"q").unwrap();
    }
    assert_eq!(a.run(&["folder", "resume", "media"]).code, 0);
    let run = a.run(&["wait", "media"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(fs::read_dir(&there).unwrap().count(), 299);
}

/// `wait` after a member had died said "on its way: 0" until it timed out; and where it passed, who
/// had been left out of it was not said.
#[test]
fn wait_names_who_is_not_there() {
    let (mut a, mut b, mut c) = (Node::founded("a"), Node::new("b"), Node::new("c"));
    a.start();
    let trees = [a.tree("web"), b.tree("web"), c.tree("web")];
    assert_eq!(a.run(&["folder", "add", "web", &trees[0]]).code, 0);
    b.join(&a, &trees[1]);
    c.join(&a, &trees[2]);
    until("it is everywhere", || a.run(&["wait", "--all", "--timeout", "20s"]).code == 0);
    assert_eq!(a.json(&["wait"])["not_awaited"], Value::Array(Vec::new()));
    c.stop();
    let run = a.run(&["wait", "--timeout", "1s"]);
    assert_eq!(run.code, 5, "{}", run.stderr);
    run.says(&["waiting for c (not connected since 20"]);
    // A daemon that has not met it does not wait for it.
    a.stop();
    a.start();
    until("b is there again", || a.run(&["wait"]).code == 0);
    let waited = a.json(&["wait"]);
    assert_eq!((&waited["members"][0], &waited["not_awaited"][0]), (&"b".into(), &"c".into()));
    a.run(&["wait"]).says(&["not waited for, because not connected: c (--all"]);
    let run = a.run(&["wait", "--all", "--timeout", "1s"]);
    assert_eq!(run.code, 5, "{}", run.stderr);
    run.says(&["waiting for c (not connected since this daemon was started)"]);
}

/// What a peer had changed met the old name of what had been renamed while the daemon was stopped
/// or the folder paused, found it gone, and that was taken for a deletion: its change was lost.
#[test]
fn what_was_renamed_while_nobody_looked_keeps_what_others_changed() {
    let (mut a, mut b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (here, there) = (a.tree("media"), b.tree("media"));
    let names: Vec<String> = (0..40).map(|n| format!("f{n:02}")).collect();
    names.iter().for_each(|name| fs::write(format!("{here}/{name}"), name).unwrap());
    assert_eq!(a.run(&["folder", "add", "media", &here]).code, 0);
    b.join(&a, &there);
    let settled = |node: &Node| node.run(&["wait", "--timeout", "20s"]).code == 0;
    until("it is everywhere", || settled(&a) && fs::metadata(format!("{there}/f39")).is_ok());
    let change = |from: &str, to: &str, mode: u32| {
        for name in &names {
            fs::rename(format!("{there}/{name}{from}"), format!("{there}/{name}{to}")).unwrap();
            let other = format!("{here}/{name}{from}");
            fs::set_permissions(other, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    let check = |suffix: &str, mode: u32| {
        for (tree, name) in names.iter().flat_map(|name| [(&here, name), (&there, name)]) {
            let found = fs::metadata(format!("{tree}/{name}{suffix}")).expect("it was renamed");
            assert_eq!(found.mode() & 0o7777, mode, "{tree}/{name}");
        }
    };
    b.stop();
    change("", "-r", 0o600);
    b.start();
    until("b is back", || settled(&b) && settled(&a));
    check("-r", 0o600);
    assert_eq!(b.run(&["folder", "pause", "media"]).code, 0);
    change("-r", "-s", 0o640);
    assert_eq!(b.run(&["folder", "resume", "media"]).code, 0);
    until("b goes on", || settled(&b) && settled(&a));
    check("-s", 0o640);
}

/// `verify` asked a node for ever that had once held the folder; and peers called a node healthy
/// whose folder had stopped.
#[test]
fn who_holds_a_folder_no_more_is_not_compared_and_who_stopped_is_named() {
    let (mut a, mut b) = (Node::founded("a"), Node::new("b"));
    a.start();
    let (here, there) = (a.tree("media"), b.tree("media"));
    fs::write(format!("{here}/file"), b"1").unwrap();
    assert_eq!(a.run(&["folder", "add", "media", &here]).code, 0);
    b.join(&a, &there);
    until("it is everywhere", || a.run(&["wait", "--timeout", "20s"]).code == 0);
    until("all is well", || a.run(&["status", "--check"]).code == 0);
    fs::rename(&there, format!("{there}-away")).unwrap();
    until("it is seen", || a.run(&["status", "--check"]).code == 3);
    let status = a.json(&["status"]);
    let peer = &status["peers"][0];
    assert_eq!((&peer["connected"], &peer["in_sync"]), (&true.into(), &false.into()), "{status}");
    assert_eq!(peer["stopped"][0]["folder"], "media", "{status}");
    let problem = status["problems"][0].as_str().unwrap();
    assert!(problem.contains("node \"b\": folder \"media\" has stopped there"), "{status}");
    assert!(a.run(&["status"]).stdout.contains("connected, STOPPED: media"));
    let run = a.run(&["verify"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stdout.contains("media: not compared: . on b"), "{}", run.stdout);
    fs::rename(format!("{there}-away"), &there).unwrap();
    until("all is well again", || a.run(&["status", "--check"]).code == 0);
    assert_eq!(b.said().matches("folder stopped").count(), 2, "{}", b.said());
    assert_eq!(b.run(&["folder", "remove", "media"]).code, 0);
    until("nobody else holds it", || {
        a.json(&["folder", "list"])[0]["holders"].as_array().unwrap().len() == 1
    });
    let run = a.run(&["verify"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("no other copy to compare with"), "{}", run.stdout);
}

/// A closed terminal left three daemons behind, and a signal in the first moments one or two.
#[test]
fn nothing_of_the_demo_outlives_it() {
    let node = Node::new("demo");
    let temporary = node.tree("tmp");
    let left = || fs::read_dir(&temporary).unwrap().count();
    let ended = |id: u32| until("its daemons end", || node::started_by(id).is_empty());
    for (signal, daemons, code) in
        [("HUP", 0, 129), ("INT", 1, 130), ("TERM", 3, 143), ("KILL", 3, -1)]
    {
        let mut demo = node.demo(&temporary);
        until("it has begun", || node::started_by(demo.id()).len() >= daemons && left() == 1);
        node::signal(demo.id(), signal);
        let status = demo.wait().unwrap();
        ended(demo.id());
        assert_eq!(status.code().unwrap_or(-1), code, "{signal}");
        match signal {
            "KILL" => assert_eq!(left(), 1, "nobody is there to remove it"),
            _ => assert_eq!(left(), 0, "{signal} left its directory"),
        }
    }
}

/// The settings page names it for `up`, which did not heed it.
#[test]
fn up_holds_the_folders_that_the_environment_names() {
    let mut node = Node::new("a");
    let (one, two) = (node.tree("one"), node.tree("two"));
    node.up_with(
        &["up", "--listen", "127.0.0.1:0"],
        &[("SYNCLINE_FOLDER", &format!("one={one},second={two}"))],
    );
    until("both are held", || folder(&node, "one").is_some() && folder(&node, "second").is_some());
}

/// Story (`hour`, seed 1 with `links=60`): a daemon that had answered was ended by a SIGTERM as by
/// a kill, for it caught signals only after its folders were open and its socket served. A SIGHUP
/// ended it, too.
#[test]
fn signals_are_heard_while_folders_are_being_opened() {
    let mut node = Node::founded("a");
    let tree = node.tree("web");
    node.start();
    assert_eq!(node.run(&["folder", "add", "web", &tree]).code, 0);
    node.stop();
    let socket = node.home().join("control.sock");
    // It may be there from before; then nobody listens.
    drop(fs::remove_file(&socket));
    node.spawn();
    until("its socket is there", || socket.exists());
    node.hang_up();
    node.stop();
}

/// A daemon whose home was deleted stayed connected, applied nothing and logged nothing.
#[test]
fn a_daemon_ends_when_its_home_is_deleted() {
    let mut node = Node::founded("a");
    let tree = node.tree("web");
    node.start();
    assert_eq!(node.run(&["folder", "add", "web", &tree]).code, 0);
    fs::write(format!("{tree}/file"), b"1").unwrap();
    fs::remove_dir_all(node.home()).unwrap();
    assert_eq!(node.ended(), 1);
    assert!(node.said().contains("was deleted or replaced"), "{}", node.said());
    assert!(node.path(&format!("{tree}/file")).exists());
}

/// Both slept outside the runtime that wakes sleepers, and panicked after the first look.
#[test]
fn watching_goes_on_until_the_daemon_ends() {
    let mut node = Node::new("a");
    let tree = node.tree("web");
    node.up(&["up", &tree, "--listen", "127.0.0.1:0"]);
    let mut watching = node.watch(&["status", "--watch", "--json"]);
    for _ in 0..3 {
        let status: Value = serde_json::from_str(&watching.lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(status["folders"][0]["name"], "web");
    }
    node.stop();
    assert!(watching.lines.by_ref().all(|line| line.is_ok()), "it ends");
    assert!(!node.said().contains("panicked"), "{}", node.said());
}

#[test]
fn every_list_is_json_and_every_unknown_name_is_wrong_usage() {
    let mut node = Node::founded("a");
    let tree = node.tree("web");
    node.start();
    assert_eq!(node.run(&["folder", "add", "web", &tree]).code, 0);
    for list in [&["folder", "list"][..], &["node", "list"], &["conflicts", "list"], &["status"]] {
        let run = node.run(&[list, &["--json"]].concat());
        assert!(serde_json::from_str::<Value>(&run.stdout).is_ok(), "{list:?}: {}", run.stdout);
        assert_eq!(run.stderr, "", "{list:?}");
    }
    for wrong in [
        &["folder", "remove", "nope"][..],
        &["folder", "pause", "nope"],
        &["folder", "rescan", "nope"],
        &["wait", "nope"],
        &["verify", "nope"],
        &["log", "--folder", "nope"],
        &["conflicts", "show", "nope"],
        &["conflicts", "list", "--folder", "nope"],
        &["invite", "--expires", "0s"],
        &["folder", "add", "web", &tree],
    ] {
        let run = node.run(wrong);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{wrong:?}: {}", run.stderr);
    }
}
