//! The daemon as a library: what `main.rs` and the tests put together. It decides nothing.
//!
//! The modules stand in reading order.

pub mod net;

pub mod address;
pub mod config;
pub mod home;
pub mod membership;

pub mod door;

pub mod control;
pub mod http;
pub mod log;
pub mod view;

pub mod daemon;
pub mod folder;
pub mod payload;

pub mod cli;
