//! What is on this machine: blocking.
