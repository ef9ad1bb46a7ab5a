//! tcpcopy.
fn main() {}
