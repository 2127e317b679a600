//! What single operations of the broker cost: in time (criterion), and in instructions (callgrind), which do not depend on
//! what else the machine does.
//!
//! ```text
//! cargo bench --bench micro                                   times
//! cargo bench --bench micro -- --instructions                 counts, compared with instructions.expected
//! cargo bench --bench micro -- --instructions --accept        counts, written there
//! ```
//!
//! A word behind that chooses the operations with it in their name. Run by `cargo test`, it does every operation once.

mod instructions;
mod operations;
mod times;

use std::process::ExitCode;

use crate::operations::Operation;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let word = arguments.iter().find(|argument| !argument.starts_with('-')).map_or("", String::as_str);
    let chosen = operations::all().into_iter().filter(|operation| operation.name.contains(word));
    if has(instructions::CHILD_FLAG) {
        chosen
            .filter(|operation| operation.name == word)
            .for_each(|operation| instructions::execute(&operation));
        ExitCode::SUCCESS
    } else if has("--instructions") {
        instructions::compare(&chosen.collect::<Vec<_>>(), has("--accept"))
    } else if has("--bench") {
        times::measure(&chosen.collect::<Vec<_>>());
        ExitCode::SUCCESS
    } else {
        once(chosen);
        ExitCode::SUCCESS
    }
}

/// Every operation once: that they run. A failure is a panic.
fn once(operations: impl Iterator<Item = Operation>) {
    let mut passed = 0;
    for operation in operations {
        let mut work = (operation.make)();
        work.prepare();
        work.run();
        println!("operation {} ... ok", operation.name);
        passed += 1;
    }
    println!("\ntest result: ok. {passed} passed; 0 failed; 0 ignored");
}
