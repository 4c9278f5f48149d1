//! What is on this machine: blocking.

pub mod fs;
pub mod linux;
pub mod watch;
pub mod settle;
pub mod root;
pub mod scan;
pub mod hash;
pub mod ignore;
pub mod store;
