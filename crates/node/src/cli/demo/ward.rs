//! What must not outlive the demo: its processes and its directory.
//!
//! They end with the demo in every way in which it can end: done, failed, told by a signal whatever
//! it is doing at that moment (they are caught before anything is started), or killed: the kernel
//! then ends the processes (`end_with_parent`), and the directory is left to the system's own
//! cleaning. Called by `lab`, and by the program's start.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::signal::unix::{signal, SignalKind};

use crate::cli::{runtime, CliError};

/// Tells a process of the demo who started it.
const PARENT_VARIABLE: &str = "SYNCLINE_DEMO_PARENT";

/// Makes this process end with the demo that started it, and at once if that has ended; anywhere
/// else it does nothing. Called before any thread is started.
pub fn end_with_parent() {
    let Some(parent) = std::env::var_os(PARENT_VARIABLE) else { return };
    let parent = parent.to_str().and_then(|parent| parent.parse().ok());
    if !parent.is_some_and(disk::linux::end_with_parent) {
        std::process::exit(1);
    }
}

/// See the module's head.
pub struct Ward(Mutex<State>);

#[derive(Default)]
struct State {
    ended: bool,
    asked_for: bool,
    directory: Option<PathBuf>,
    children: BTreeMap<u32, Child>,
}

impl Ward {
    /// Watches for signals from here on. Where one comes, everything is ended, and this process
    /// with the code that a shell gives who was ended by it, or 0 if that was asked for.
    ///
    /// # Errors
    /// Signals cannot be caught.
    pub fn new() -> Result<Arc<Ward>, CliError> {
        let ward = Arc::new(Ward(Mutex::default()));
        let runtime = runtime()?;
        let context = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        drop(context);
        let told = ward.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let which = runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    _ = terminate.recv() => SignalKind::terminate(),
                    _ = hangup.recv() => SignalKind::hangup(),
                }
            });
            let mut state = told.lock();
            state.end();
            let code = if state.asked_for { 0 } else { 128 + which.as_raw_value() };
            // Still locked: nobody says meanwhile that a node does not answer.
            std::process::exit(code);
        })?;
        Ok(ward)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no code panics while it holds this lock")
    }

    /// Makes the directory that goes in the end.
    ///
    /// # Errors
    /// `make` says why not.
    pub fn make(
        &self,
        make: impl FnOnce() -> Result<PathBuf, CliError>,
    ) -> Result<PathBuf, CliError> {
        let mut state = self.lock();
        let path = make()?;
        state.directory = Some(path.clone());
        Ok(path)
    }

    /// Starts a process that ends with the demo at the latest; returns its id.
    ///
    /// # Errors
    /// It cannot be started, or the demo is over.
    pub fn start(&self, command: &mut Command) -> io::Result<u32> {
        use std::os::unix::process::CommandExt;
        let mut state = self.lock();
        if state.ended {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // Away from the terminal's Ctrl-C: that is the demo's to hear, which ends all in order.
        command.process_group(0).env(PARENT_VARIABLE, std::process::id().to_string());
        let child = command.spawn()?;
        let id = child.id();
        state.children.insert(id, child);
        Ok(id)
    }

    /// How a process has ended, told once; `None` while it runs.
    ///
    /// # Errors
    /// It is none of ours, or has been told already.
    pub fn ended(&self, id: u32) -> io::Result<Option<ExitStatus>> {
        let mut state = self.lock();
        let child = state.children.get_mut(&id).ok_or(io::ErrorKind::NotFound)?;
        let ended = child.try_wait()?;
        if ended.is_some() {
            state.children.remove(&id);
        }
        Ok(ended)
    }

    /// From now on a signal is how the demo is meant to end.
    pub fn asked_for(&self) {
        self.lock().asked_for = true;
    }

    /// Ends everything.
    pub fn end(&self) {
        self.lock().end();
    }
}

impl State {
    fn end(&mut self) {
        self.ended = true;
        for mut child in std::mem::take(&mut self.children).into_values() {
            // Its directory goes next: there is nothing left to end orderly.
            drop(child.kill());
            drop(child.wait());
        }
        let Some(directory) = self.directory.take() else { return };
        // Whoever is still making the nodes finds nothing to make them in: what came to be while
        // the directory was being emptied kept it from going.
        let going = directory.with_extension("going");
        let renamed = std::fs::rename(&directory, &going);
        if let Err(error) = renamed.and_then(|()| std::fs::remove_dir_all(&going)) {
            let what = format!("syncline: cannot remove {}: {error}\n", directory.display());
            // A terminal that has been closed takes no words.
            drop(io::stderr().write_all(what.as_bytes()));
        }
    }
}
