//! The scripted tour of `demo --check`: what a person would try first, on three nodes in turn.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use tokio::runtime::Runtime;

use super::lab::{DemoNode, Lab, FOLDER};
use super::tree;
use crate::cli::print::{self, Output};
use crate::cli::{Answer, CliError, Exit0};
use crate::control::Request;
use crate::view::{Status, Waited};

const WAIT_MS: u64 = 30_000;
const SMALL_FILES: usize = 200;
const LARGE_BYTES: usize = 20 << 20;

/// Plays the tour; done means that all three were identical after every step.
///
/// # Errors
/// A step that could not be made, or after which the nodes differ.
pub fn run(output: &Output, runtime: &Runtime, lab: &mut Lab) -> Answer {
    let mut tour = Tour { output, runtime, lab, steps: 0 };
    tour.step("upload 200 small files and one of 20 MiB on a", &[0], upload)?;
    tour.step("edit one of them on b", &[1], |at| fs::write(at.join("uploads/7.txt"), b"edited"))?;
    tour.step("save it as editors do on c", &[2], |at| {
        fs::write(at.join("uploads/.7.txt.tmp"), b"edited again")?;
        fs::rename(at.join("uploads/.7.txt.tmp"), at.join("uploads/7.txt"))
    })?;
    tour.step("rename the directory on c", &[2], |at| {
        fs::rename(at.join("uploads"), at.join("media"))
    })?;
    tour.step("delete half of it on a", &[0], |at| {
        (0..SMALL_FILES / 2).try_for_each(|n| fs::remove_file(at.join(format!("media/{n}.txt"))))
    })?;
    tour.away()?;
    tour.step("delete the rest on b", &[1], |at| fs::remove_dir_all(at.join("media")))?;
    output.answer(&format!("all {} steps: the three nodes are identical", tour.steps))?;
    Ok(Exit0::Done)
}

fn upload(at: &Path) -> io::Result<()> {
    fs::create_dir(at.join("uploads"))?;
    for n in 0..SMALL_FILES {
        fs::write(at.join(format!("uploads/{n}.txt")), format!("small file {n}\n").repeat(n))?;
    }
    let large: Vec<u8> = (0..LARGE_BYTES).map(|n| ((n * n) >> 7) as u8).collect();
    fs::write(at.join("uploads/large.bin"), large)?;
    std::os::unix::fs::symlink("large.bin", at.join("uploads/latest"))
}

struct Tour<'a> {
    output: &'a Output,
    runtime: &'a Runtime,
    lab: &'a mut Lab,
    steps: usize,
}

impl Tour<'_> {
    /// Changes the trees of some nodes, waits on these nodes, and compares all three.
    fn step(
        &mut self,
        what: &str,
        on: &[usize],
        change: impl Fn(&Path) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let begin = Instant::now();
        for &at in on {
            let tree = &self.lab.nodes[at].tree;
            change(tree).map_err(|error| CliError::Failed(format!("{what}: {error}")))?;
        }
        self.settle(what, on, begin)
    }

    fn settle(&mut self, what: &str, on: &[usize], begin: Instant) -> Result<(), CliError> {
        for &at in on {
            let folder = Some(FOLDER.to_owned());
            let request = Request::Wait { folder, timeout_ms: WAIT_MS, all: true };
            let node = &self.lab.nodes[at];
            let waited = self.runtime.block_on(node.ask::<Waited>(&request));
            waited.map_err(|error| node.trouble(&format!("does not get through ({error})")))?;
        }
        let took = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.compare(what)?;
        self.steps += 1;
        Ok(self.output.answer(&format!("ok  {what}: {}", print::span(took)))?)
    }

    fn compare(&self, what: &str) -> Result<(), CliError> {
        let read = |node: &DemoNode| {
            let read = tree::read(&node.tree);
            read.map_err(|error| CliError::Failed(format!("read node {}: {error}", node.name)))
        };
        let first = read(&self.lab.nodes[0])?;
        for node in &self.lab.nodes[1..] {
            let differences = tree::differences(&first, &read(node)?);
            if let Some((path, how)) = differences.first() {
                let words = format!(
                    "differs from a after \"{what}\" in {} place(s), first {}: {how}",
                    differences.len(),
                    path.display()
                );
                return Err(node.trouble(&words));
            }
        }
        Ok(())
    }

    /// c is stopped, b and c change one file and others, c comes back.
    fn away(&mut self) -> Result<(), CliError> {
        let begin = Instant::now();
        self.lab.nodes[2].stop(self.runtime)?;
        let write = |at: usize, name: &str, text: &str| {
            let path = self.lab.nodes[at].tree.join(name);
            fs::write(path, text).map_err(CliError::Output)
        };
        write(1, "both.txt", "from b")?;
        write(2, "both.txt", "from c, which is away")?;
        write(1, "only-b.txt", "b")?;
        write(2, "only-c.txt", "c")?;
        let gone = self.lab.nodes[0].tree.join("media/150.txt");
        fs::remove_file(gone).map_err(CliError::Output)?;
        self.lab.nodes[2].start(self.runtime)?;
        self.runtime.block_on(self.lab.meet())?;
        self.settle("c down, changes on all, c back", &[2, 1, 0, 2], begin)?;
        for node in &self.lab.nodes {
            let status: Status = self.runtime.block_on(node.ask(&Request::Status {}))?;
            if status.folders.iter().map(|folder| folder.conflicts).sum::<u64>() != 1 {
                return Err(node.trouble("does not list the one conflict"));
            }
        }
        self.steps += 1;
        Ok(self.output.answer("ok  the loser of the conflict is kept on every node")?)
    }
}
