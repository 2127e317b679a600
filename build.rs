//! How the program is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is =
        |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set.split(',').any(|one| one == value));
    let is_static = is("CARGO_CFG_TARGET_FEATURE", "crt-static");
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && !is_static {
        // A position-independent executable carries a relocation for every pointer in its tables: 3 % of the file, and
        // pages that are written to at every start.
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
