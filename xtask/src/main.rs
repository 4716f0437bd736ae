//! The project's own chores.

mod definitions;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Writes the definitions pack of FHIR R4 from its official package.
    Definitions(definitions::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Definitions(arguments) => definitions::write(&arguments),
    }
}
