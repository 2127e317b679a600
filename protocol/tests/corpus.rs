//! Every file of the kept fuzz corpus, through the same promises the fuzz targets check.

#[path = "../fuzz/promises.rs"]
mod promises;

use std::fs;
use std::path::Path;

#[track_caller]
fn holds_for_corpus(target: &str, promise: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(&directory).expect("the corpus is kept in the tree") {
        let path = entry.expect("a directory entry").path();
        println!("{}", path.display());
        promise(&fs::read(&path).expect("a corpus file"));
        files += 1;
    }
    assert!(files > 0, "no corpus in {}", directory.display());
}

#[test]
fn client_bytes_read_the_same_however_they_are_cut() {
    holds_for_corpus("client_parser", promises::client_parser);
}

#[test]
fn broker_bytes_read_the_same_however_they_are_cut() {
    holds_for_corpus("server_parser", promises::server_parser);
}

#[test]
fn websocket_bytes_read_the_same_however_they_are_cut() {
    holds_for_corpus("websocket", promises::websocket);
}

#[test]
fn header_lookups_and_changes_agree() {
    holds_for_corpus("headers", promises::headers);
}

#[test]
fn subject_relations_and_transforms_agree() {
    holds_for_corpus("subject", promises::subject);
}
