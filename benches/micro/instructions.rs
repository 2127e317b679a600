//! How many instructions operations take, counted by callgrind, and whether that is what was expected.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use crate::operations::{Operation, Work};

/// With it and a name the program executes that operation, to be counted from outside.
pub const CHILD_FLAG: &str = "--execute";
/// How far above its expected count an operation may be, in percent.
const TOLERANCE_PERCENT: f64 = 5.0;
/// Calls before counting: buffers have their size, caches are filled.
const WARM_UP_CALLS: u64 = 8;
/// Calls that are counted.
const COUNTED_CALLS: u64 = 16;

/// Counts the operations and prints them beside what is expected; with `accept` expects this from now on. Fails if one is
/// above its expectation or has none.
pub fn compare(operations: &[Operation], accept: bool) -> ExitCode {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/micro/instructions.expected");
    match count_and_compare(operations, &file, accept) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Executes one operation; only what [`counted`] does is counted.
pub fn execute(operation: &Operation) {
    let mut work = (operation.make)();
    for _ in 0..WARM_UP_CALLS {
        work.prepare();
        work.run();
    }
    for _ in 0..COUNTED_CALLS {
        work.prepare();
        counted(&mut *work);
    }
}

/// Callgrind counts from when this is entered to when it is left; it knows it by name.
#[inline(never)]
fn counted(work: &mut dyn Work) {
    work.run();
}

fn count_and_compare(operations: &[Operation], file: &Path, accept: bool) -> io::Result<bool> {
    let mut expected = read(file)?;
    let mut all_well = true;
    println!("{:<44} {:>14} {:>14} {:>9}", "instructions per", "counted", "expected", "change");
    for operation in operations {
        let count = count(operation)?;
        let before = expected.insert(operation.name.to_owned(), count);
        let change = before.map(|before| (count / before - 1.0) * 100.0);
        let is_well = change.is_some_and(|change| change <= TOLERANCE_PERCENT);
        all_well &= is_well;
        println!(
            "{:<44} {count:>14.1} {:>14} {:>9}{}",
            operation.name,
            before.map_or("none".to_owned(), |before| format!("{before:.1}")),
            change.map_or(String::new(), |change| format!("{change:+.1} %")),
            if is_well || accept { "" } else { "  <-- more than expected" }
        );
    }
    if accept {
        fs::write(file, text(&expected))?;
    }
    Ok(all_well || accept)
}

/// The operation's instructions per item.
fn count(operation: &Operation) -> io::Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=micro::instructions::counted*")
        .arg(env::current_exe()?)
        .args([CHILD_FLAG, operation.name])
        .output()
        .map_err(|error| io::Error::other(format!("valgrind: {error}; is it installed?")))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let collected = told.lines().find_map(|line| line.split_once("Collected :"));
    let total = collected.and_then(|(_, count)| count.trim().parse::<u64>().ok()).filter(|count| *count > 0);
    match total {
        Some(total) if output.status.success() => Ok(total as f64 / (COUNTED_CALLS * operation.items) as f64),
        _ => Err(io::Error::other(format!("{} was not counted:\n{told}", operation.name))),
    }
}

fn read(file: &Path) -> io::Result<BTreeMap<String, f64>> {
    let parse = |line: &str| {
        let (name, count) = line.split_once('\t')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    Ok(text.lines().filter_map(parse).collect())
}

fn text(expected: &BTreeMap<String, f64>) -> String {
    let compiler = Command::new("rustc").arg("--version").output().map(|output| output.stdout);
    let compiler = String::from_utf8_lossy(&compiler.unwrap_or_default()).trim().to_owned();
    let mut text = format!("# Instructions per item, {}, {compiler}\n", env::consts::ARCH);
    for (name, count) in expected {
        let _ = writeln!(text, "{name}\t{count:.1}");
    }
    text
}
