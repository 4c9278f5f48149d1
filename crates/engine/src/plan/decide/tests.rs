//! The table of steps.
