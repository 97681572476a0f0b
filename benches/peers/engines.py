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
    """Runs all batches of a pass at once, and is compared with entopic's one call with all texts."""
    uses: str = ""
    """The instructions of x86-64 CPUs that it can use for its products, in the report's words."""

    def command(self, python: Path, workers: Path, binaries: Path) -> list[str]:
        """The command that starts it, without the model, the texts and the number of threads."""
        if self.program == "python":
            return [str(python), str(workers / "worker.py"), *self.arguments]
        return [str(binaries / f"peer-{self.program}"), *self.arguments]


# Instructions by package and precision: oneDNN is in torch and OpenVINO, MLAS in ONNX Runtime.
USES = {
    ("entopic", "int8"): "AMX, AVX-512 VNNI, AVX-VNNI, AVX-512, AVX2",
    ("entopic", "bf16"): "AMX, and AVX-512 BF16 on AMD's CPUs, for bf16; else f32's",
    ("entopic", "f32"): "AVX-512, AVX2",
    ("torch", "f32"): "AVX-512, AVX2",
    ("onnxruntime", "f32"): "AVX-512, AVX2",
    ("onnxruntime", "int8"): "AMX, AVX-512 VNNI, AVX-VNNI, AVX-512, AVX2",
    ("openvino", "f32"): "AVX-512, AVX2",
    ("openvino", "bf16"): "AMX for bf16 and AVX-512 BF16, where its default hint picks them; else f32's",
    ("openvino", "int8"): "AMX, AVX-512 VNNI, AVX-VNNI, AVX2; f32 elsewhere",
    ("openvino", "int8-bf16"): "the same; bf16 elsewhere, where its default hint picks it",
    ("ctranslate2", "f32"): "AVX-512, AVX2",
    ("ctranslate2", "int8"): "what MKL or oneDNN can: AMX, AVX-512 VNNI, AVX-512, AVX2",
    ("candle-core", "f32"): "AVX-512, AVX2",
    ("rten", "f32"): "AVX-512, AVX2",
    ("rten", "int8"): "AVX-512 VNNI, AVX-512, AVX2",
}


def entopic(precision: str, works: frozenset[str] = TOKEN_WORKS) -> Engine:
    uses = USES["entopic", precision]
    return Engine(f"entopic-{precision}", "entopic", "entopic", (precision,), precision, works, uses=uses)


def python(name: str, package: str, variant: str, precision: str) -> Engine:
    uses = USES[package, precision]
    return Engine(name, package, "python", (package, variant), precision, uses=uses)


def parallel(name: str, package: str, variant: str, precision: str) -> Engine:
    arguments = (package, variant, "--side-by-side")
    uses = USES[package, precision]
    return Engine(name, package, "python", arguments, precision, MANY_BATCHES, side_by_side=True, uses=uses)


def other(name: str, package: str, program: str, arguments: tuple[str, ...], precision: str) -> Engine:
    return Engine(name, package, program, arguments, precision, uses=USES[package, precision])


ENGINES = [
    entopic("int8", TOKEN_WORKS | NLI_WORKS),
    entopic("bf16"),
    entopic("f32", TOKEN_WORKS | NLI_WORKS),
    python("torch-f32", "torch", "f32", "f32"),
    python("onnxruntime-f32", "onnxruntime", "model", "f32"),
    python("onnxruntime-fused-f32", "onnxruntime", "model.fused", "f32"),
    python("onnxruntime-int8", "onnxruntime", "model.int8", "int8"),
    python("onnxruntime-fused-int8", "onnxruntime", "model.fused.int8", "int8"),
    python("openvino-f32", "openvino", "openvino:f32", "f32"),
    python("openvino-default", "openvino", "openvino", "bf16"),
    python("openvino-int8", "openvino", "openvino.int8:f32", "int8"),
    python("openvino-int8-default", "openvino", "openvino.int8", "int8-bf16"),
    python("ctranslate2-f32", "ctranslate2", "float32", "f32"),
    python("ctranslate2-int8", "ctranslate2", "int8", "int8"),
    parallel("onnxruntime-int8-parallel", "onnxruntime", "model.int8", "int8"),
    parallel("onnxruntime-fused-int8-parallel", "onnxruntime", "model.fused.int8", "int8"),
    parallel("openvino-default-parallel", "openvino", "openvino", "bf16"),
    parallel("openvino-int8-default-parallel", "openvino", "openvino.int8", "int8-bf16"),
    parallel("ctranslate2-int8-parallel", "ctranslate2", "int8", "int8"),
    other("candle-f32", "candle-core", "candle", ("f32",), "f32"),
    Engine("rust-bert-f32", "rust-bert", "rust-bert", ("f32",), "f32"),
    Engine("rust-bert-pipeline-f32", "rust-bert", "rust-bert", ("pipeline",), "f32", PIPELINE_WORKS),
    other("rten-f32", "rten", "rten", ("model",), "f32"),
    other("rten-int8", "rten", "rten", ("model.int8",), "int8"),
    Engine("transformers-pipeline-f32", "transformers", "python", ("pipeline", "f32"), "f32", NLI_WORKS),
]
