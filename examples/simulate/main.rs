mod disk;
mod rng;
fn main() {}
