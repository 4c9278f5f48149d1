//! What is on this machine: blocking.

pub mod apply;
pub mod fs;
#[cfg(any(test, feature = "fs_suite"))]
pub mod fs_suite;
pub mod hash;
pub mod ignore;
pub mod linux;
pub mod root;
pub mod scan;
pub mod serve;
pub mod settle;
pub mod stage;
pub mod store;
pub mod trash;
pub mod watch;
