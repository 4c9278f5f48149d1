//! The built binary from outside: what it says, where, and with which exit code.
//!
//! No daemon runs here; the daemons are in the e2e tests.

mod run;

use run::{Home, Run};

#[test]
fn usage_errors_exit_2_and_leave_stdout_empty() {
    for arguments in [
        &["nonsense"][..],
        &["folder"],
        &["folder", "add", "web"],
        &["folder", "add", "web", "/x", "--delay", "soon"],
        &["wait", "--timeout", "-1s"],
        &["init", "--listen", "nowhere"],
        &["init", "--http", "maybe"],
        &["init", "--advertise", "host-without-port"],
        &["status", "--watch", "--check"],
        &["invite", "--uses", "0"],
        &["join"],
        &["join", "code", "/a", "--folder", "web=/b"],
        &["join", "code", "--folder", "web"],
        &["demo", "--json"],
        &["demo", "--check", "--json"],
        &["demo", "--home", "/tmp/x"],
        &["--home=/tmp/x", "demo", "--check"],
        &["demo", "-q"],
        &["up", "--folder", "web"],
    ] {
        let run = Home::new().run(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn flags_of_the_contract_that_are_not_built_are_not_parsed() {
    for arguments in [
        &["folder", "add", "web", "/x", "--role", "send"][..],
        &["folder", "add", "web", "/x", "--exclude", "a"],
        &["folder", "approve", "web"],
        &["node", "remove", "a"],
        &["trash", "list"],
        &["doctor"],
        &["sync", "a", "b"],
    ] {
        assert_eq!(Home::new().run(arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn without_a_node_every_command_says_how_to_make_one() {
    let home = Home::new();
    for arguments in [&["status"][..], &["invite"], &["wait"], &["node", "list"], &["log"]] {
        let run = home.run(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{arguments:?}");
        run.says(&["no node yet", "nothing was changed", "syncline init", "syncline join"]);
        // Root's daemon was running, and a plain user was told to found a cluster.
        run.says(&["runs as another user", "--home DIR", "sudo"]);
    }
}

#[test]
fn without_a_daemon_every_command_says_how_to_start_it() {
    let home = Home::founded();
    for arguments in [
        &["status", "--check"][..],
        &["invite"],
        &["wait", "web"],
        &["verify"],
        &["log", "-f"],
        &["node", "list"],
        &["conflicts", "list"],
        &["conflicts", "show", "1"],
        &["conflicts", "keep", "1"],
        &["conflicts", "drop", "1", "2"],
        &["folder", "pause", "web"],
        &["folder", "set", "web", "conflicts=beside"],
        &["folder", "remove", "web"],
    ] {
        let run = home.run(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{arguments:?}: {}", run.stderr);
        run.says(&["no syncline daemon is running", "nothing was changed", "syncline daemon"]);
    }
}

#[test]
fn init_tells_what_it_made_and_does_it_once() {
    let home = Home::new();
    let first = home.run(&["init", "--name", "web1", "--listen", "127.0.0.1:0", "--json"]);
    assert_eq!((first.code, first.stderr.as_str()), (0, ""));
    let told: serde_json::Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!(told["node"], "web1");
    assert_eq!(told["cluster"].as_str().unwrap().len(), 32);
    let before = home.read("config.toml");
    let second = home.run(&["init", "--name", "other"]);
    assert_eq!(second.code, 1);
    second.says(&["already node \"web1\"", "nothing was changed"]);
    assert_eq!(home.read("config.toml"), before);
    assert!(before.starts_with("# Syncline"), "{before}");
    assert!(before.contains("name = \"web1\"") && before.contains("listen = \"127.0.0.1:0\""));
}

#[test]
fn settings_come_from_the_environment_too() {
    let home = Home::new();
    let run = home.run_with(&["init"], &[("SYNCLINE_NAME", "e1"), ("SYNCLINE_HTTP", "off")]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let config = home.read("config.toml");
    assert!(config.contains("name = \"e1\"") && config.contains("http = \"off\""), "{config}");
}

#[test]
fn a_home_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::founded();
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let run = home.run(&["config", "check"]);
    assert_eq!(run.code, 1);
    run.says(&["0755", "chmod 700"]);
}

#[test]
fn config_check_names_file_line_and_cure() {
    let home = Home::founded();
    let fine = home.run(&["config", "check"]);
    assert_eq!((fine.code, fine.stderr.as_str()), (0, ""));
    assert!(fine.stdout.ends_with("config.toml: in order, 0 folder(s)\n"), "{}", fine.stdout);
    for (text, words) in [
        ("name = \"a\"\nlisten = 7\n", &["line 2", "correct that line"][..]),
        ("nmae = \"a\"\n", &["line 1", "nmae"]),
        ("[[folder]]\nname = \"w\"\npath = \"/nowhere/at/all\"\n", &["no such directory", "mkdir"]),
        ("[[folder]]\nname = \"w\"\npath = \"relative\"\n", &["must be absolute"]),
        ("= = =\n", &["line 1"]),
    ] {
        home.write("config.toml", text);
        let run = home.run(&["config", "check"]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{text}");
        run.says(words);
    }
}

#[test]
fn folder_list_works_without_a_daemon() {
    let home = Home::founded();
    let empty = home.run(&["folder", "list"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (0, ""));
    empty.says(&["no folders"]);
    home.write("config.toml", "[[folder]]\nname = \"web\"\npath = \"/srv/web\"\npaused = true\n");
    let list = home.run(&["folder", "list"]);
    assert_eq!(
        (list.code, list.stdout.as_str()),
        (
            0,
            "NAME  PATH      STATE   DELAY  HELD BY  CONFLICTS\n\
             web   /srv/web  paused  0 ms   -        -\n"
        )
    );
    let json = home.run(&["folder", "list", "--json"]);
    let folders: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(folders[0]["path"], "/srv/web");
    assert_eq!(json.stderr, "");
}

#[test]
fn a_folder_s_place_is_checked_before_the_daemon_is_asked() {
    let home = Home::founded();
    let site = home.outside("site/inner");
    let other = home.outside("other");
    home.write(
        "config.toml",
        &format!("[[folder]]\nname = \"web\"\npath = \"{}\"\n", home.outside("site")),
    );
    std::fs::write(format!("{other}/file"), b"").unwrap();
    for (path, words) in [
        (format!("{other}/missing"), "no such directory"),
        (format!("{other}/file"), "not a directory"),
        (site, "lie inside one another"),
        (home.path().display().to_string(), "home"),
    ] {
        let run = home.run(&["folder", "add", "new", &path]);
        assert_eq!(run.code, 1, "{path}");
        run.says(&[words, "nothing was changed"]);
    }
    let fine = home.run(&["folder", "add", "new", &other]);
    fine.says(&["no syncline daemon is running"]);
}

#[test]
fn a_bad_join_code_changes_nothing() {
    let home = Home::new();
    for code in ["not/a/code", "abc", "00000000000000000000000000000000"] {
        let run = home.run(&["join", code]);
        assert_eq!(run.code, 2, "{code}: {}", run.stderr);
        run.says(&["nothing was changed"]);
        assert!(!home.path().exists(), "not even the home");
    }
}

#[test]
fn a_member_does_not_join_again() {
    let home = Home::founded();
    let code = run::code("127.0.0.1:9");
    let run = home.run(&["join", &code]);
    assert_eq!(run.code, 1);
    run.says(&["already node", "nothing was changed"]);
}

#[test]
fn an_inviter_that_does_not_answer_is_named() {
    let home = Home::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = home.run(&["join", &run::code(&port.to_string())]);
    assert_eq!(run.code, 1);
    run.says(&["cannot reach the inviting node", &port.to_string()]);
    let again = home.run(&["status"]);
    again.says(&["no node yet"]);
}

#[test]
fn help_names_every_command_and_the_version_is_the_program_s() {
    let help: Run = Home::new().run(&["--help"]);
    assert_eq!(help.code, 0);
    for command in ["init", "join", "invite", "folder", "node", "status", "wait", "verify", "log"] {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command}");
    }
    let version = Home::new().run(&["--version"]);
    assert_eq!(version.stdout, format!("syncline {}\n", env!("CARGO_PKG_VERSION")));
}
