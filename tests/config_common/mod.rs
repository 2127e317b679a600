//! Files and environment that exist only in a test.

#![allow(dead_code, reason = "every test file uses a part of this")]

use std::collections::BTreeMap;
use std::io;

use headwater::config::grammar::Surroundings;
use headwater::config::{Config, ConfigError};

#[derive(Default)]
pub struct Desk {
    files: BTreeMap<String, Vec<u8>>,
    variables: BTreeMap<String, String>,
}

impl Desk {
    pub fn with_file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.as_bytes().to_vec());
        self
    }

    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn read(&self, path: &str) -> Result<Config, ConfigError> {
        Config::from_file_in(path, self)
    }
}

impl Surroundings for Desk {
    fn read(&self, path: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        let no_such_file = || io::Error::from_raw_os_error(2);
        let found = self.files.get(path).ok_or_else(no_such_file)?;
        if found.len() > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(found.clone())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

/// The configuration that `text` describes.
pub fn config(text: &str) -> Config {
    match Config::from_text(text, "c.conf") {
        Ok(config) => config,
        Err(error) => panic!("{text:?} is refused: {error}"),
    }
}

/// Why `text` is refused, without the line ends around it.
pub fn refusal(text: &str) -> String {
    match Config::from_text(text, "c.conf") {
        Ok(_) => panic!("{text:?} is accepted"),
        Err(error) => error.to_string().trim_end().to_owned(),
    }
}

/// Why `text` can be read but no server starts with it.
pub fn conflict(text: &str) -> String {
    match config(text).validate() {
        Ok(()) => panic!("{text:?} is valid"),
        Err(error) => error.to_string(),
    }
}
