//! The fences between the crates, and what may enter from outside: edges, bans, sources, licences.
//!
//! Reads `cargo metadata`; judges names, not code. Called by `tidy.rs`.

use super::{licence, Fault, Source};
use anyhow::{bail, Context, Result};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Each crate of ours and those of ours that it may depend on. Any other edge is a hole in a fence.
const EDGES: &[(&str, &[&str])] = &[
    ("engine", &[]),
    ("disk", &["engine"]),
    ("node", &["engine", "disk"]),
    ("sim", &["engine", "disk"]),
    ("xtask", &[]),
];

/// Edges that only tests may have: the simulator's users drive the real program, too.
const TEST_EDGES: &[(&str, &str)] = &[("node", "sim")];

/// What the engine may use in production: arithmetic, encodings and protocols as values; no IO.
const ENGINE_EXTERNAL: &[&str] = &["blake3", "prost", "foca", "bytes", "rand_core"];

/// External crates that one crate of ours may use, in tests too.
const ONLY_IN: &[(&str, &str)] = &[
    ("tokio", "node"),
    ("tokio-rustls", "node"),
    ("rustls", "node"),
    ("axum", "node"),
    ("clap", "node"),
    ("serde", "node"),
    ("libc", "disk"),
    ("rusqlite", "disk"),
];

/// Crates that may stand nowhere in the graph, and why.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "a C library of the host; TLS is rustls"),
    ("openssl-sys", "a C library of the host; TLS is rustls"),
    ("native-tls", "its behaviour depends on the host; TLS is rustls"),
    ("bincode", "formats are protobuf, with numbers that may be added to"),
    ("sled", "the store is SQLite"),
];

/// Crates that we do not use ourselves. In the lock file they may stand: cargo locks optional
/// dependencies of others (rustls names `ring`) without ever building them.
const BANNED_DIRECT: &[(&str, &str)] = &[("ring", "cryptography is aws-lc-rs, one provider only")];

/// The one registry that packages come from, in the words of `cargo metadata`.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Every fault of the graph. `sources` serve to point at the line that brought it in.
///
/// # Errors
/// `cargo metadata` failed, or its answer has a shape that we do not know.
pub fn check(root: &Path, sources: &[Source]) -> Result<Vec<Fault>> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("start cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("read the answer of cargo metadata")?;
    judge(&metadata, sources)
}

fn judge(metadata: &Value, sources: &[Source]) -> Result<Vec<Fault>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let members =
        metadata["workspace_members"].as_array().context("cargo metadata lists no members")?;
    let mut faults = Vec::new();
    for package in packages {
        let name = text(package, "name")?;
        let place = Place { sources, file: "Cargo.lock", needle: format!("name = {name:?}") };
        let is_member = members.contains(&package["id"]);
        faults.extend(package_faults(package, is_member)?.into_iter().map(|it| place.fault(it)));
        if is_member {
            faults.extend(member_faults(package, sources)?);
        }
    }
    Ok(faults)
}

/// What is wrong with a package as such: its name, where it comes from, its licence.
fn package_faults(package: &Value, is_member: bool) -> Result<Vec<String>> {
    let name = text(package, "name")?;
    let mut reasons = Vec::new();
    if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
        reasons.push(format!("{name} is banned: {why}"));
    }
    match package["source"].as_str() {
        Some(REGISTRY) => {}
        Some(other) => reasons.push(format!("{name} comes from {other}; only crates.io may serve")),
        None if is_member => {}
        None => reasons.push(format!("{name} comes from a path outside the workspace")),
    }
    match package["license"].as_str().map(licence::is_allowed) {
        Some(Ok(true)) => {}
        Some(Ok(false)) => {
            reasons.push(format!("{name}: licence {} is refused", package["license"]))
        }
        Some(Err(why)) => reasons.push(format!("{name}: licence is not understood: {why}")),
        None => reasons.push(format!("{name} states no licence")),
    }
    Ok(reasons)
}

/// What is wrong with the dependencies that one crate of ours asks for.
fn member_faults(package: &Value, sources: &[Source]) -> Result<Vec<Fault>> {
    let name = text(package, "name")?;
    let directory = if name == "xtask" { name.to_owned() } else { format!("crates/{name}") };
    let manifest = format!("{directory}/Cargo.toml");
    let Some((_, edges)) = EDGES.iter().find(|(own, _)| *own == name) else {
        return Ok(vec![Fault::new(&manifest, 1, format!("crate {name} has no place in EDGES"))]);
    };
    let dependencies = package["dependencies"].as_array().context("a package without a list")?;
    let mut faults = Vec::new();
    for dependency in dependencies {
        let other = text(dependency, "name")?;
        let is_production = dependency["kind"].as_str() != Some("dev");
        let is_ours = EDGES.iter().any(|(own, _)| *own == other);
        let reason = if is_ours {
            let is_tested = !is_production && TEST_EDGES.contains(&(name, other));
            let is_allowed = edges.contains(&other) || is_tested;
            (!is_allowed).then(|| format!("{name} must not depend on {other}"))
        } else {
            external_fault(name, other, is_production)
        };
        if let Some(reason) = reason {
            let place = Place { sources, file: &manifest, needle: other.to_owned() };
            faults.push(place.fault(reason));
        }
    }
    Ok(faults)
}

fn external_fault(own: &str, other: &str, is_production: bool) -> Option<String> {
    if let Some((_, why)) = BANNED_DIRECT.iter().find(|(banned, _)| *banned == other) {
        return Some(format!("{other} is not used here: {why}"));
    }
    if let Some((_, home)) = ONLY_IN.iter().find(|(only, home)| *only == other && *home != own) {
        return Some(format!("{other} belongs to {home} alone, not to {own}"));
    }
    let is_strange = own == "engine" && is_production && !ENGINE_EXTERNAL.contains(&other);
    is_strange.then(|| format!("the engine may use {ENGINE_EXTERNAL:?}, not {other}"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("cargo metadata: no text under {key:?}"))
}

/// The line of a file that names a thing, for a fault that was found elsewhere.
struct Place<'a> {
    sources: &'a [Source],
    file: &'a str,
    needle: String,
}

impl Place<'_> {
    fn fault(&self, reason: String) -> Fault {
        let source = self.sources.iter().find(|source| source.path == self.file);
        let mut lines = source.map(|source| source.text.lines()).into_iter().flatten();
        let line = lines.position(|line| line.starts_with(&self.needle)).unwrap_or(0);
        Fault::new(self.file, line + 1, reason)
    }
}

#[cfg(test)]
mod tests;
