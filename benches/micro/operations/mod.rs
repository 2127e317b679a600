//! The operations that are measured.

mod client_protocol;
mod consumer;
mod header_block;
mod log;
mod subjects;

/// An operation.
pub struct Operation {
    /// What one item is; an operation is chosen by it.
    pub name: &'static str,
    /// How many items one [`Work::run`] does.
    pub items: u64,
    /// Sets everything up, which is not measured.
    pub make: fn() -> Box<dyn Work>,
}

/// What is done again and again.
pub trait Work {
    /// What must be done before each run and is not measured.
    fn prepare(&mut self) {}

    /// What is measured.
    fn run(&mut self);
}

/// All operations.
pub fn all() -> Vec<Operation> {
    let concepts = [
        client_protocol::operations(),
        header_block::operations(),
        subjects::operations(),
        log::operations(),
        consumer::operations(),
    ];
    concepts.into_iter().flatten().collect()
}

/// Work without anything to prepare.
struct Run<F>(F);

impl<F: FnMut()> Work for Run<F> {
    fn run(&mut self) {
        (self.0)();
    }
}

fn run(work: impl FnMut() + 'static) -> Box<dyn Work> {
    Box::new(Run(work))
}
