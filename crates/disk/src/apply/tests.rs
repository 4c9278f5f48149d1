//! Each act on each state of the tree, with a hostile user between any two steps, on real
//! directories.

mod acts;
mod bed;
mod crashes;
mod hostile;
mod link;
mod purge;
mod race;
mod rungs;
