#!/usr/bin/env bash
# A cluster on this machine, a scheduler and two executors of one thread each, and a query on it:
#   scripts/cluster.sh FILE.parquet "SELECT topic(text) AS topic, count(*) FROM documents GROUP BY topic"
# ENTOPIC names the command [default: target/release/entopic, built with --features cluster].
set -euo pipefail
file=${1:?usage: cluster.sh FILE.parquet QUERY} query=${2:?usage: cluster.sh FILE.parquet QUERY}
entopic=${ENTOPIC:-$(dirname "$0")/../target/release/entopic}
logs=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -r "$logs"' EXIT

# Starts a part of the cluster, and waits until its log has some words.
start() {
    local log=$logs/$1.txt words=$2
    shift 2
    "$entopic" "$@" 2>"$log" &
    until grep -q "$words" "$log"; do
        kill -0 $! 2>/dev/null || { cat "$log" >&2; exit 1; }
        sleep 0.1
    done
}

start scheduler "listening on" scheduler --listen 127.0.0.1:50050
start first "Executor registration succeed" executor --threads 1 --listen 127.0.0.1:50051
start second "Executor registration succeed" executor --threads 1 --listen 127.0.0.1:50061
"$entopic" sql "$file" "$query" --scheduler localhost:50050
