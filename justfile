# lists the recipes
default:
    @just --list

# serves on 127.0.0.1:3001 with a SQLite log in ./data
run *flags:
    cargo run --release -- {{flags}}

# installs what is missing and runs all the tests
test:
    scripts/test

# formatting, lints, docs and all the tests, as CI runs them
ci:
    .ci/run

# micro-benchmarks of the engine's parts, or of those whose name holds the filter
bench *filter:
    cargo bench --features bench-internals -- {{filter}}

# feeds parsers and the frame encoder with what is nearly right, for so many seconds each
fuzz seconds="30":
    CHAINCAST_TEST_FUZZ_SECONDS={{seconds}} cargo test --test it fuzz:: -- --nocapture

# breaks everything under load and writes the table of RELIABILITY.md; names of scenario files run only these
faults *names:
    scripts/faults {{names}}

# licences, banned crates, sources and known vulnerabilities of everything that is depended on
audit:
    scripts/audit

# formats the code
format:
    cargo fmt

# publishes 718 real Stellar events to a running service and checks what a subscriber receives
stellar url="http://127.0.0.1:3001":
    cargo run --release --example stellar_pubnet -- {{url}}

# writes openapi/openapi.json anew
openapi:
    cargo run --quiet -- openapi > openapi/openapi.json

# packs the crate, installs that, and serves with it from an empty directory
package:
    scripts/package

# measures chaincast beside its peers; names of scenarios measure only these
measure *names:
    scripts/bench {{names}}

# builds the TypeScript client and runs its tests
typescript:
    cd examples/typescript && npm ci --no-audit --no-fund --ignore-scripts && npm test
