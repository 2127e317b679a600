//! What only the start needs of the program's code does not stay resident.
//!
//! A start runs through half of the program once, and the kernel maps sixteen pages around each that is touched. On a device
//! with little memory those pages would be the larger part of an idle broker. They remain in the kernel's cache as long as it
//! has room, and come back one touch at a time.

use std::fs;
use std::ops::Range;

/// Lets go of the program's code pages; what is still needed comes back by itself.
pub fn let_go() {
    let Ok(program) = fs::read_link("/proc/self/exe") else { return };
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(|line| code_of(line, &program.to_string_lossy())).for_each(kernel::let_go);
}

/// The addresses of a line of `/proc/self/maps` if it is the program's code: `from-to perms offset device inode path`.
fn code_of(line: &str, program: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    let is_code = fields.next()? == "r-xp" && line.ends_with(program);
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    Some(address(from)?..address(to)?).filter(|_| is_code)
}

#[allow(unsafe_code)]
mod kernel {
    use std::ops::Range;

    pub fn let_go(code: Range<usize>) {
        // SAFETY: the range is one whole mapping of the program's file that nobody can write to, so that every page of it can
        // be read from the file again.
        unsafe { libc::madvise(code.start as *mut libc::c_void, code.len(), libc::MADV_DONTNEED) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_programs_own_code_is_let_go_of() {
        let line = |perms: &str, path: &str| format!("00400000-00500000 {perms} 00001000 fe:00 17    {path}");
        assert_eq!(code_of(&line("r-xp", "/bin/broker"), "/bin/broker"), Some(0x40_0000..0x50_0000));
        assert_eq!(code_of(&line("rw-p", "/bin/broker"), "/bin/broker"), None);
        assert_eq!(code_of(&line("r-xp", "/lib/libc.so.6"), "/bin/broker"), None);
        assert_eq!(code_of("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0", "/bin/broker"), None);
    }

    #[test]
    fn the_program_goes_on_without_its_code_in_memory() {
        let_go();
        assert!(super::super::relief::resident_bytes().is_some());
    }
}
