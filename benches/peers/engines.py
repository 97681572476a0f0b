"""The engines that are compared. To add one, see README.md."""

from dataclasses import dataclass
from pathlib import Path

TOKEN_WORKS = frozenset({"sentences", "article", "window512", "base"})
MANY_BATCHES = frozenset({"sentences", "article", "base"})
NLI_WORKS = frozenset({"nli"})
PIPELINE_WORKS = frozenset({"sentences", "base"})


@dataclass(frozen=True)
class Engine:
    """An engine at one precision, and the program that is its worker."""

    name: str
    package: str
    """The package whose version is reported, on PyPI or crates.io."""
    program: str
    """A member of the Rust workspace, or `python` for worker.py."""
    arguments: tuple[str, ...]
    precision: str
    works: frozenset[str] = TOKEN_WORKS
    side_by_side: bool = False
    """Has a whole pass in flight, and is compared with entopic's one call with all texts."""

    def command(self, python: Path, workers: Path, binaries: Path) -> list[str]:
        """What starts it, but for the model, the texts and the number of threads."""
        if self.program == "python":
            return [str(python), str(workers / "worker.py"), *self.arguments]
        return [str(binaries / f"peer-{self.program}"), *self.arguments]


def entopic(precision: str) -> Engine:
    return Engine(
        f"entopic-{precision}", "entopic", "entopic", (precision,), precision, TOKEN_WORKS | NLI_WORKS
    )


def python(name: str, package: str, variant: str, precision: str) -> Engine:
    return Engine(name, package, "python", (package, variant), precision)


def parallel(name: str, package: str, variant: str, precision: str) -> Engine:
    arguments = (package, variant, "--side-by-side")
    return Engine(name, package, "python", arguments, precision, MANY_BATCHES, side_by_side=True)


ENGINES = [
    entopic("int8"),
    entopic("f32"),
    python("torch-f32", "torch", "f32", "f32"),
    python("onnxruntime-f32", "onnxruntime", "model", "f32"),
    python("onnxruntime-fused-f32", "onnxruntime", "model.fused", "f32"),
    python("onnxruntime-int8", "onnxruntime", "model.int8", "int8"),
    python("onnxruntime-fused-int8", "onnxruntime", "model.fused.int8", "int8"),
    python("openvino-f32", "openvino", "openvino", "f32"),
    python("openvino-int8", "openvino", "openvino.int8", "int8"),
    python("ctranslate2-f32", "ctranslate2", "float32", "f32"),
    python("ctranslate2-int8", "ctranslate2", "int8", "int8"),
    parallel("onnxruntime-int8-parallel", "onnxruntime", "model.int8", "int8"),
    parallel("onnxruntime-fused-int8-parallel", "onnxruntime", "model.fused.int8", "int8"),
    parallel("openvino-int8-parallel", "openvino", "openvino.int8", "int8"),
    parallel("ctranslate2-int8-parallel", "ctranslate2", "int8", "int8"),
    Engine("candle-f32", "candle-core", "candle", ("f32",), "f32"),
    Engine("rust-bert-f32", "rust-bert", "rust-bert", ("f32",), "f32"),
    Engine("rust-bert-pipeline-f32", "rust-bert", "rust-bert", ("pipeline",), "f32", PIPELINE_WORKS),
    Engine("rten-f32", "rten", "rten", ("model",), "f32"),
    Engine("rten-int8", "rten", "rten", ("model.int8",), "int8"),
    Engine("transformers-pipeline-f32", "transformers", "python", ("pipeline", "f32"), "f32", NLI_WORKS),
]
