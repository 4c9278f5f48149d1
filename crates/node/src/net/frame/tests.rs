//! The decoder against what peers may send: whole, split, oversized, unknown, random.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::{any, proptest, ProptestConfig};
use proptest::{collection, prop_assert, prop_assert_eq};

use super::{pack, put_header, take, Frame, FrameError, Kind, FLAG_ZSTD, HEADER_BYTES};

const BOUND: usize = 4096;

fn encoded(kind: Kind, flags: u8, payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    put_header(&mut out, kind, flags, payload.len());
    out.put_slice(payload);
    out
}

#[test]
fn a_length_over_the_bound_is_refused_before_anything_is_allocated() {
    let mut buffer = BytesMut::with_capacity(16);
    buffer.put_u32(u32::MAX);
    buffer.put_slice(&[Kind::Data as u8, 0]);
    let before = buffer.capacity();
    let refused = take(&mut buffer, BOUND);
    assert_eq!(refused, Err(FrameError::TooLong { length: u32::MAX as usize, bound: BOUND }));
    assert_eq!(buffer.capacity(), before);
}

#[test]
fn a_packed_payload_may_not_claim_more_than_the_bound() {
    let mut bomb = pack(&vec![0; 1 << 20]).unwrap().to_vec();
    assert!(bomb.len() < BOUND);
    let mut honest = encoded(Kind::Data, FLAG_ZSTD, &bomb);
    assert!(matches!(take(&mut honest, BOUND), Err(FrameError::TooLong { .. })));
    bomb[..4].copy_from_slice(&100u32.to_be_bytes());
    let mut lying = encoded(Kind::Data, FLAG_ZSTD, &bomb);
    assert_eq!(take(&mut lying, BOUND), Err(FrameError::Damaged));
}

#[test]
fn unknown_kinds_and_flags_are_refused() {
    for (kind, flags) in [(7, 0), (255, 0), (3, 2), (3, 0x80)] {
        let mut buffer = BytesMut::from(&[0, 0, 0, 0, kind, flags][..]);
        assert_eq!(take(&mut buffer, BOUND), Err(FrameError::Unknown { kind, flags }));
    }
}

#[test]
fn what_does_not_get_smaller_is_not_packed() {
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    })
    .take(2048)
    .collect();
    assert_eq!(pack(&noise), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_survive_any_split(
        payloads in collection::vec((collection::vec(any::<u8>(), 0..600), any::<bool>()), 1..8),
        step in 1usize..200,
    ) {
        let mut wire = Vec::new();
        for (payload, squeeze) in &payloads {
            match pack(payload_or_zeros(payload, *squeeze).as_ref()).filter(|_| *squeeze) {
                Some(packed) => wire.extend(encoded(Kind::Control, FLAG_ZSTD, &packed)),
                None => wire.extend(encoded(Kind::Control, 0, payload)),
            }
        }
        let mut buffer = BytesMut::new();
        let mut got = Vec::new();
        for chunk in wire.chunks(step) {
            buffer.put_slice(chunk);
            while let Some(frame) = take(&mut buffer, BOUND).unwrap() {
                got.push(frame);
            }
        }
        prop_assert_eq!(got.len(), payloads.len());
        for (frame, (payload, squeeze)) in got.iter().zip(&payloads) {
            let packable = *squeeze && pack(&payload_or_zeros(payload, true)).is_some();
            let plain = if packable { payload_or_zeros(payload, true) } else { payload.clone() };
            prop_assert_eq!(frame, &Frame { kind: Kind::Control, payload: Bytes::from(plain) });
        }
    }

    #[test]
    fn random_bytes_never_panic_and_never_reserve_beyond_the_bound(
        bytes in collection::vec(any::<u8>(), 0..512),
        short_length in any::<bool>(),
        flags in 0u8..4,
        kind in 0u8..9,
    ) {
        let mut buffer = BytesMut::from(&bytes[..]);
        if short_length && buffer.len() >= HEADER_BYTES {
            buffer[..2].fill(0);
            buffer[4] = kind;
            buffer[5] = flags;
        }
        while let Ok(Some(frame)) = take(&mut buffer, BOUND) {
            prop_assert!(frame.payload.len() <= BOUND);
        }
        prop_assert!(buffer.capacity() <= 2 * (BOUND + HEADER_BYTES) + bytes.len());
    }
}

fn payload_or_zeros(payload: &[u8], squeeze: bool) -> Vec<u8> {
    if squeeze {
        vec![0; payload.len() + 64]
    } else {
        vec![1; payload.len().max(4)]
    }
}
