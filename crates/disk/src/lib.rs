//! What is on this machine: blocking.

pub mod fs;
#[cfg(any(test, feature = "fs_suite"))]
pub mod fs_suite;
pub mod linux;
pub mod watch;
pub mod settle;
pub mod root;
pub mod scan;
pub mod hash;
pub mod ignore;
pub mod store;
pub mod serve;
pub mod stage;
pub mod apply;
pub mod trash;
