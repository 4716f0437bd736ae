//! The project's own chores.

mod bench;
mod conformance;
mod definitions;
mod multiply;
mod tidy;

use std::path::Path;

use clap::{Parser, Subcommand};

/// The server's allocator, so that the handler it is measured against has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Measures the release binary beside a bare handler and prints one table.
    Bench(bench::Arguments),
    /// The bare handler, as a process of its own; prints its address.
    #[command(hide = true)]
    BareHandler(bench::BareArguments),
    /// Runs public test vectors through the verifier and the schema engine.
    Conformance(conformance::Arguments),
    /// Writes the definitions pack of FHIR R4 from its official package.
    Definitions(definitions::Arguments),
    /// Writes NDJSON of many records: bundles multiplied with new identities.
    MultiplyBundles(multiply::Arguments),
    /// Checks the house rules that a program can check.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Bench(arguments) => bench::measure(&arguments, workspace()),
        Chore::BareHandler(arguments) => bench::serve_bare(&arguments),
        Chore::Conformance(arguments) => conformance::check(&arguments, workspace()),
        Chore::Definitions(arguments) => definitions::write(&arguments),
        Chore::MultiplyBundles(arguments) => multiply::write(&arguments, workspace()),
        Chore::Tidy => tidy::report(workspace()),
    }
}

/// The workspace's folder.
fn workspace() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}
