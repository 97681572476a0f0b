"""Measures queries over many documents: memory and throughput of `entopic sql` next to the library's batch call, one and two
executors of one thread, and a query during which an executor is killed.

    python scale.py ENTOPIC sql [ROWS]
    python scale.py ENTOPIC cluster [ROWS] [ROUNDS]

ENTOPIC is the command with the feature `cluster`. `cluster` needs two idle cores.
"""

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from long_runs import resident, text

# Files that a table consists of: the parts that executors are given.
FILES = 16

TAG = "SELECT id, entities(text) AS entities FROM documents"
COUNT = (
    "SELECT label, count(*) AS mentions, sum(id) AS ids FROM (SELECT id, entity['label'] AS label FROM "
    "(SELECT id, unnest(entities(text)) AS entity FROM documents)) GROUP BY label ORDER BY label"
)


def write_table(entopic: str, folder: Path, rows: int, files: int) -> Path:
    """A folder of Parquet files with an id and a text in each row."""
    table = folder / "table"
    table.mkdir()
    for part in range(files):
        numbers = range(part * rows // files, (part + 1) * rows // files)
        lines = folder / "part.jsonl"
        with open(lines, "w") as file:
            for number in numbers:
                file.write(json.dumps({"id": number, "text": text(number)}) + "\n")
        out = str(table / f"{part:02}.parquet")
        query = [entopic, "sql", str(lines), "SELECT * FROM documents", "--format", "parquet", "-o", out]
        subprocess.run(query, check=True)
        lines.unlink()
    return table


def bench(entopic: str, folder: Path, rows: int, threads: int) -> float:
    """Documents per second by the library's batch call."""
    plain = folder / "documents.txt"
    plain.write_text("".join(text(number) + "\n" for number in range(rows)))
    command = [entopic, "bench", str(plain), "--task", "ner", "--repeat", "3", "--threads", str(threads)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["documents_per_second"]


def measure_sql(entopic: str, folder: Path, rows: int) -> None:
    table = write_table(entopic, folder, rows, 1)
    sample = min(rows, 20_000)
    before = bench(entopic, folder, sample, 2)
    out = folder / "tagged.parquet"
    command = [entopic, "sql", str(table), TAG, "--threads", "2", "--format", "parquet", "-o", str(out)]
    begun = time.monotonic()
    process = subprocess.Popen(command)
    memory = []
    while process.poll() is None:
        time.sleep(1)
        memory.append(resident(process))
    seconds = time.monotonic() - begun
    assert process.returncode == 0
    memory = [value for value in memory if value]
    after = bench(entopic, folder, sample, 2)
    batch = statistics.mean([before, after])
    print(f"{rows} rows in {seconds:.0f} s: {rows / seconds:.0f} per second, start included")
    tenth = max(1, len(memory) // 10)
    print(f"resident memory after a tenth: {max(memory[:tenth])} MiB; at most {max(memory)} MiB; in the end {memory[-1]} MiB")
    print(f"the library's batch call: {before:.0f} and {after:.0f} per second; the query has {rows / seconds / batch:.2f} of it")
    count = "SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(cardinality(entities)) AS found FROM documents"
    counted = subprocess.run([entopic, "sql", str(out), count, "--format", "jsonl"], check=True, stdout=subprocess.PIPE)
    found = json.loads(counted.stdout)
    assert (found["n"], found["ids"]) == (rows, rows), found
    print(f"every id has one row; {found['found']} entities")


class Cluster:
    """A scheduler and executors of one thread."""

    def __init__(self, entopic: str, folder: Path, executors: int) -> None:
        self.entopic, self.folder, self.executors = entopic, folder, []
        self.scheduler = self.start("scheduler", ["--listen", "127.0.0.1:50050"], "listening on")
        for number in range(executors):
            listen = f"127.0.0.1:{50051 + 10 * number}"
            # A killed executor leaves its folder.
            work = ["--work-dir", str(self.folder / f"work{number}")]
            options = ["--threads", "1", "--listen", listen, *work]
            self.executors.append(self.start("executor", options, "Executor registration succeed"))

    def start(self, part: str, options: list[str], ready: str) -> subprocess.Popen:
        log = self.folder / f"{part}{len(self.executors)}.log"
        with open(log, "w") as file:
            process = subprocess.Popen([self.entopic, part, *options], stderr=file)
        while ready not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        return process

    def query(self, table: Path, query: str) -> subprocess.Popen:
        command = [self.entopic, "sql", str(table), query, "--scheduler", "127.0.0.1:50050", "--format", "jsonl"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self.executors, self.scheduler]:
            process.send_signal(signal.SIGKILL)
            process.wait()


def measure_cluster(entopic: str, folder: Path, rows: int, rounds: int) -> None:
    table = write_table(entopic, folder, rows, FILES)
    local = [entopic, "sql", str(table), COUNT, "--format", "jsonl"]
    expected = subprocess.run(local, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(expected, end="")
    ratios, one, two = [], [], []
    for _ in range(rounds):
        speeds = {}
        for executors in (1, 2):
            with Cluster(entopic, folder, executors) as cluster:
                begun = time.monotonic()
                answer = cluster.query(table, COUNT).communicate()[0]
                speeds[executors] = rows / (time.monotonic() - begun)
                assert answer == expected, answer
        ratios.append(speeds[2] / speeds[1])
        one.append(speeds[1])
        two.append(speeds[2])
    print(f"one executor: {statistics.median(one):.0f} rows per second; two: {statistics.median(two):.0f}")
    print(f"two are {statistics.median(ratios):.2f} times one ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")
    print(f"the library's batch call on one thread: {bench(entopic, folder, min(rows, 20_000), 1):.0f} per second")
    with Cluster(entopic, folder, 2) as cluster:
        query = cluster.query(table, COUNT)
        time.sleep(rows / statistics.median(two) / 2)
        assert query.poll() is None, "the query was over before an executor could be killed"
        cluster.executors[1].send_signal(signal.SIGKILL)
        begun = time.monotonic()
        answer = query.communicate()[0]
        assert answer == expected, answer
        print(f"an executor was killed half-way: the same answer, {time.monotonic() - begun:.0f} s later")


def main() -> None:
    entopic, what = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as name:
        if what == "sql":
            measure_sql(entopic, Path(name), int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000)
        else:
            rows = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
            measure_cluster(entopic, Path(name), rows, int(sys.argv[4]) if len(sys.argv) > 4 else 3)


if __name__ == "__main__":
    main()
