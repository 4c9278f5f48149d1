//! What is decided: pure and deterministic. Same inputs, same outputs, byte for byte.
//!
//! The modules stand in reading order. The one rule of driving the engine: hand it one input, drain
//! its effects, then hand it the next.

pub mod path;

pub mod dot;

pub mod register;

pub mod content;

pub mod calendar;

pub mod entry;

pub mod index;

pub mod ledger;

pub mod observe;

pub mod view;

pub mod plan;

pub mod pending;

pub mod limits;

pub mod message;

pub mod wire;

pub mod range;

pub mod exchange;

pub mod retire;

pub mod fetch;

pub mod cluster_map;

pub mod engine;

pub mod proof;
