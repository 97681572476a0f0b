#!/usr/bin/env bash
# A cluster on this machine, a scheduler and two executors of one thread each, and a query on it:
#   scripts/cluster.sh FILE.parquet "SELECT topic(text) AS topic, count(*) FROM documents GROUP BY topic"
# ENTOPIC names the command [default: target/release/entopic, built with --features cluster].
set -euo pipefail
file=$1 query=$2
entopic=${ENTOPIC:-$(dirname "$0")/../target/release/entopic}
logs=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; echo "logs: $logs" >&2' EXIT

"$entopic" scheduler --listen 127.0.0.1:50050 2>"$logs/scheduler.txt" &
for port in 50051 50061; do
    "$entopic" executor --threads 1 --listen "127.0.0.1:$port" 2>"$logs/executor-$port.txt" &
done
for port in 50051 50061; do
    until grep -q "Executor registration succeed" "$logs/executor-$port.txt"; do
        sleep 0.1
        kill -0 $(jobs -p) # a part that ended has said why
    done
done
"$entopic" sql "$file" "$query" --scheduler localhost:50050
