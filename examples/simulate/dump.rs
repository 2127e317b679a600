//! What the journal holds, for whoever looks into a broken run.

use std::sync::Arc;

use headwater::store::disk::Disk;
use headwater::store::journal::files::id_of;
use headwater::store::journal::record::{Location, Record, Seeds};
use headwater::store::journal::scan::{Found, Scanner};
use headwater::store::journal::segment::{SEGMENT_HEADER_LEN, Segment, SegmentHeader};

use crate::disk::SimDisk;

/// Prints every record of the journal.
pub fn dump(disk: &SimDisk) {
    disk.undisturbed(|| {
        let mut names = disk.list("journal").unwrap_or_default();
        names.sort();
        for name in names {
            match id_of(&name).and_then(|id| segment(disk, id, &name)) {
                Some(segment) => records(&name, segment),
                None => println!("      {name} is no segment"),
            }
        }
    });
}

fn segment(disk: &SimDisk, id: u32, name: &str) -> Option<Arc<Segment>> {
    let file = disk.open_quietly(&format!("journal/{name}"));
    let mut header = [0; SEGMENT_HEADER_LEN as usize];
    file.read_at(&mut header, 0).ok()?;
    let header = SegmentHeader::decode(&header).ok()?;
    Some(Arc::new(Segment { id, seeds: Seeds::from_salt(header.salt), len: header.len, file, keys: None }))
}

fn records(name: &str, segment: Arc<Segment>) {
    println!("      {name}, {} bytes", segment.len);
    let mut scanner = Scanner::new(segment, 0);
    while let Ok(Some(found)) = scanner.step() {
        match found {
            Found::Record(at, read) => record(at, &read),
            other => println!("      {other:?}"),
        }
    }
}

fn record(at: Location, read: &Record) {
    let (header, subject) = (&read.header, read.subject());
    let subject = String::from_utf8_lossy(&subject);
    println!(
        "      {}:{} {:?} f{} s{} seq {} ts {} {subject}",
        at.segment, at.offset, header.kind, header.flags, header.stream, header.seq, header.ts
    );
}
