//! What goes wrong on purpose while users work: daemons are killed, ended and started again at any
//! moment, stand still; cables are out, routes are gone. Each is over after some steps.
//!
//! Called by the run.

use rustix::process::{kill_process, Pid, Signal};
use sim::random::Random;
use sim::swarm::Counts;

use crate::lab::{until, Lab, Outcome};
use crate::node::Node;

/// In so many of 1,000 steps something goes wrong.
const PERMILLE: usize = 120;
/// How many steps it lasts at most.
const STEPS_MAX: usize = 25;
/// The pairs of three nodes: one for each number of a node.
const PAIRS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];

/// How it is now. Numbers are steps until it is over.
#[derive(Debug, Default)]
pub struct Weather {
    /// Daemons that do not run.
    down: [usize; 3],
    /// Daemons that stand still.
    frozen: [usize; 3],
    /// Cables that are out.
    cables: [usize; 3],
    /// Pairs without a route.
    routes: [usize; 3],
    /// How often what went wrong.
    pub counts: Counts,
}

impl Weather {
    /// Whether a daemon stands still anyway.
    pub fn is_frozen(&self, at: usize) -> bool {
        self.frozen[at] > 0
    }

    /// Time passes: what is over is over, and something new may go wrong. What, if anything.
    pub fn change(&mut self, lab: &mut Lab, random: &mut Random) -> Outcome<Option<String>> {
        for which in [&mut self.down, &mut self.frozen, &mut self.cables, &mut self.routes] {
            // The last step is where it ends.
            which.iter_mut().filter(|left| **left > 1).for_each(|left| *left -= 1);
        }
        self.end(lab, |left| left == 1)?;
        if !random.chance(PERMILLE) {
            return Ok(None);
        }
        let (at, steps) = (random.below(3), 2 + random.below(STEPS_MAX));
        let is_up = self.down[at] == 0 && self.frozen[at] == 0;
        let kind = match random.below(8) {
            0 | 1 if is_up => {
                lab.nodes[at].kill();
                lab.nodes[at].spawn()?;
                "killed and started at once"
            }
            2 if is_up => {
                lab.nodes[at].kill();
                self.down[at] = steps;
                "killed"
            }
            3 if is_up => {
                answers(&lab.nodes[at])?;
                lab.nodes[at].stop()?;
                self.down[at] = steps;
                "ended in order"
            }
            4 if is_up => {
                freeze(&lab.nodes[at], true)?;
                self.frozen[at] = steps;
                "stands still"
            }
            5 | 6 if self.cables[at] == 0 => {
                lab.cable(at, false)?;
                self.cables[at] = steps;
                "cable out"
            }
            7 if self.routes[at] == 0 => {
                let (one, other) = PAIRS[at];
                lab.route(one, other, false)?;
                self.routes[at] = steps;
                "route gone"
            }
            _ => return Ok(None),
        };
        self.counts.add(kind);
        Ok(Some(format!("{at} {}: {kind}, for {steps} steps", lab.nodes[at].name)))
    }

    /// A machine is cut off for so many steps.
    pub fn cut_off(&mut self, lab: &Lab, at: usize, steps: usize) -> Outcome<String> {
        lab.cable(at, false)?;
        self.cables[at] = steps;
        self.counts.add("cut off for a round");
        Ok(format!("{at} {}: cut off for {steps} steps", lab.nodes[at].name))
    }

    /// All is well again, and everybody is connected.
    pub fn heal(&mut self, lab: &mut Lab) -> Outcome {
        self.end(lab, |left| left > 0)?;
        lab.nodes.iter().try_for_each(answers)?;
        lab.meet()
    }

    fn end(&mut self, lab: &mut Lab, is_over: impl Fn(usize) -> bool) -> Outcome {
        for (at, (one, other)) in PAIRS.into_iter().enumerate() {
            if is_over(self.down[at]) {
                self.down[at] = 0;
                lab.nodes[at].spawn()?;
            }
            if is_over(self.frozen[at]) {
                self.frozen[at] = 0;
                freeze(&lab.nodes[at], false)?;
            }
            if is_over(self.cables[at]) {
                self.cables[at] = 0;
                lab.cable(at, true)?;
            }
            if is_over(self.routes[at]) {
                self.routes[at] = 0;
                lab.route(one, other, true)?;
            }
        }
        Ok(())
    }
}

/// Until a daemon answers.
fn answers(node: &Node) -> Outcome {
    until(&format!("{} answers", node.name), || {
        Ok(matches!(node.run(&["status", "--check"])?.code, 0 | 3).then_some(()))
    })
}

fn freeze(node: &Node, is_frozen: bool) -> Outcome {
    let pid = i32::try_from(node.pid()?).ok().and_then(Pid::from_raw).ok_or("no such process")?;
    kill_process(pid, if is_frozen { Signal::STOP } else { Signal::CONT })?;
    Ok(())
}
