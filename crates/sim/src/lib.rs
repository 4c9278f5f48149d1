//! Whole clusters under one seed.
