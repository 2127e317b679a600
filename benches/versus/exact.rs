//! What does not depend on the machine's mood: system calls that make data durable, counted by strace.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::process::{Command, Stdio};

use crate::contender::{Contender, Sync};
use crate::front::Front;
use crate::loads::exact_publishes;

/// Prints how often each server synced for the same publishes.
pub fn print(contenders: &[Contender]) -> io::Result<()> {
    println!("\n### syncs for 1,024 publishes of 256 B in 4 bursts of 256, sync always\n");
    println!("| | syncs | bytes written per message |\n|---|---|---|");
    for contender in contenders {
        let (syncs, written) = count(contender)?;
        println!("| {} | {syncs} | {:.0} |", contender.name, written as f64 / 1024.0);
    }
    Ok(())
}

fn count(contender: &Contender) -> io::Result<(u64, u64)> {
    let server = contender.start(Sync::Always, Front::Plain)?;
    let trace = tempfile::NamedTempFile::new()?;
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-e", "trace=fsync,fdatasync,sync_file_range,syncfs,msync", "-o"])
        .arg(trace.path())
        .args(["-p", &server.pid().to_string()])
        .stderr(Stdio::null())
        .spawn()?;
    wait_until_traced(server.pid())?;
    let before = server.usage()?.written_bytes;
    exact_publishes(&server)?;
    let written = server.usage()?.written_bytes - before;
    rustix::process::kill_process(rustix::process::Pid::from_child(&strace), rustix::process::Signal::INT)?;
    strace.wait()?;
    let calls = calls(&fs::read_to_string(trace.path())?);
    Ok((calls.values().sum(), written))
}

fn wait_until_traced(pid: u32) -> io::Result<()> {
    for _ in 0..5000 {
        let all_traced = fs::read_dir(format!("/proc/{pid}/task"))?.flatten().all(|task| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        });
        if all_traced {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(io::Error::other("strace does not attach"))
}

/// Calls by name, from the table `strace -c` prints.
fn calls(summary: &str) -> BTreeMap<String, u64> {
    summary
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let name = fields.last().filter(|name| name.contains("sync"))?;
            Some(((*name).to_owned(), fields.get(3)?.parse().ok()?))
        })
        .collect()
}
