//! Directories on a fast disk, and what lies in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// Memory, where there is such a file system: what is tested here is not the disk.
const MEMORY: &str = "/dev/shm";

/// The files below a directory by relative path, without empty directories.
pub type Image = BTreeMap<String, Vec<u8>>;

/// An empty directory.
pub fn directory() -> TempDir {
    let memory = Path::new(MEMORY);
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a directory for scratch files")
}

/// Reads everything below `dir`.
pub fn image(dir: &Path) -> Image {
    let mut image = Image::new();
    read_into(dir, "", &mut image);
    image
}

/// Makes `dir` hold these files and no others.
pub fn restore(dir: &Path, image: &Image) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).expect("a directory");
    for (path, bytes) in image {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, bytes).expect("a file");
    }
}

fn read_into(dir: &Path, prefix: &str, image: &mut Image) {
    for entry in fs::read_dir(dir).expect("a directory that can be read") {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read_into(&entry.path(), &format!("{name}/"), image);
        } else {
            image.insert(name, fs::read(entry.path()).expect("a file that can be read"));
        }
    }
}
