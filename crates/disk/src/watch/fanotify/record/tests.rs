//! Bytes as the kernel writes them, and bytes that nobody should write.

use proptest::prelude::{any, proptest};

use super::{record, records, Malformed, Place, METADATA_BYTES, METADATA_VERSION};

/// An info record: a directory handle and a name.
fn info(kind: u8, handle: &[u8], name: &[u8]) -> Vec<u8> {
    let mut body = vec![0u8; 8];
    body.extend(u32::try_from(handle.len()).unwrap().to_ne_bytes());
    body.extend(1i32.to_ne_bytes());
    body.extend(handle);
    body.extend(name);
    body.resize((body.len() + 4 + 1).next_multiple_of(4) - 4, 0);
    let mut info = vec![kind, 0];
    info.extend(u16::try_from(body.len() + 4).unwrap().to_ne_bytes());
    info.extend(body);
    info
}

fn event(mask: u64, pid: i32, infos: &[Vec<u8>]) -> Vec<u8> {
    let length = METADATA_BYTES + infos.iter().map(Vec::len).sum::<usize>();
    let mut event = u32::try_from(length).unwrap().to_ne_bytes().to_vec();
    event.extend([METADATA_VERSION, 0]);
    event.extend(u16::try_from(METADATA_BYTES).unwrap().to_ne_bytes());
    event.extend(mask.to_ne_bytes());
    event.extend((-1i32).to_ne_bytes());
    event.extend(pid.to_ne_bytes());
    event.extend(infos.concat());
    event
}

#[test]
fn a_rename_between_two_directories_is_read_with_both_names() {
    let (old, new) = (info(10, b"olddir12", b"a"), info(12, b"newdir12", b"b\xff\n"));
    let bytes = [event(libc::FAN_RENAME, 7, &[old, new]), event(libc::FAN_DELETE, 8, &[])].concat();
    let all: Vec<_> = records(&bytes).map(Result::unwrap).collect();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].mask, all[0].pid, all[0].at), (libc::FAN_RENAME, 7, None));
    assert_eq!(all[0].old.unwrap().name, b"a");
    let Place { handle, name } = all[0].new.unwrap();
    assert_eq!((&handle[8..], name), (&b"newdir12"[..], &b"b\xff\n"[..]));
    assert_eq!((all[1].pid, all[1].old), (8, None));
}

#[test]
fn unknown_kinds_of_information_are_passed_over() {
    let bytes = event(1, 1, &[info(99, b"x", b"y"), info(2, b"dir", b"n")]);
    assert_eq!(records(&bytes).next().unwrap().unwrap().at.unwrap().name, b"n");
}

#[test]
fn every_cut_of_a_record_is_malformed_and_ends_the_reading() {
    let whole = event(1, 1, &[info(2, b"dirhandle", b"name")]);
    for end in 1..whole.len() {
        let mut cut = records(&whole[..end]);
        assert_eq!(cut.next(), Some(Err(Malformed)), "{end} bytes");
        assert_eq!(cut.next(), None);
    }
}

#[test]
fn a_record_of_another_version_or_with_a_lying_length_is_malformed() {
    let good = event(1, 1, &[info(2, b"dirhandle", b"name")]);
    assert!(record(&good).is_some());
    let set = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let info_at = METADATA_BYTES;
    for (at, value) in [(4, 4), (0, 255), (0, 3), (6, 8), (6, 250), (info_at + 2, 0)] {
        assert!(record(&set(at, value)).is_none(), "byte {at} = {value}");
    }
    assert!(record(&set(info_at + 2, 255)).is_none(), "info longer than its event");
    assert!(record(&set(info_at + 12, 255)).is_none(), "handle longer than its info");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>()) {
        assert!(records(&bytes).count() <= bytes.len());
    }

    #[test]
    fn any_damage_to_good_records_is_survived(
        damage in proptest::collection::vec((0usize..200, any::<u8>()), 1..6),
    ) {
        let one = event(2, 3, &[info(10, b"handle-one", b"from"), info(12, b"h", b"to")]);
        let mut bytes = [one.clone(), one].concat();
        for (at, value) in damage {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        for record in records(&bytes).flatten() {
            for place in [record.at, record.old, record.new].into_iter().flatten() {
                assert!(place.handle.len() >= 8 && !place.name.contains(&0));
            }
        }
    }
}
