"""Measures long runs of `entopic tag`: memory over time, and throughput compared with the library's batch call. It also
checks that a run that is killed again and again gives the output of an undisturbed one.

    python long_runs.py ENTOPIC [DOCUMENTS] [KILLS]
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ["Ada Lovelace", "Marta Sousa", "Wei Chen", "Amina Diallo", "Jonas Berg"]
PLACES = ["Oslo", "Nairobi", "Lima", "Kyoto", "Gdańsk"]
TOPICS = "travel,business,science"


def text(number: int) -> str:
    rng = random.Random(number)
    return f"{rng.choice(NAMES)} flew to {rng.choice(PLACES)} and signed contract {number} with a supplier."


def resident(process: subprocess.Popen) -> int:
    """Resident memory in MiB; 0 if the process is gone."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(lines[0].split()[1]) // 1024 if lines else 0


def lines_of(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def main() -> None:
    entopic = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    kills = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents, plain = folder / "documents.jsonl", folder / "documents.txt"
        with open(documents, "w") as lines, open(plain, "w") as texts:
            for number in range(count):
                lines.write(json.dumps({"id": number, "text": text(number)}) + "\n")
                texts.write(text(number) + "\n")

        def command(out: Path) -> list[str]:
            return [entopic, "tag", str(documents), "--topics", TOPICS, "--format", "jsonl", "--resume", "-o", str(out)]

        whole, out = folder / "whole.jsonl", folder / "out.jsonl"
        begun = time.monotonic()
        process = subprocess.Popen(command(whole), stderr=subprocess.DEVNULL)
        memory, thousand = [], None
        partial = folder / "whole.jsonl.partial"
        while process.poll() is None:
            time.sleep(0.5)
            if thousand is None and partial.exists() and lines_of(partial) >= 1000:
                thousand = len(memory)
            memory.append(resident(process))
        seconds = time.monotonic() - begun
        assert process.returncode == 0
        after = [value for value in memory[thousand or 0 :] if value]
        print(f"{count} documents in {seconds:.0f} s: {count / seconds:.0f} per second, start included")
        print(f"resident memory after the first thousand: {after[0]} MiB, at most {max(after)} MiB, in the end {after[-1]} MiB")

        bench = [entopic, "bench", str(plain), "--task", "tag", "--topics", TOPICS, "--repeat", "1"]
        report = json.loads(subprocess.run(bench, check=True, stdout=subprocess.PIPE).stdout)
        ratio = count / seconds / report["documents_per_second"]
        print(f"the library's batch call: {report['documents_per_second']:.0f} per second; the command has {ratio:.2f} of it")

        rng, done = random.Random(1), 0
        for kill in range(kills):
            process = subprocess.Popen(command(out), stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0.2, seconds / (kills + 1)))
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            done += 1
        subprocess.run(command(out), check=True, stderr=subprocess.DEVNULL)
        assert whole.read_bytes() == out.read_bytes(), "the output is not that of an undisturbed run"
        assert not list(folder.glob("*.partial")) and not list(folder.glob("*.run")), "something is left behind"
        print(f"killed {done} times, the output is that of an undisturbed run")


if __name__ == "__main__":
    main()
