//! The project's own chores.

mod definitions;
mod tidy;

use std::path::Path;

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
    /// Checks the house rules that a program can check.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Definitions(arguments) => definitions::write(&arguments),
        Chore::Tidy => tidy::report(workspace()),
    }
}

/// The workspace's folder.
fn workspace() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}
