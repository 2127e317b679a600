//! What a configuration can reach outside its own text.

use std::io;

/// Files and environment, as the grammar sees them; tests hand in their own.
pub trait Surroundings {
    /// The bytes of the file at `path`, at most `bytes_max` of them; more is an error.
    fn read(&self, path: &str, bytes_max: usize) -> io::Result<Vec<u8>>;
    /// The environment variable `name`, if it is set.
    fn variable(&self, name: &str) -> Option<String>;
}

/// The file system and environment of this process.
#[derive(Debug, Default, Clone, Copy)]
pub struct ProcessSurroundings;

impl Surroundings for ProcessSurroundings {
    fn read(&self, path: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        use io::Read;
        let mut bytes = Vec::new();
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        if bytes.len() > bytes_max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "file is too large for a configuration"));
        }
        Ok(bytes)
    }

    fn variable(&self, name: &str) -> Option<String> {
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var(name).ok()
    }
}
