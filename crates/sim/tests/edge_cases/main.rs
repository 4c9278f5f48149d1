//! The twenty-five hardest edge cases, each as a story on simulated machines: real engine, real
//! disk logic. Each is come by (a mark at the very line that it is about) and each ends right.
//!
//! The number in a test's name is that of the case.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deletes;
mod incarnations;
mod machines;
mod moves;
mod places;
mod refusals;
mod story;
mod writers;
mod years;
