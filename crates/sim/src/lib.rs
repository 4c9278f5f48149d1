//! Whole clusters on a simulated machine, from one seed: its room, so that the fence stands.
//!
//! Nothing is built here yet. Random worlds of the engine alone, on toy disks, are in its tests
//! (`small_worlds`).
