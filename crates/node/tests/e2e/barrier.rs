//! `wait` returns only when it is true.

use std::fs;

use crate::lab::{until, Lab, Outcome, FOLDER};

/// Rounds of write, wait, read.
const ROUNDS: usize = 500;

/// Written on one, waited for, read on the others.
pub fn write_wait_read() -> Outcome {
    let lab = Lab::three()?;
    for round in 0..ROUNDS {
        let writer = &lab.nodes[round % 3];
        let name = format!("{}.txt", round % 10);
        let text = format!("round {round} of {}", writer.name);
        fs::write(writer.tree.join(&name), &text)?;
        writer.ok(&["wait", FOLDER, "--timeout", "30s"])?;
        for reader in &lab.nodes {
            let found = fs::read_to_string(reader.tree.join(&name))
                .map_err(|error| format!("round {round}: {} on {}: {error}", name, reader.name))?;
            if found != text {
                let words = format!("round {round}: {} reads {found:?}", reader.name);
                return Err(lab.trouble("wait", &words));
            }
        }
    }
    lab.settle("all rounds")
}

/// A member that cannot apply holds `wait` up, and no longer than it cannot.
pub fn held_up() -> Outcome {
    let lab = Lab::three()?;
    lab.settle("three empty nodes")?;
    lab.nodes[1].signal("STOP")?;
    fs::write(lab.nodes[0].tree.join("late.txt"), b"late")?;
    let held = lab.nodes[0].run(&["wait", FOLDER, "--timeout", "2s"])?;
    let is_there = lab.nodes[1].tree.join("late.txt").exists();
    lab.nodes[1].signal("CONT")?;
    held.refused(5, &["b"])?;
    if is_there {
        return Err("a stopped process applied a change".into());
    }
    lab.settle_after("b goes on", &[0])
}

/// Nobody there is not the same as everybody has it.
pub fn nobody_there() -> Outcome {
    let mut lab = Lab::three()?;
    lab.settle("three empty nodes")?;
    lab.nodes[1].stop()?;
    lab.nodes[2].stop()?;
    until("a notices that it is alone", || Ok((lab.nodes[0].connected()? == 0).then_some(())))?;
    fs::write(lab.nodes[0].tree.join("alone.txt"), b"alone")?;
    let run = lab.nodes[0].run(&["wait", FOLDER, "--timeout", "2s"])?;
    // Members seen in the last 30 s are still waited for (decisions D1): 5 now, 3 later, never 0.
    if !matches!(run.code, 3 | 5) {
        return Err(format!("alone, and `wait` gave {}: {}", run.code, run.stderr).into());
    }
    lab.nodes[1].start()?;
    lab.nodes[2].start()?;
    lab.meet()?;
    lab.settle("b and c are back")
}
