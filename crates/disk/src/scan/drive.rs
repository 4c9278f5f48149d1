//! Runs a walk to its end: all in the caller's thread, in a fixed order (the simulator, single
//! hints), or with helpers that list and read while the caller compares.
//!
//! Decides nothing about files. Nobody waits in a circle: helpers wait for the caller to take
//! answers, and the caller takes answers, or does a job itself when too many wait.

use super::answer;
use super::jobs::{run, Answer, Job};
use super::look::Lens;
use super::walk::Walk;
use super::{ScanError, Summary};
use crate::fs::Fs;
use crate::hash::Reader;
use crate::store::LastSeen;
use std::collections::VecDeque;
use std::sync::mpsc::{sync_channel, SyncSender};
use std::sync::{Condvar, Mutex, PoisonError};

/// Looks waiting above which the caller does some itself. Each may hold a directory of its own
/// open, and 1,024 descriptors is all that many systems give a process.
const LOOKS_WAITING_MAX: usize = 128;
/// Chunks and looks answered and not yet taken.
const ANSWERS_MAX: usize = 32;
/// Fewer things to do than this are not worth a thread.
const WORTH_THREADS: usize = 16;

/// Runs it.
pub(super) fn drive<F: Fs, L: LastSeen>(mut walk: Walk<'_, F, L>) -> Result<Summary, ScanError> {
    walk.feed(LOOKS_WAITING_MAX);
    let workers = walk.eyes.workers;
    if workers > 0 && (walk.looks.len() >= WORTH_THREADS || walk.has_directories()) {
        threaded(&mut walk, workers);
    } else {
        inline(&mut walk);
    }
    walk.finish()
}

fn inline<F: Fs, L: LastSeen>(walk: &mut Walk<'_, F, L>) {
    let eyes = walk.eyes;
    let lens = walk.lens;
    let mut reader = Reader::new(eyes.racy_ms);
    loop {
        while let Some(job) = walk.looks.pop_front() {
            run(lens, eyes.root, &mut reader, job, &mut |a| answer::take(walk, a));
        }
        if walk.is_over() {
            return;
        }
        walk.feed(LOOKS_WAITING_MAX);
        if !walk.looks.is_empty() {
            continue;
        }
        let Some(job) = walk.next_directory() else { return };
        // A directory of a million names: what differs in it is read as it is met.
        let mut own = Reader::new(eyes.racy_ms);
        run(lens, eyes.root, &mut reader, job, &mut |a| {
            let mut go_on = answer::take(walk, a);
            while let Some(job) = walk.looks.pop_front() {
                run(lens, eyes.root, &mut own, job, &mut |b| {
                    go_on &= answer::take(walk, b);
                    go_on
                });
            }
            go_on
        });
    }
}

/// Jobs that wait for a helper; closed when the walk is over or a helper has panicked.
struct Queue<F: Fs> {
    state: Mutex<(VecDeque<Job<F>>, bool)>,
    filled: Condvar,
}

impl<F: Fs> Queue<F> {
    fn push(&self, job: Job<F>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.push_back(job);
        self.filled.notify_one();
    }

    fn pop(&self) -> Option<Job<F>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.1 {
                return None;
            }
            if let Some(job) = state.0.pop_front() {
                return Some(job);
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes a job if more than `max` wait.
    fn surplus(&self, max: usize) -> Option<Job<F>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let look = |job: &Job<F>| matches!(job, Job::Look { .. });
        if state.0.len() <= max || !state.0.back().is_some_and(look) {
            return None;
        }
        state.0.pop_back()
    }

    fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = true;
        self.filled.notify_all();
    }
}

/// Closes the queue however its thread ends, so that a panic is seen and not waited for.
struct Closing<'a, F: Fs>(&'a Queue<F>, bool);

impl<F: Fs> Drop for Closing<'_, F> {
    fn drop(&mut self) {
        if self.1 || std::thread::panicking() {
            self.0.close();
        }
    }
}

fn threaded<F: Fs, L: LastSeen>(walk: &mut Walk<'_, F, L>, workers: usize) {
    let (eyes, lens) = (walk.eyes, walk.lens);
    let queue = Queue { state: Mutex::new((VecDeque::new(), false)), filled: Condvar::new() };
    let queue = &queue;
    std::thread::scope(|scope| {
        let (sender, answers) = sync_channel(ANSWERS_MAX);
        for _ in 0..workers {
            let sender: SyncSender<Answer<F>> = sender.clone();
            scope.spawn(move || {
                let _closing = Closing(queue, false);
                let mut reader = Reader::new(eyes.racy_ms);
                while let Some(job) = queue.pop() {
                    run(lens, eyes.root, &mut reader, job, &mut |a| sender.send(a).is_ok());
                }
            });
        }
        drop(sender);
        // Declared after `answers`' owner so that helpers are told to end on every way out.
        let answers = answers;
        let _closing = Closing(queue, true);
        compare(walk, lens, queue, workers, &mut || answers.recv().ok());
    });
}

fn compare<F: Fs, L: LastSeen>(
    walk: &mut Walk<'_, F, L>,
    lens: &Lens<'_, F>,
    queue: &Queue<F>,
    workers: usize,
    next_answer: &mut dyn FnMut() -> Option<Answer<F>>,
) {
    let eyes = walk.eyes;
    let mut reader = Reader::new(eyes.racy_ms);
    let mut looking = 0usize;
    while !walk.is_over() {
        while let Some(job) = walk.looks.pop_front() {
            queue.push(job);
            looking += 1;
        }
        while walk.listing() < workers * 2 {
            let Some(job) = walk.next_directory() else { break };
            queue.push(job);
        }
        if looking < LOOKS_WAITING_MAX && walk.feed(LOOKS_WAITING_MAX) {
            continue;
        }
        if looking == 0 && walk.listing() == 0 {
            return;
        }
        if let Some(job) = queue.surplus(LOOKS_WAITING_MAX) {
            run(lens, eyes.root, &mut reader, job, &mut |a| answer::take(walk, a));
            looking -= 1;
            continue;
        }
        let Some(next) = next_answer() else { return };
        looking -= usize::from(matches!(next, Answer::Looked { .. }));
        answer::take(walk, next);
    }
}
