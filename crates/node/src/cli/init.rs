//! `syncline init`: a node and a new cluster in the home. No daemon, no network.

use std::net::SocketAddr;

use clap::Args;
use engine::cluster_map::Profile;
use serde_json::json;

use super::print::Output;
use super::{Answer, CliError, Exit0, Globals};
use crate::config::{check_host_port, Config, ConfigFile, Http, NodeSettings};
use crate::home::Home;
use crate::{address, membership};

/// What `init`, `join` and `up` can be told about the node.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Arguments {
    /// This node's name [default: the host's]
    #[arg(long, env = "SYNCLINE_NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub place: Place,
}

/// Where the node is on the network.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Place {
    /// Where peers connect to [default: 0.0.0.0:7420]
    #[arg(long, env = "SYNCLINE_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// How peers reach this node [default: the addresses of its interfaces]
    #[arg(long, env = "SYNCLINE_ADVERTISE", value_name = "ADDR:PORT", value_delimiter = ',',
          value_parser = host_port)]
    pub advertise: Vec<String>,
    /// Where /healthz answers [default: 127.0.0.1:7421]
    #[arg(long, env = "SYNCLINE_HTTP", value_name = "ADDR:PORT|off")]
    pub http: Option<Http>,
}

fn host_port(text: &str) -> Result<String, String> {
    check_host_port(text).map(|()| text.to_owned())
}

impl Arguments {
    /// As settings to write.
    pub fn settings(&self) -> NodeSettings {
        NodeSettings {
            name: self.name.clone(),
            listen: self.place.listen,
            advertise: self.place.advertise.clone(),
            http: self.place.http,
        }
    }
}

/// The settings with what the arguments change: not yet written.
///
/// # Errors
/// The file is wrong already, or an argument makes no sense.
pub fn prepare(home: &Home, arguments: &Arguments) -> Result<(ConfigFile, Config), CliError> {
    if let Some(name) = &arguments.name {
        if !crate::net::hello::is_valid_name(name) {
            return Err(CliError::Usage(format!(
                "--name {name:?}: a name has 1 to 64 bytes and no control characters; nothing was \
                 changed"
            )));
        }
    }
    let mut file = ConfigFile::open(&home.config())?;
    file.set_node(&arguments.settings());
    let config = file.check()?;
    Ok((file, config))
}

/// What this node tells others about itself before its daemon has run.
pub fn profile(config: &Config) -> Profile {
    let addresses = match config.listen.port() {
        0 => config.advertise.clone(),
        _ => address::advertised(config, config.listen),
    };
    Profile { name: config.name.clone(), addresses }
}

/// Whether the daemon could listen where it is to: asked before anything is written down.
///
/// # Errors
/// The port is taken, or not ours to take.
pub fn try_port(config: &Config) -> Result<(), CliError> {
    std::net::TcpListener::bind(config.listen).map(drop).map_err(|error| {
        let (address, why) = (config.listen, error);
        CliError::Failed(format!(
            "cannot listen on {address}: {why}; nothing was changed; stop the program that does \
             (a second daemon?), or choose another address with --listen"
        ))
    })
}

/// Creates the node and its cluster.
///
/// # Errors
/// There is one already, or the home cannot be used.
pub fn run(globals: &Globals, output: &Output, arguments: Arguments) -> Answer {
    let home = Home::create(&globals.home_path()?)?;
    let _lock = home.lock()?;
    let (mut file, config) = prepare(&home, &arguments)?;
    membership::refuse_if_member(&home)?;
    // The name stays what it is even when the host is renamed.
    let named = NodeSettings { name: Some(config.name.clone()), ..NodeSettings::default() };
    file.set_node(&named);
    file.save()?;
    let cluster = membership::found(&home, profile(&config))?;
    if output.is_json() {
        let home = home.path().to_string_lossy();
        output
            .json(&json!({ "node": config.name, "cluster": cluster.to_string(), "home": home }))?;
    }
    output.note(&format!(
        "node {:?} of a new cluster in {}; next: `syncline daemon`",
        config.name,
        home.path().display()
    ));
    Ok(Exit0::Done)
}
