use headwater::store::journal::files::SegmentFiles;
use headwater::store::journal::scan::{Found, Scanner};
use std::sync::Arc;
pub fn dump(disk: &crate::disk::SimDisk) {
    disk.undisturbed(|| {
        let Ok((files, _)) = SegmentFiles::open(Arc::new(disk.clone()), 4096) else { return };
        for id in files.ids() {
            let mut s = Scanner::new(files.get(id).unwrap(), 0);
            while let Some(f) = s.step().unwrap() {
                match f {
                    Found::Record(at, r) => println!(
                        "      {}:{} {:?} f{} s{} seq {} ts {} {}",
                        at.segment,
                        at.offset,
                        r.header.kind,
                        r.header.flags,
                        r.header.stream,
                        r.header.seq,
                        r.header.ts,
                        String::from_utf8_lossy(&r.subject())
                    ),
                    other => println!("      {other:?}"),
                }
            }
        }
    })
}
