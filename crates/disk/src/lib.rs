//! What is on this machine: blocking.
//!
//! The modules stand in reading order.

pub mod fs;
#[cfg(any(test, feature = "fs_suite"))]
pub mod fs_suite;

pub mod linux;

pub mod root;

pub mod watch;

pub mod settle;

pub mod ignore;

pub mod scan;

pub mod hash;

pub mod store;

pub mod serve;

pub mod stage;

pub mod apply;

pub mod trash;
