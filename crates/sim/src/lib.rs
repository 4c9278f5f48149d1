//! Whole clusters on simulated machines, from one seed: the engine and the disk's real logic, over
//! a model of the disk, the network and the clock. Never shipped.
//!
//! The modules stand in reading order. Not here: threads, sockets, the database; those are tried in
//! the end-to-end trials. Random worlds of the engine alone, on toy disks, are in its own tests
//! (`small_worlds`).

pub mod random;
pub mod refusals;
pub mod swarm;

pub mod disk;

pub mod lies;
pub mod net;

pub mod kernel;
pub mod node;

pub mod bystanders;
pub mod oracle;

pub mod checkers;
pub mod users;

pub mod mutants;
pub mod trail;
pub mod world;

pub mod scenario;

pub mod scale;
pub mod shrink;
pub mod soak;
