//! What is decided: pure and deterministic. Same inputs, same outputs, byte for byte.
//!
//! The modules stand in reading order. The one rule of driving the engine: hand it one input, drain
//! its effects, then hand it the next.

pub mod dot;
pub mod path;
