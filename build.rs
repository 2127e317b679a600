//! How the program is linked.

use std::path::Path;

/// What would be needed to unwind stacks, which nobody does where a panic aborts: a tenth of the program. The pieces of the C
/// runtime are left as they are: they refer to each other's.
const WITHOUT_UNWIND_TABLES: &str = "\
SECTIONS { /DISCARD/ : { *(EXCLUDE_FILE(*crtbegin*.o *crtend*.o) .eh_frame) } } INSERT BEFORE .text;
";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is =
        |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set.split(',').any(|one| one == value));
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    if !is("CARGO_CFG_TARGET_FEATURE", "crt-static") {
        // A position-independent executable carries a relocation for every pointer in its tables: 3 % of the file, and
        // pages that are written to at every start.
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
    // Debuggers and profilers want the tables: they look for symbols as well.
    if is("PROFILE", "release") && is("DEBUG", "false") {
        leave_out_unwind_tables();
    }
}

fn leave_out_unwind_tables() {
    let Ok(out) = std::env::var("OUT_DIR") else { return };
    let script = Path::new(&out).join("without-unwind-tables.ld");
    match std::fs::write(&script, WITHOUT_UNWIND_TABLES) {
        Ok(()) => println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", script.display()),
        Err(error) => println!("cargo:warning=the program keeps its unwind tables: {error}"),
    }
}
