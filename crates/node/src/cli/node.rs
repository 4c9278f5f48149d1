//! `syncline node`: the members of the cluster.

use clap::Subcommand;

use super::print::Output;
use super::{Answer, Exit0, Globals};
use crate::control::Request;
use crate::view::Node;

/// What can be done with nodes.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// List the members
    List,
}

/// Does it.
///
/// # Errors
/// No daemon.
pub fn run(globals: &Globals, output: &Output, command: &Command) -> Answer {
    let Command::List = command;
    let nodes: Vec<Node> = globals.ask_list(&Request::NodeList {})?;
    if output.is_json() {
        output.json(&nodes)?;
        return Ok(Exit0::Done);
    }
    let rows: Vec<Vec<String>> = nodes.iter().map(row).collect();
    let head = ["name", "id", "state", "admits", "addresses", "folders"];
    output.table(&head, &rows, "no nodes")?;
    Ok(Exit0::Done)
}

fn row(node: &Node) -> Vec<String> {
    let state = match (node.is_self, node.connected) {
        (true, _) => "this node",
        (false, true) => "connected",
        (false, false) => "not connected",
    };
    let list = |items: &[String]| match items.is_empty() {
        true => "-".to_owned(),
        false => items.join(", "),
    };
    vec![
        node.name.clone(),
        node.id.chars().take(8).collect(),
        state.to_owned(),
        if node.admin { "yes" } else { "no" }.to_owned(),
        list(&node.addresses),
        list(&node.folders),
    ]
}
