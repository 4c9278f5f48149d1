//! A graph in order passes; each hole in a fence is caught, at the line that made it.

use super::super::Source;
use super::{judge, REGISTRY};
use serde_json::{json, Value};

fn external(name: &str) -> Value {
    json!({ "id": name, "name": name, "source": REGISTRY, "license": "MIT" })
}

/// A crate of ours with dependencies as (name, kind); kind is empty for a normal one.
fn own(name: &str, dependencies: &[(&str, &str)]) -> Value {
    let list: Vec<Value> = dependencies
        .iter()
        .map(|(name, kind)| json!({ "name": name, "kind": (!kind.is_empty()).then_some(kind) }))
        .collect();
    json!({ "id": name, "name": name, "source": null, "license": "MIT", "dependencies": list })
}

fn reasons(packages: &[Value]) -> Vec<String> {
    let members = ["engine", "disk", "node", "sim", "xtask", "new"];
    let metadata = json!({ "packages": packages, "workspace_members": members });
    let found = judge(&metadata, &[]).unwrap();
    found.into_iter().map(|fault| fault.to_string()).collect()
}

#[track_caller]
fn caught(package: Value, reason: &str) {
    let found = reasons(&[package]);
    assert!(found.len() == 1 && found[0].contains(reason), "wanted {reason:?}, found {found:?}");
}

#[test]
fn the_graph_of_the_plan_is_in_order() {
    let none: Vec<String> = Vec::new();
    let packages = [
        own("engine", &[("blake3", ""), ("proptest", "dev")]),
        own("disk", &[("engine", ""), ("libc", ""), ("rusqlite", "")]),
        own("node", &[("engine", ""), ("disk", ""), ("tokio", "")]),
        own("sim", &[("engine", ""), ("disk", "")]),
        own("xtask", &[("anyhow", "")]),
        external("blake3"),
        external("ring"),
    ];
    assert_eq!(reasons(&packages), none);
}

#[test]
fn an_edge_against_the_plan_is_caught_in_every_kind() {
    caught(own("engine", &[("disk", "")]), "crates/engine/Cargo.toml:1: engine must not depend");
    caught(own("disk", &[("node", "dev")]), "disk must not depend on node");
    caught(own("node", &[("sim", "")]), "node must not depend on sim");
    caught(own("xtask", &[("engine", "build")]), "xtask/Cargo.toml:1: xtask must not depend");
    caught(own("new", &[]), "no place in EDGES");
}

#[test]
fn tests_of_the_program_may_use_the_simulators_users() {
    assert!(reasons(&[own("node", &[("sim", "dev")])]).is_empty());
}

#[test]
fn a_stranger_in_the_engine_is_caught_except_for_its_tests() {
    caught(own("engine", &[("rand", "")]), "the engine may use");
    caught(own("engine", &[("serde_json", "build")]), "the engine may use");
    assert!(reasons(&[own("engine", &[("rand", "dev")])]).is_empty());
}

#[test]
fn a_crate_that_belongs_elsewhere_is_caught() {
    caught(own("disk", &[("tokio", "dev")]), "tokio belongs to node");
    caught(own("node", &[("libc", "")]), "libc belongs to disk");
    caught(own("sim", &[("rusqlite", "")]), "rusqlite belongs to disk");
    caught(own("node", &[("ring", "")]), "ring is not used here");
}

#[test]
fn banned_names_foreign_sources_and_licences_are_caught() {
    caught(external("openssl-sys"), "openssl-sys is banned");
    let mut package = external("a");
    package["source"] = json!("git+https://example.org/a");
    caught(package.clone(), "only crates.io");
    package["source"] = Value::Null;
    caught(package, "outside the workspace");
    let mut package = external("a");
    package["license"] = json!("GPL-3.0-only");
    caught(package.clone(), "refused");
    package["license"] = json!("MIT OR");
    caught(package.clone(), "not understood");
    package["license"] = Value::Null;
    caught(package, "no licence");
}

#[test]
fn a_fault_points_at_the_line_that_names_the_dependency() {
    let source = Source {
        path: "crates/node/Cargo.toml".to_owned(),
        text: "[dependencies]\nanyhow = \"1\"\nlibc.workspace = true\n".to_owned(),
    };
    let packages = [own("node", &[("libc", "")])];
    let metadata = json!({ "packages": packages, "workspace_members": ["node"] });
    let found = judge(&metadata, &[source]).unwrap();
    assert_eq!((found[0].file.as_str(), found[0].line), ("crates/node/Cargo.toml", 3));
}
