//! Every bound in the engine, and the relations between them, checked at compile time.

use crate::entry::{DATA_BASE_MAX, LINK_BYTES_MAX, XATTR_BYTES_MAX};
use crate::path::NAME_BYTES_MAX;

/// The longest message between two nodes, in bytes, before compression.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A frame of entries is closed at this many bytes of entries, in bytes.
pub const FRAME_ENTRY_BYTES: usize = 256 << 10;

/// The longest encoding of one entry, in bytes: in a longer one extended attributes that lost are
/// let go of.
pub const ENTRY_BYTES_MAX: usize = 384 << 10;

/// Entries in one frame.
pub const FRAME_ENTRIES_MAX: usize = 4096;

/// Entries that one operation writes (decisions A10).
pub const DOT_ENTRIES_MAX: usize = 16;

/// Concurrent versions in one register that a node accepts from another.
pub const SIBLINGS_MAX: usize = 1024;

/// Registers of newer programs in one entry.
pub const OTHER_REGISTERS_MAX: usize = 32;

/// A content of at most this many bytes rides inside a live frame.
pub const INLINE_BYTES_MAX: usize = 32 << 10;

/// Contents riding inside one live frame, in bytes together.
pub const FRAME_INLINE_BYTES: usize = 512 << 10;

/// Incarnations and ranges in one Knowledge.
pub const KNOWLEDGE_RANGES_MAX: usize = 20_000;

/// Entries in one range of a full reconciliation.
pub const RANGE_ENTRIES: usize = 64;
/// Sums over ranges in one message.
pub const SUMS_MAX: usize = 64;
/// Deleted directories that something in them keeps up, as long as nobody is known to have
/// forgotten that they were deleted.
pub const RISEN_MAX: usize = 4096;
/// Places at which entries are not shown because others have put them elsewhere.
pub const ASIDE_MAX: usize = 4096;
/// Directories that something here is in and that are not known here.
pub const MISSING_MAX: usize = 4096;
/// Entries that others told of while one peer tells all it holds; beyond that all are compared.
pub const STIRRED_MAX: usize = 4096;
/// Ranges that differ and wait for an answer; a peer that asks for more than it was told of lies.
pub const RANGES_MAX: usize = 65_536;
/// ... but no more ranges are told of while this many wait to be answered.
pub const RANGES_WAITING: usize = 256;
/// Entries of this node that one question about a range covers: they may all be gone at the peer.
pub const RANGE_OWN_MAX: usize = 1024;
/// Deleted directories that wait for what was in them to be compared.
pub const DOOMED_MAX: usize = 1 << 20;
/// Other nodes whose Knowledge is remembered.
pub const STANDINGS_MAX: usize = 1024;
/// A node that was not heard of for this long, in milliseconds, does not keep deletions from being
/// forgotten. When it returns, everything is compared.
pub const MEMBER_EXPIRY_MS: u64 = 30 * 24 * 3600 * 1000;
/// A deletion is remembered for this long at least, in milliseconds.
pub const DELETION_AGE_MS: u64 = 3600 * 1000;
/// How often deletions that all nodes know of are looked for, in milliseconds.
pub const RETIRE_EVERY_MS: u64 = 10 * 60 * 1000;
/// Deletions looked at in one turn.
pub const RETIRE_PAGE: usize = 256;
/// The pause between such turns, in milliseconds.
pub const RETIRE_PAUSE_MS: u64 = 20;
/// What peers are told of others again and again is how long ago they were heard of; so often, in
/// milliseconds.
pub const STANDING_AGAIN_MS: u64 = 24 * 3600 * 1000;
/// Claims of what others know that wait, each for itself, for what is pending.
pub const CLAIMS_MAX: usize = 64;
/// Contents asked for in one message.
pub const WANTS_MAX: usize = 512;

/// One piece of content in a data message, in bytes.
pub const PIECE_BYTES_MAX: usize = 256 << 10;

/// Contents asked for and not yet staged, in files.
pub const FETCHING_FILES_MAX: usize = 1024;

/// Contents asked for and not yet staged, in bytes; one larger file may be asked for alone.
pub const FETCHING_BYTES_MAX: u64 = 64 << 20;

/// Operations handed to the disk at once.
pub const APPLY_BATCH_MAX: usize = 256;

/// Operations under way on the disk.
pub const APPLYING_MAX: usize = 1024;

/// Pending entries considered at once; the rest waits in the index.
pub const WINDOW_MAX: usize = 8192;
/// Entries remembered that could not be done and wait for something that may never come. What
/// stalls beyond it is met again later, from the index.
pub const STALLED_MAX: usize = 4 * WINDOW_MAX;

/// Entries waiting in one peer's stream before the stream starts over with a walk.
pub const TAIL_MAX: usize = 100_000;

/// A contested file that is gone is believed to be deleted after this long, in milliseconds: the
/// other end of a rename must be known by then.
pub const DOUBT_MS: u64 = 100;

/// A look at a contested file that is gone, and that led to nothing, is made again after this long,
/// in milliseconds; then after as long as it has been waited for, at most [`RETRY_MS_MAX`].
pub const DOUBT_RETRY_MS: u64 = 1_000;

/// Gone contested files, and directories that lost their row, that are remembered.
pub const DOUBTS_MAX: usize = 16_384;

/// Places that one look is followed to through renames of directories above it; a look that leads
/// to more asks for a scan.
pub const FOLLOWED_MAX: usize = 1024;

/// Steps that all looks together are followed, and looks that are owed for it, within a minute;
/// more ask for a scan.
pub const LED_MAX: usize = 8_192;
/// See [`LED_MAX`].
pub const OWED_MAX: usize = 16_384;

/// A peer that claims to know more of this node's life than it has lived is believed, and a new
/// life begins, no more often than this, in milliseconds: each stays in every index for ever.
pub const LIFE_MS_MIN: u64 = 10 * 60 * 1000;

/// Contexts kept beside K.
pub const CONTEXTS_MAX: usize = 1024;

/// What a peer is known to have and we lack is pulled after this long, in milliseconds.
pub const PULL_AFTER_MS: u64 = 100;

/// ... but while somebody else is sending entries it may be among them: then it is pulled after
/// this long at the latest, in milliseconds. A stream that owes it is silent after as long.
pub const PULL_LATEST_MS: u64 = 2_000;

/// A peer that has sent nothing of what it owes for this long, in milliseconds, is passed over.
pub const STALL_MS: u64 = 30_000;

/// A content is lost when all have said so often, one after another, that they do not have it: a
/// file that is being renamed may be missed once.
pub const LOST_ROUNDS_MIN: u32 = 3;

/// Nodes in one message about a content that is nowhere.
pub const DENIERS_MAX: usize = 1_024;

/// A loser that its author does not publish beside the winner is published by others after as long
/// at least, and at most, in milliseconds.
pub const BESIDE_MS_MIN: u64 = 30_000;
/// See [`BESIDE_MS_MIN`].
pub const BESIDE_MS_MAX: u64 = 90_000;

/// First and last pause before a failed step is tried again, in milliseconds.
pub const RETRY_MS_MIN: u64 = 50;

/// See [`RETRY_MS_MIN`].
pub const RETRY_MS_MAX: u64 = 5_000;

/// The longest pause before a content that nobody in reach has is looked for again, in
/// milliseconds, while nobody says anything new.
pub const SEEK_MS_MAX: u64 = 5 * 60 * 1000;

/// A replacement waits this long for earlier creates of its author, in milliseconds
/// (decisions A19).
pub const BARRIER_MS_MAX: u64 = 30_000;

/// So many versions of ours that conflict with others' at one file within [`STRIFE_MS`] are strife:
/// what comes for the file waits for quiet (decisions A17).
pub const STRIFE_VERSIONS_MAX: usize = 5;
/// How long a conflict counts, and the longest that a file waits for quiet, in milliseconds: a file
/// that is never quiet leaves one loser each time.
pub const STRIFE_MS: u64 = 60_000;
/// A file that was not written for so long on this node is quiet, in milliseconds. Who waits until
/// all is in sync waits no longer for it.
pub const QUIET_MS: u64 = 2_000;
/// Files whose conflicts are counted.
pub const STRIFE_FILES_MAX: usize = 4096;

/// How deep a tree may be, in directories: PATH_MAX / 2.
pub const DEPTH_MAX: usize = 2048;

const _: () = {
    assert!(FRAME_ENTRY_BYTES + ENTRY_BYTES_MAX + FRAME_INLINE_BYTES > FRAME_ENTRY_BYTES);
    assert!(FRAME_ENTRY_BYTES + FRAME_INLINE_BYTES < MESSAGE_BYTES_MAX);
    assert!(ENTRY_BYTES_MAX + FRAME_INLINE_BYTES < MESSAGE_BYTES_MAX);
    assert!(
        XATTR_BYTES_MAX + LINK_BYTES_MAX + NAME_BYTES_MAX * 2 + DATA_BASE_MAX * 32
            < ENTRY_BYTES_MAX
    );
    assert!(BESIDE_MS_MIN < BESIDE_MS_MAX);
    assert!(INLINE_BYTES_MAX <= FRAME_INLINE_BYTES);
    assert!(PIECE_BYTES_MAX < MESSAGE_BYTES_MAX);
    assert!(KNOWLEDGE_RANGES_MAX * 40 < MESSAGE_BYTES_MAX);
    assert!(WANTS_MAX * 64 < MESSAGE_BYTES_MAX);
    assert!(SUMS_MAX * 128 < MESSAGE_BYTES_MAX && SUMS_MAX <= RANGES_WAITING);
    assert!(RANGES_WAITING < RANGES_MAX);
    assert!(RETRY_MS_MIN < RETRY_MS_MAX && RETRY_MS_MAX < SEEK_MS_MAX);
    assert!(DOUBT_MS < DOUBT_RETRY_MS && DOUBT_RETRY_MS < RETRY_MS_MAX);
    assert!(STANDING_AGAIN_MS < MEMBER_EXPIRY_MS);
    assert!(APPLY_BATCH_MAX <= APPLYING_MAX && APPLYING_MAX <= WINDOW_MAX);
};
