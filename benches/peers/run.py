#!/usr/bin/env python3
"""Measures entopic and its peers side by side; README.md describes how, and what makes it fair.

python3 benches/peers/run.py [--env DIR] [--rounds N] [--threads N] [--engines A,B] [--work A,B] [--out FILE]
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

from engines import ENGINES, Engine
from report import Check, Report
from works import WORKS, Work

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = ROOT / "target" / "peers"
ARTICLE = ROOT / "examples" / "data" / "article.txt"

SENTENCE_END = re.compile(r'(?:(?<=[.!?])|(?<=[.!?][”"]))\s+(?=[“"A-Z])')

# ONNX Runtime's threads spin for some 50 ms after their last work, in the way of the next engine.
PAUSE = 0.1

# Seconds of CPU time that an idle worker may use per second.
IDLE_LIMIT = 0.03

# Seconds of CPU time that all other processes may use per second.
BUSY_LIMIT = 0.1

# The largest allowed difference between an f32 engine's logits and transformers': far above rounding,
# far below the effect of a wrong mask, activation or position.
F32_TOLERANCE = 1e-2


class WorkerError(Exception):
    """A worker that ended, or gave an invalid answer."""


class Worker:
    """An engine that has loaded a model and waits for requests."""

    def __init__(self, engine: Engine, model: str, python: Path, threads: int) -> None:
        self.engine = engine
        command = engine.command(python, HERE, TARGET / "cargo" / "release")
        command += ["--model", str(TARGET / "models" / model), "--texts", str(TARGET / "texts")]
        command += ["--threads", str(threads)]
        names = ["OMP_NUM_THREADS", "RAYON_NUM_THREADS", "RTEN_NUM_THREADS"]
        environment = os.environ | dict.fromkeys(names, str(threads))
        self.log = TARGET / "logs" / f"{model}-{engine.name}.txt"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        pipe = subprocess.PIPE
        try:
            with self.log.open("w") as log:
                self.process = subprocess.Popen(
                    command, stdin=pipe, stdout=pipe, stderr=log, text=True, env=environment
                )
        except OSError as error:
            raise WorkerError(f"{Path(command[0]).name}: {error.strerror}") from error
        try:
            self.answer()
        except WorkerError:
            self.stop()
            raise

    def answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            said = self.log.read_text().strip().splitlines()
            raise WorkerError(said[-1].replace(f"{ROOT}/", "") if said else "it ended without a word")
        try:
            return json.loads(line)
        except ValueError as error:
            raise WorkerError(f"it answered {line.strip()!r}") from error

    def ask(self, work: str, batch: int | None = None) -> dict[str, Any]:
        try:
            print(json.dumps({"work": work, "batch": batch}), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # The worker has ended, and answer() says why.
        return self.answer()

    def cpu_seconds(self) -> float:
        """CPU time used so far, on Linux."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.communicate()


def prepare_environment(folder: Path | None, report: Report) -> Path:
    """The Python of `folder`, which is left unchanged, or of an environment with requirements.txt."""
    own = folder is None or not (folder / "bin" / "python").exists()
    folder = folder or TARGET / "env"
    python = folder.absolute() / "bin" / "python"
    if not own:
        return python
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    requirements = HERE / "requirements.txt"
    if subprocess.run([*pip, "-r", requirements]).returncode != 0:
        lines = requirements.read_text().splitlines()
        for package in [line for line in lines if line and not line.startswith("#")]:
            if subprocess.run([*pip, package]).returncode != 0:
                report.leave_out(package, "pip could not install it")
    return python


def write_sentences() -> None:
    """Writes the article's sentences, one per line."""
    lines = ARTICLE.read_text(encoding="utf-8").splitlines()
    sentences = [part.strip() for line in lines for part in SENTENCE_END.split(line)]
    path = TARGET / "texts" / "sentences.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{sentence}\n" for sentence in sentences if sentence), encoding="utf-8")


def make_models(python: Path, models: list[str]) -> None:
    command = [python, HERE / "models.py", "--texts", TARGET / "texts", "--models", TARGET / "models"]
    if subprocess.run([*command, "--article", ARTICLE, *models]).returncode != 0:
        sys.exit("models.py could not make the models")


def libtorch() -> dict[str, str]:
    """The environment variables that scripts/libtorch.sh prints."""
    script = 'eval "$(scripts/libtorch.sh)" && env --null'
    said = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True).stdout
    settings = dict(line.split("=", 1) for line in said.split("\0") if "=" in line)
    names = ("LIBTORCH", "LD_LIBRARY_PATH")
    return {name: value for name, value in settings.items() if name.startswith(names)}


def build_workers(engines: list[Engine], report: Report) -> None:
    for program in sorted({engine.program for engine in engines} - {"python"}):
        command = ["cargo", "build", "--release", "--package", f"peer-{program}"]
        command += ["--manifest-path", HERE / "rust" / "Cargo.toml", "--target-dir", TARGET / "cargo"]
        if program == "rust-bert":
            # The build links libtorch, and the worker finds it through the same variables.
            os.environ |= libtorch()
        if subprocess.run(command).returncode != 0:
            report.leave_out(program, "cargo could not build its worker")
            # Otherwise the binary of an earlier build would be measured.
            (TARGET / "cargo" / "release" / f"peer-{program}").unlink(missing_ok=True)


def start_workers(
    model: str, engines: list[Engine], python: Path, threads: int, report: Report
) -> list[Worker]:
    workers = []
    for engine in engines:
        try:
            workers.append(Worker(engine, model, python, threads))
        except WorkerError as error:
            report.leave_out(f"{engine.name} on {model}", str(error))
    return workers


def largest_difference(found: list, expected: list) -> float:
    """The largest difference between two nested lists of the same shape."""
    if len(found) != len(expected):
        return float("inf")
    if found and isinstance(found[0], list):
        return max(largest_difference(*pair) for pair in zip(found, expected, strict=True))
    return max(abs(one - other) for one, other in zip(found, expected, strict=True))


def check_logits(model: str, worker: Worker, report: Report) -> None:
    path = TARGET / "models" / model / "logits.json"
    if not path.exists():
        raise WorkerError(f"models.py made no {path.name} to compare {model} with")
    expected = json.loads(path.read_text())
    difference = largest_difference(worker.ask("logits")["logits"], expected)
    wrong = worker.engine.precision == "f32" and not difference <= F32_TOLERANCE
    report.checks.append(Check(worker.engine.name, model, difference, wrong))


def cpu_seconds() -> float:
    """CPU time that all processes have used so far, on Linux."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def check_idle(workers: list[Worker], report: Report) -> None:
    """Notes processes that use the CPU while no worker should, since they disturb the measurements."""
    if not Path("/proc/stat").exists():
        return
    time.sleep(1)
    before, all_before = [worker.cpu_seconds() for worker in workers], cpu_seconds()
    time.sleep(1)
    others = cpu_seconds() - all_before
    for worker, seconds in zip(workers, before, strict=True):
        used = worker.cpu_seconds() - seconds
        others -= used
        if used > IDLE_LIMIT:
            report.notes.append(f"{worker.engine.name} uses {used:.0%} of a core while it is idle")
    if others > BUSY_LIMIT:
        report.notes.append(f"other processes used {others:.0%} of a core: the machine was not idle")


def batches_of(work: Work, engine: Engine) -> list[int | None]:
    takes_texts = engine.program == "entopic" or "pipeline" in engine.arguments
    whole = [None] if work.whole and takes_texts else []
    return [*work.batches, *whole]


def measure(model: str, works: list[Work], workers: list[Worker], rounds: int, report: Report) -> None:
    """One unmeasured request of each kind, then rounds in which every engine has its turn at every work."""
    alive = list(workers)

    def take_turns(order: list[Worker], work: Work, record: bool) -> None:
        for worker in order:
            if work.name not in worker.engine.works:
                continue
            for batch in batches_of(work, worker.engine):
                try:
                    seconds = worker.ask(work.name, batch)["seconds"]
                except WorkerError as error:
                    report.leave_out(f"{worker.engine.name} on {model}", f"{work.name}: {error}")
                    report.forget(worker.engine, works)
                    alive.remove(worker)
                    break
                if record:
                    report.record(work, worker.engine, batch, seconds)
                time.sleep(PAUSE)

    for worker in list(alive):
        if model != "nli":
            try:
                check_logits(model, worker, report)
            except WorkerError as error:
                report.leave_out(f"{worker.engine.name} on {model}", f"logits: {error}")
                alive.remove(worker)
    for work in works:
        take_turns(list(alive), work, record=False)
    check_idle(alive, report)
    for number in range(rounds):
        for work in works:
            # The order changes each time, so that no engine always follows the same one.
            order = random.Random(number).sample(alive, len(alive))
            take_turns(order, work, record=True)
        print(f"{model}: round {number + 1} of {rounds}", file=sys.stderr)


def choose(kind: str, names: str | None, known: list) -> list:
    """The items of `known` that `names` lists; all if it is not given."""
    if names is None:
        return known
    wanted = names.split(",")
    unknown = set(wanted) - {item.name for item in known}
    if unknown:
        sys.exit(
            f"no {kind} {', '.join(sorted(unknown))}; choose from {', '.join(item.name for item in known)}"
        )
    return [item for item in known if item.name in wanted]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", type=Path, help="a virtual environment to use; one is made if it is missing")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", help="names from engines.py, separated by commas [default: all]")
    parser.add_argument("--work", help="names from works.py, separated by commas [default: all]")
    parser.add_argument("--out", type=Path, help="a file for the report, which is also printed")
    args = parser.parse_args()

    works: list[Work] = choose("work", args.work, WORKS)
    engines: list[Engine] = choose("engine", args.engines, ENGINES)
    engines = [engine for engine in engines if any(work.name in engine.works for work in works)]
    models = list(dict.fromkeys(work.model for work in works))
    report = Report(args.threads, args.rounds)

    write_sentences()
    python = prepare_environment(args.env, report)
    make_models(python, models)
    build_workers(engines, report)
    report.read_versions(engines, python, ROOT, HERE / "rust" / "Cargo.lock")
    # One model after the other, so that only the workers of one model have to fit into memory.
    for model in models:
        its_works = [work for work in works if work.model == model]
        its_engines = [engine for engine in engines if any(work.name in engine.works for work in its_works)]
        workers = start_workers(model, its_engines, python, args.threads, report)
        try:
            measure(model, its_works, workers, args.rounds, report)
        finally:
            for worker in workers:
                worker.stop()
    report.count(works, TARGET / "texts")
    (TARGET / "results.json").write_text(json.dumps(report.raw(), indent=1))
    text = report.markdown(works, engines)
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
