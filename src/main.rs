//! The `tillbridge` command.

fn main() {}
