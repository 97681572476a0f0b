"""The results of run.py, as Markdown and as JSON."""

import datetime
import json
import os
import re
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from engines import Engine
from works import Work

BASELINE = "entopic-int8"

# The instructions that speed up matrix products in int8 or bf16 most, as /proc/cpuinfo spells them.
CPU_FLAGS = ["avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"]

Key = tuple[str, str, int | None]
"""A work, an engine, and the number of texts per call; None means all in one call."""


@dataclass
class Check:
    """The difference between an engine's logits and transformers'."""

    engine: str
    model: str
    difference: float
    wrong: bool


@dataclass
class Report:
    threads: int
    rounds: int
    seconds: dict[Key, list[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    """The tokens or documents of each work, the same for all engines."""
    versions: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, what: str, why: str) -> None:
        self.left_out.append(f"{what}: {why}")

    def record(self, work: Work, engine: Engine, batch: int | None, seconds: float) -> None:
        self.seconds.setdefault((work.name, engine.name, batch), []).append(seconds)

    def forget(self, engine: Engine, works: list[Work]) -> None:
        """Drops the timings of an engine that failed, since its rounds are not complete."""
        names = {work.name for work in works}
        self.seconds = {
            key: value
            for key, value in self.seconds.items()
            if not (key[0] in names and key[1] == engine.name)
        }

    def count(self, works: list[Work], texts: Path) -> None:
        for work in works:
            content = json.loads((texts / f"{work.name}.json").read_text())
            documents = work.unit == "documents"
            self.counts[work.name] = len(content["texts"]) if documents else sum(map(len, content["ids"]))

    def read_versions(self, engines: list[Engine], python: Path, root: Path, lock: Path) -> None:
        listed = subprocess.run(
            [python, "-m", "pip", "list", "--format", "json"], capture_output=True, text=True
        )
        found = {package["name"]: package["version"] for package in json.loads(listed.stdout or "[]")}
        crates = dict(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', lock.read_text()))
        for engine in engines:
            versions = found if engine.program == "python" else crates
            self.versions[engine.package] = versions.get(engine.package, "not installed")
        commit = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--exclude", "*"]
        described = subprocess.run(commit, cwd=root, capture_output=True, text=True).stdout.strip()
        if described and "entopic" in self.versions:
            self.versions["entopic"] += f" ({described})"

    def raw(self) -> dict:
        timings = [
            {"work": work, "engine": engine, "batch": batch, "seconds": seconds}
            for (work, engine, batch), seconds in self.seconds.items()
        ]
        keep = ["threads", "rounds", "counts", "versions", "left_out", "notes"]
        fields = {name: value for name, value in asdict(self).items() if name in keep}
        checks = [asdict(check) for check in self.checks]
        return {"date": today(), "machine": machine(), **fields, "checks": checks, "timings": timings}

    def markdown(self, works: list[Work], engines: list[Engine]) -> str:
        versions = ", ".join(f"{package} {version}" for package, version in sorted(self.versions.items()))
        lines = [
            f"{today()}, {machine()}. {self.threads} threads, {self.rounds} rounds; median (least–most).",
            f"Versions: {versions}.",
            "",
        ]
        for work in works:
            lines += [*self.table(work, engines), ""]
        lines += ["### Instruction sets that each can use", ""]
        lines += [f"- {engine.name}: {engine.uses}" for engine in engines if engine.uses]
        lines += ["", "### Largest difference from transformers' logits", ""]
        for check in self.checks:
            wrong = " **wrong**" if check.wrong else ""
            lines.append(f"- {check.engine} on {check.model}: {check.difference:.2g}{wrong}")
        for title, items in [("Left out", self.left_out), ("Notes", self.notes)]:
            if items:
                lines += ["", f"### {title}", "", *(f"- {item}" for item in items)]
        return "\n".join(lines) + "\n"

    def table(self, work: Work, engines: list[Engine]) -> list[str]:
        """Speeds, and the ratios of the baseline's speed to them."""
        batches = [*work.batches, *([None] if work.whole else [])]
        names = ["all in one" if batch is None else f"batch {batch}" for batch in batches]
        ratios = [f"× at {batch}" for batch in work.batches]
        header = ["engine", *names, *ratios]
        lines = [
            f"### {work.name}: {self.counts[work.name]:,} {work.unit}, {work.unit} per second",
            "",
            "| " + " | ".join(header) + " |",
            "|---|" + "---:|" * (len(header) - 1),
        ]
        for engine in engines:
            if not any((work.name, engine.name, batch) in self.seconds for batch in batches):
                continue
            cells = [self.speed(work, engine, batch) for batch in batches]
            cells += [self.ratio(work, engine, batch) for batch in work.batches]
            lines.append(f"| {engine.name} | " + " | ".join(cells) + " |")
        return lines

    def speed(self, work: Work, engine: Engine, batch: int | None) -> str:
        seconds = self.seconds.get((work.name, engine.name, batch))
        if not seconds:
            return ""
        speeds = [self.counts[work.name] / one for one in seconds]
        digits = 0 if median(speeds) >= 100 else 1
        middle, least, most = (f"{speed:,.{digits}f}" for speed in (median(speeds), min(speeds), max(speeds)))
        return f"{middle} ({least}–{most})"

    def ratio(self, work: Work, engine: Engine, batch: int | None) -> str:
        """The baseline's speed in multiples of this one: the median of each round's ratio."""
        theirs = self.seconds.get((work.name, engine.name, batch))
        whole = engine.side_by_side and work.whole
        ours = self.seconds.get((work.name, BASELINE, None if whole else batch))
        if not ours or not theirs:
            return ""
        return f"{median(their / our for their, our in zip(theirs, ours, strict=True)):.2f}"


def today() -> str:
    return datetime.date.today().isoformat()


def machine() -> str:
    """The CPU's name, cores and the instructions that matter, as Linux reports them."""
    path = Path("/proc/cpuinfo")
    info = path.read_text() if path.exists() else ""
    name = re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.*)$", info, re.MULTILINE)
    has = set(flags[1].split()) if flags else set()
    instructions = ", ".join(f"{'has' if flag in has else 'no'} {flag}" for flag in CPU_FLAGS)
    return f"{name[1] if name else 'an unknown CPU'}, {os.cpu_count()} cores ({instructions})"
