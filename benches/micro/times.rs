//! How long operations take.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};

use crate::operations::Operation;

/// Lets criterion run and print the operations.
pub fn measure(operations: &[Operation]) {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for operation in operations {
        let mut work = (operation.make)();
        let mut group = criterion.benchmark_group("micro");
        group.throughput(Throughput::Elements(operation.items));
        group.bench_function(operation.name, |bencher| {
            bencher.iter_custom(|calls| {
                let mut took = Duration::ZERO;
                for _ in 0..calls {
                    work.prepare();
                    let begin = Instant::now();
                    work.run();
                    took += begin.elapsed();
                }
                took
            });
        });
        group.finish();
    }
    criterion.final_summary();
}
