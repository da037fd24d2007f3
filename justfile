# Everything, as the integration server runs it
test:
    ./test

# Formatting, lints and layers only
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo run -q -p xtask -- tidy

# Formats
fmt:
    cargo fmt --all

# Tests of one crate: just one wire
one CRATE:
    cargo test -p rastro-{{CRATE}}

# What `./test` leaves out: SQL over the ledger, whose engine takes minutes to build
query:
    cargo clippy --workspace --all-targets --features rastro/query,rastro-archive/query -- -D warnings
    cargo test --workspace --features rastro/query,rastro-archive/query sql

# The story on a scratch PostgreSQL
demo *ARGS:
    ./demo {{ARGS}}

# The measurements of ARCHITECTURE.md
bench *ARGS:
    ./bench {{ARGS}}
