//! intercept.
fn main() {}
