//! The daemon as a library: what `main.rs` and the tests put together. It decides nothing.
//!
//! The modules stand in reading order.

pub mod net;
