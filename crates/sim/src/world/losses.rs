//! Machines that lose their power: what the checkers are told of it. Used by `scenario`.

use super::World;
use crate::checkers;

impl World {
    /// A machine loses its power; its program is to be started again.
    pub fn lose_power(&mut self, node: usize) {
        self.fault("power loss");
        self.tell(|| format!("{node} loses its power"));
        // What is written while no program runs is known by its times alone.
        let is_watched = self.is_running(node);
        if is_watched {
            self.fall(node);
        }
        let others = self.contents_but_of(node);
        let (root, index) = (self.roots[node], &self.nodes[node].index);
        let promised =
            self.nodes[node].disk.with(|model| checkers::durable::promised(model, root, index));
        if self.options.jumps + self.options.stops == 0 && !self.has_twins() {
            let disk = &self.nodes[node].disk;
            disk.with(|model| self.town().announced.power_goes(node, index, model));
        }
        self.shaky.extend(self.nodes[node].disk.with(|model| checkers::shaky(model)));
        let at =
            self.nodes[node].disk.with(|model| model.lose_power(&mut self.random, !is_watched));
        self.nodes[node].disk.with(|model| {
            self.town().oracle.lost_power(node, model);
            self.town().announced.power_is_back(node, model);
            checkers::durable::kept(node, model, root, &promised);
        });
        self.lock_again(node);
        let machine = &mut self.nodes[node];
        if std::mem::replace(&mut machine.unexamined, true) {
            let index = machine.index.clone();
            self.town().census.let_go_unseen(node, &index);
        }
        self.reboot(node);
        self.desks[node].boot.at = at;
        // To start takes longer than any timestamp is coarse: what users write then shows as later.
        self.nodes[node].disk.with(|model| model.wall_ms += model.grain_ms.max(1));
        self.pass_work(node);
        let here = self.nodes[node].disk.with(|model| checkers::left_of_users(model));
        self.town().lose_power(node, &here, &others);
    }
}
