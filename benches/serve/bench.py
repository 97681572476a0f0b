"""Measures `entopic serve` next to the library's own batch call, and next to a service of FastAPI and ONNX Runtime.

    python bench.py ENTOPIC TEXTS [--rounds 3] [--seconds 10] [--threads 2]
    python bench.py ENTOPIC TEXTS --model FOLDER --peer PYTHON

TEXTS has one document per line. wrk (Debian's package) makes the load on the same machine, so it takes a part of the
CPU. The peer needs fastapi, uvicorn, onnxruntime and tokenizers in the environment of PYTHON, and a FOLDER with
tokenizer.json and model.int8.onnx next to the safetensors that entopic reads, as benches/peers/models.py makes it.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CONNECTIONS = (1, 8, 64)


@contextmanager
def service(command: list[str], address: str, **options):
    """A process that answers at `address` until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(address, timeout=1).close()
                break
            except OSError:
                if process.poll() is not None:
                    sys.exit(f"{' '.join(command)} ended with {process.returncode}")
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()


def load(address: str, bodies: Path, connections: int, seconds: int) -> dict:
    """The counts of wrk: requests, seconds, milliseconds at the median and at 99 %, and failures."""
    command = ["wrk", "-t2" if connections > 1 else "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    command += ["-s", str(HERE / "bodies.lua"), address, "--", str(bodies)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(printed.splitlines()[-1])


def batch(entopic: str, task: str, texts: Path, options: list[str]) -> float:
    """Documents per second of the library's batch call."""
    command = [entopic, "bench", str(texts), "--task", task, "--repeat", "3", *options]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(json.loads(printed)["documents_per_second"])


def resident(process: subprocess.Popen) -> float:
    """Resident memory in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entopic")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", help="a folder for both services; entities alone are then measured")
    parser.add_argument("--peer", help="the Python with fastapi, uvicorn, onnxruntime and tokenizers")
    args = parser.parse_args()

    texts = [line for line in args.texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    flags = set(re.findall(r"\b(?:avx2|avx512f|avx512_vnni|avx_vnni|amx_int8)\b", Path("/proc/cpuinfo").read_text()))
    print(f"{len(texts)} texts of {sum(map(len, texts)) / len(texts):.0f} characters, {args.threads} threads, {' '.join(sorted(flags))}")
    options = ["--threads", str(args.threads)] + (["--model", args.model] if args.model else [])
    tasks = {"ner": "/v1/entities"} if args.model else {"ner": "/v1/entities", "tag": "/v1/tag"}
    with tempfile.TemporaryDirectory() as name:
        bodies = Path(name) / "bodies.jsonl"
        bodies.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        rows: dict[tuple[str, int], list[dict]] = {}
        batches: dict[str, list[float]] = {}
        for number in range(args.rounds):
            for task, path in tasks.items():
                batches.setdefault(task, []).append(batch(args.entopic, task, args.texts, options))
                address = "http://127.0.0.1:8765"
                command = [args.entopic, "serve", "--listen", "127.0.0.1:8765", *options]
                with service(command, f"{address}/ready") as process:
                    for connections in CONNECTIONS:
                        row = load(address + path, bodies, connections, args.seconds)
                        rows.setdefault((f"entopic {path}", connections), []).append(row | {"resident": resident(process)})
            if args.peer:
                command = [args.peer, "-m", "uvicorn", "peer:app", "--port", "8766", "--log-level", "error"]
                environment = os.environ | {"MODEL": str(Path(args.model).resolve()), "ONNX": "model.int8.onnx", "THREADS": str(args.threads)}
                with service(command, "http://127.0.0.1:8766/docs", cwd=HERE, env=environment) as process:
                    for connections in CONNECTIONS:
                        row = load("http://127.0.0.1:8766/v1/entities", bodies, connections, args.seconds)
                        rows.setdefault(("FastAPI and ONNX Runtime", connections), []).append(row | {"resident": resident(process)})
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)

    for task, values in batches.items():
        print(f"batch call, {task}: {statistics.median(values):.0f} documents/s")
    print("\n| service | connections | requests/s | of the batch call | p50 ms | p99 ms | failed | MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for (name, connections), found in rows.items():
        def median(key):
            return statistics.median(key(row) for row in found)

        rate = median(lambda row: row["requests"] / row["seconds"])
        task = next((task for task, path in tasks.items() if name.endswith(path)), "ner")
        share = statistics.median(
            row["requests"] / row["seconds"] / whole for row, whole in zip(found, batches[task], strict=True)
        )
        print(
            f"| {name} | {connections} | {rate:.0f} | {share:.2f} | {median(lambda row: row['p50']):.1f} "
            f"| {median(lambda row: row['p99']):.1f} | {sum(row['failed'] for row in found)} "
            f"| {max(row['resident'] for row in found):.0f} |"
        )


if __name__ == "__main__":
    main()
