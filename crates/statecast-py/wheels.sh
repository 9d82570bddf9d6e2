#!/usr/bin/env bash
# Wheels for Linux on x86-64 and aarch64, for every glibc from 2.28 on, into target/wheels. Both are linked by Zig, whose
# Python package brings the C libraries; `rustup target add aarch64-unknown-linux-gnu` brings Rust's.
#
#     crates/statecast-py/wheels.sh [x86_64] [aarch64]
set -euo pipefail
cd "$(dirname "$0")/../.."
python3 -m venv target/wheels-env
target/wheels-env/bin/pip install --quiet 'maturin[zig]>=1.9,<2'
export PATH=$PWD/target/wheels-env/bin:$PATH
[ $# -gt 0 ] || set -- x86_64 aarch64
for machine in "$@"; do
    maturin build --release --locked --zig --compatibility manylinux_2_28 --target "$machine-unknown-linux-gnu"
done
