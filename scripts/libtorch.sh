#!/usr/bin/env bash
# Finds libtorch 2.4 for the feature `libtorch`, or downloads it, and prints the settings that the environment needs:
#
#     eval "$(scripts/libtorch.sh)"
#     cargo run --release --features libtorch --example libtorch
#
# It takes the first of: the folder LIBTORCH; an earlier download; the torch 2.4 of python3; torch 2.4.1 from
# the Python package index, of which it keeps the files that a CPU needs, in target/libtorch or in the folder
# given as argument. With full access to the internet the script is not needed: without LIBTORCH, the build of
# the crate tch downloads libtorch itself. On failure it prints `false`, so that the commands after the `eval`
# fail.
set -euo pipefail

torch=2.4.1
cuda=12.1.105

say() { echo "libtorch.sh: $*" >&2; }
fail() { say "$*"; exit 1; }
scratch=
finish() {
    local status=$?
    [ -z "$scratch" ] || rm -rf "$scratch"
    [ $status = 0 ] || echo false
}
trap finish EXIT

# The absolute path of the folder $1, whether it exists or not.
absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }

# The version of the libtorch in the folder $1, if it has one.
version() {
    local header=$1/include/torch/csrc/api/include/torch/version.h
    compgen -G "$1/lib/libtorch_cpu.*" >/dev/null && [ -f "$header" ] || return 0
    sed -n 's/^#define TORCH_VERSION_[A-Z]* \([0-9]*\)$/\1/p' "$header" | paste -sd. -
}

# Prints the settings for the libtorch in the folder $1, of version $2.
settings() {
    local libraries=LD_LIBRARY_PATH abi=0
    [ "$(uname)" != Darwin ] || libraries=DYLD_LIBRARY_PATH
    # PyTorch's wheels for Linux are built with the older layout of std::string.
    if [ "$(uname)" = Darwin ] || grep -q 'torchCheckFail.*__cxx11' "$1/lib/libc10.so"; then abi=1; fi
    say "libtorch $2 in $1"
    printf 'export LIBTORCH=%q\n' "$1"
    echo "export LIBTORCH_CXX11_ABI=$abi"
    [ "$2" = 2.4.0 ] || echo 'export LIBTORCH_BYPASS_VERSION_CHECK=1'
    # This variable would make the build ask Python instead.
    echo 'unset LIBTORCH_USE_PYTORCH'
    case :${!libraries:-}: in
        *":$1/lib:"*) ;;
        *) printf "export %s=%q\"\${%s:+:\$%s}\"\n" "$libraries" "$1/lib" "$libraries" "$libraries" ;;
    esac
}

# Fetches the files of the wheel of $1 that match the pattern $2 into $scratch; $3 is put before their names.
fetch() {
    say "fetching $1"
    python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.11 \
        "${platforms[@]/#/--platform=}" --dest "$scratch/wheel" "$1" >&2
    python3 -I - "$scratch"/wheel/*.whl "$2" "$scratch/$3" <<'PYTHON'
import pathlib, re, shutil, sys, zipfile

wheel, pattern, folder = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        part = re.fullmatch(pattern, name)
        if part and not name.endswith("/"):
            target = pathlib.Path(folder, part.group(1))
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
PYTHON
    rm -r "$scratch/wheel"
}

if [ -n "${LIBTORCH:-}" ]; then
    LIBTORCH=$(absolute "$LIBTORCH")
    found=$(version "$LIBTORCH")
    case $found in
        2.4.*) settings "$LIBTORCH" "$found"; exit ;;
        '') fail "LIBTORCH is $LIBTORCH, which has no libtorch (lib and include); unset it, or correct it" ;;
        *) fail "LIBTORCH is $LIBTORCH, which has version $found, but tch 0.17 needs 2.4; unset it, or name another" ;;
    esac
fi
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(absolute "${1:-$root/target/libtorch}")
if [ "$(version "$folder")" = $torch ]; then settings "$folder" $torch; exit; fi
[ ! -e "$folder" ] || fail "$folder exists, and is not libtorch $torch; name a folder that does not exist"

installed=$(python3 -I -c \
    'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])' 2>/dev/null || true)
if [ -n "$installed" ]; then
    found=$(version "$installed")
    case $found in 2.4.*) settings "$installed" "$found"; exit ;; esac
fi

case $(uname)-$(uname -m) in
    Linux-x86_64) platforms=(manylinux1_x86_64 manylinux2014_x86_64) ;;
    Linux-aarch64) platforms=(manylinux2014_aarch64) ;;
    Darwin-arm64) platforms=(macosx_11_0_arm64) ;;
    *) fail "there is no known package of torch $torch for $(uname) on $(uname -m); set LIBTORCH to a libtorch 2.4" ;;
esac
mkdir -p "$(dirname "$folder")"
scratch=$(mktemp -d "$folder.XXXXXX")
if [ "$(uname)-$(uname -m)" = Linux-x86_64 ]; then
    # The build for CUDA is the only one for x86-64. Its libtorch_cpu needs two small libraries of CUDA; its
    # libtorch needs all of them, and is only a list of libraries to load.
    fetch "torch==$torch" 'torch/((?:lib/lib(?:torch_cpu|c10|gomp-[^/]*)\.so.*)|include/.*)' .
    fetch "nvidia-cuda-runtime-cu12==$cuda" '.*/(libcudart\.so[^/]*)' lib
    fetch "nvidia-cuda-cupti-cu12==$cuda" '.*/(libcupti\.so[^/]*)' lib
    ln -s libtorch_cpu.so "$scratch/lib/libtorch.so"
else
    fetch "torch==$torch" 'torch/((?:lib|include)/.*)' .
fi
[ "$(version "$scratch")" = $torch ] || fail "the package of torch $torch lacks the expected files"
chmod 755 "$scratch"
mv "$scratch" "$folder"
scratch=
settings "$folder" $torch
