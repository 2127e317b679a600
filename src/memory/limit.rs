//! How much memory there is: of the machine, or of the container if that is less.

use std::fs;
use std::path::Path;

/// From here on a limit is a way of saying that there is none.
const UNLIMITED: u64 = 1 << 60;

/// Bytes of memory this process can have: those of the machine, or what a control group leaves it.
pub fn available_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    let machine = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    group_limit(&groups, Path::new("/sys/fs/cgroup")).map_or(machine, |limit| limit.min(machine))
}

/// The lowest limit of the groups that `/proc/self/cgroup` names, and of those around them. `root` is where the groups' files
/// are: those of version 2 right there, those of version 1 in `memory`.
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    groups.lines().filter_map(|line| line_limit(line, root)).min()
}

/// A line is `number:controllers:path`; in version 2 there are no controllers.
fn line_limit(line: &str, root: &Path) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    match controllers {
        "" => lowest(root, path, "memory.max"),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            lowest(&root.join("memory"), path, "memory.limit_in_bytes")
        }
        _ => None,
    }
}

/// The lowest limit on the way from the group up to the root. A container may see its own group as the root.
fn lowest(root: &Path, path: &str, file: &str) -> Option<u64> {
    let group = root.join(path.trim_start_matches('/'));
    let groups = group.ancestors().take_while(|group| group.starts_with(root));
    groups.filter_map(|group| read_limit(&group.join(file))).min()
}

fn read_limit(path: &Path) -> Option<u64> {
    let limit = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    (limit < UNLIMITED).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(root: &Path, path: &str, file: &str, limit: &str) {
        fs::create_dir_all(root.join(path)).unwrap();
        fs::write(root.join(path).join(file), limit).unwrap();
    }

    #[test]
    fn the_lowest_limit_on_the_way_to_the_root_counts() {
        let dir = tempfile::tempdir().unwrap();
        group(dir.path(), "system.slice/gateway.service", "memory.max", "max\n");
        group(dir.path(), "system.slice", "memory.max", "268435456\n");
        assert_eq!(group_limit("0::/system.slice/gateway.service\n", dir.path()), Some(256 << 20));
    }

    #[test]
    fn a_container_may_see_its_group_as_the_root() {
        let dir = tempfile::tempdir().unwrap();
        group(dir.path(), "", "memory.max", "1000000\n");
        assert_eq!(group_limit("0::/../../elsewhere\n", dir.path()), Some(1_000_000));
        assert_eq!(group_limit("0::/\n", dir.path()), Some(1_000_000));
    }

    #[test]
    fn version_1_says_with_a_huge_number_that_there_is_no_limit() {
        let dir = tempfile::tempdir().unwrap();
        group(dir.path(), "memory/docker/a", "memory.limit_in_bytes", "9223372036854771712\n");
        let groups = "5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n";
        assert_eq!(group_limit(groups, dir.path()), None);
        group(dir.path(), "memory/docker/a", "memory.limit_in_bytes", "5000000\n");
        assert_eq!(group_limit(groups, dir.path()), Some(5_000_000));
    }

    #[test]
    fn there_is_some_memory() {
        assert!(available_bytes() > 1 << 20);
    }
}
