//! What is written is there, in order; what fails is named; a kernel that refuses says so.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic")]

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use uring::{PIECES_MAX, Piece, Ring, Step};

/// `None`, and a word about it, where this machine has no io_uring.
fn ring() -> Option<Ring> {
    match Ring::new() {
        Ok(ring) => Some(ring),
        Err(error) => {
            eprintln!("skipped: no io_uring here: {error}");
            None
        }
    }
}

fn bytes_of(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn pieces_of_two_files_lie_where_they_belong() {
    let Some(mut ring) = ring() else { return };
    let (work, record) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    for round in 0..50u8 {
        let (payload, head) = (vec![round; 5000], vec![round + 1; 90]);
        let pieces = [
            Piece { file: work.as_fd(), bytes: &payload, offset: 5000 * u64::from(round) },
            Piece { file: record.as_fd(), bytes: &head, offset: 90 * u64::from(round) },
        ];
        ring.write_and_sync(&pieces).unwrap();
    }
    let (payloads, heads) = (bytes_of(&work), bytes_of(&record));
    assert!(payloads.chunks(5000).zip(0u8..).all(|(chunk, round)| chunk.iter().all(|byte| *byte == round)));
    assert!(heads.chunks(90).zip(1u8..).all(|(chunk, round)| chunk.iter().all(|byte| *byte == round)));
    assert_eq!((payloads.len(), heads.len()), (250_000, 4_500));
}

#[test]
fn nothing_to_write_is_a_sync_and_no_piece_is_nothing() {
    let Some(mut ring) = ring() else { return };
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(b"before", 0).unwrap();
    ring.write_and_sync(&[Piece { file: file.as_fd(), bytes: &[], offset: 0 }]).unwrap();
    ring.write_and_sync(&[]).unwrap();
    assert_eq!(bytes_of(&file), b"before");
}

#[test]
fn a_piece_that_cannot_be_written_is_named_and_nothing_after_it_is_begun() {
    let Some(mut ring) = ring() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("read-only");
    std::fs::write(&path, b"old").unwrap();
    let (first, read_only, last) = (tempfile::tempfile().unwrap(), File::open(&path).unwrap(), tempfile::tempfile().unwrap());
    let pieces = [
        Piece { file: first.as_fd(), bytes: b"one", offset: 0 },
        Piece { file: read_only.as_fd(), bytes: b"two", offset: 0 },
        Piece { file: last.as_fd(), bytes: b"three", offset: 0 },
    ];
    let failed = ring.write_and_sync(&pieces).unwrap_err();
    assert_eq!((failed.piece, failed.step), (1, Step::Write), "{failed}");
    assert_eq!(bytes_of(&first), b"one");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(bytes_of(&last), b"");
    // The ring is as good as before.
    ring.write_and_sync(&[Piece { file: last.as_fd(), bytes: b"again", offset: 0 }]).unwrap();
    assert_eq!(bytes_of(&last), b"again");
}

#[test]
fn a_file_that_cannot_be_synced_is_named() {
    let Some(mut ring) = ring() else { return };
    // A pipe takes bytes and has nothing to sync. fsync(2): "EINVAL fd is bound to a special file".
    let (mut reader, writer) = std::io::pipe().unwrap();
    let failed = ring.write_and_sync(&[Piece { file: writer.as_fd(), bytes: b"abc", offset: 0 }]).unwrap_err();
    assert_eq!((failed.piece, failed.step), (0, Step::Sync), "{failed}");
    let mut read = [0; 3];
    reader.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"abc");
}

#[test]
#[should_panic(expected = "at most")]
fn more_pieces_than_the_queue_holds_are_refused() {
    let Some(mut ring) = ring() else { panic!("at most: nothing to test here") };
    let file = tempfile::tempfile().unwrap();
    let piece = Piece { file: file.as_fd(), bytes: b"x", offset: 0 };
    let _ = ring.write_and_sync(&[piece; PIECES_MAX + 1]);
}
