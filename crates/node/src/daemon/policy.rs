//! What becomes of conflicts in a folder: said to the cluster by any node. What the cluster says is
//! told to the engines of the folders held here.

use engine::cluster_map::{Fact, Policy};
use engine::dot::NodeId;
use engine::engine::Input;
use engine::ledger::Ways;
use engine::message::FolderId;

use super::show::hex;
use super::Daemon;
use crate::control::{Exit, Failure};
use crate::view::ConflictMode;

/// The fewest digits by which a node can be named instead of by its name.
const ID_DIGITS_MIN: usize = 8;

impl Daemon {
    /// Sets what is asked for in words, `KEY=VALUE`, for the whole cluster.
    pub(super) fn folder_set(&self, name: &str, settings: &[String]) -> Result<String, Failure> {
        let usage = |words: String| Failure::new(Exit::Usage, words + "; nothing was changed");
        let known = self.members.with(|map| map.folder_called(name).map(|(id, _)| id));
        let id = known.ok_or_else(|| {
            usage(format!("the cluster has no folder {name:?} (see `syncline folder list`)"))
        })?;
        let mut policy = self.members.with(|map| map.policy(id));
        for setting in settings {
            match setting.split_once('=') {
                Some(("conflicts", "store")) => policy.beside = false,
                Some(("conflicts", "beside")) => policy.beside = true,
                Some(("prefer", "none")) => policy.prefer = None,
                Some(("prefer", node)) => policy.prefer = Some(self.member(node).map_err(usage)?),
                _ => {
                    return Err(usage(format!(
                        "{setting:?} is none of conflicts=store, conflicts=beside, prefer=NODE, \
                         prefer=none"
                    )));
                }
            }
        }
        let fact = Fact::Policy { folder: id, policy };
        let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error.to_string());
        self.members.say(fact).map_err(|error| failed(&error))?;
        self.spread();
        self.tell_folders();
        let (mode, prefer) = self.shown_policy(id);
        let prefer = prefer.map_or("the later edit".to_owned(), |node| format!("node {node:?}"));
        let loser = match mode {
            ConflictMode::Store => "the conflict store",
            ConflictMode::Beside => "a file beside the winner",
        };
        Ok(format!("folder {name:?}: of concurrent edits {prefer} wins; the loser goes to {loser}"))
    }

    /// The member of this name, or whose id begins so.
    fn member(&self, text: &str) -> Result<NodeId, String> {
        let digits = text.to_lowercase();
        let is_meant = |id: &NodeId, name: &str| {
            name == text || (digits.len() >= ID_DIGITS_MIN && hex(&id.0).starts_with(&digits))
        };
        let found: Vec<NodeId> = self.members.with(|map| {
            let all = map.members().iter();
            all.filter(|(id, member)| is_meant(id, &member.profile.name))
                .map(|(id, _)| *id)
                .collect()
        });
        match found[..] {
            [one] => Ok(one),
            [] => Err(format!("no member is called {text:?} (see `syncline node list`)")),
            _ => Err(format!(
                "several members are called {text:?}; name one by its id (`syncline node list \
                 --json`)"
            )),
        }
    }

    /// What the cluster's records say to a folder's engine: what the policy asks of this node, and
    /// who is no member any more.
    pub(super) fn tidings(&self, id: FolderId) -> [Input; 2] {
        let me = self.me();
        self.members.with(|map| {
            let Policy { beside, prefer } = map.policy(id);
            let ways = Ways { beside, preferred: prefer == Some(me) };
            [Input::Ways(ways), Input::Removed(map.removed_members().clone())]
        })
    }

    /// Tells the folders held here; an engine that knows it does nothing.
    pub(super) fn tell_folders(&self) {
        for (id, folder) in self.folders.all() {
            for input in self.tidings(id) {
                folder.input(input);
            }
        }
    }

    /// For people and programs.
    pub(super) fn shown_policy(&self, id: FolderId) -> (ConflictMode, Option<String>) {
        let Policy { beside, prefer } = self.members.with(|map| map.policy(id));
        let mode = if beside { ConflictMode::Beside } else { ConflictMode::Store };
        (mode, prefer.map(|node| self.node_name(node)))
    }
}
