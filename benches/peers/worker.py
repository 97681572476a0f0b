"""A worker for peers with a Python API; README.md describes its requests and answers.

python worker.py ENGINE VARIANT --model FOLDER --texts FOLDER --threads N [--side-by-side]
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np

Ids = list[list[int]]


def pad(ids: Ids) -> dict[str, np.ndarray]:
    """The model's inputs, `[texts, longest]`."""
    shape = len(ids), max(map(len, ids))
    tokens, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, text in enumerate(ids):
        tokens[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}


class Torch:
    """transformers' own model."""

    def __init__(self, folder: Path, variant: str, threads: int) -> None:
        import torch
        from transformers import BertForTokenClassification

        self.torch = torch
        torch.set_num_threads(threads)
        self.model = BertForTokenClassification.from_pretrained(folder).eval()

    def prepare(self, ids: Ids) -> Any:
        return {name: self.torch.from_numpy(array) for name, array in pad(ids).items()}

    def run(self, batches: list[Any]) -> list[np.ndarray]:
        with self.torch.inference_mode():
            return [self.model(**batch).logits.numpy() for batch in batches]


class OnnxRuntime:
    """ONNX Runtime; the variant is the name of the model's file."""

    def __init__(self, folder: Path, variant: str, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        path = str(folder / f"{variant}.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def prepare(self, ids: Ids) -> Any:
        return pad(ids)

    def run(self, batches: list[Any]) -> list[np.ndarray]:
        return [self.session.run(None, batch)[0] for batch in batches]


class OpenVino:
    """OpenVINO; the variant is the name of the model's file, and after a colon the required precision.

    Without one, OpenVINO chooses: bf16 where the CPU has it, which is what its users get.
    """

    def __init__(self, folder: Path, variant: str, threads: int) -> None:
        import openvino

        variant, _, precision = variant.partition(":")
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            **({"INFERENCE_PRECISION_HINT": precision} if precision else {}),
            # Models of one thread would all be pinned to the first core.
            "ENABLE_CPU_PINNING": threads > 1,
        }
        self.model = openvino.Core().compile_model(folder / f"{variant}.xml", "CPU", settings)
        self.request = self.model.create_infer_request()

    def prepare(self, ids: Ids) -> Any:
        return pad(ids)

    def run(self, batches: list[Any]) -> list[np.ndarray]:
        return [self.request.infer(batch)[0] for batch in batches]


class CTranslate2:
    """CTranslate2's encoder and the head in NumPy; the variant is the compute type."""

    def __init__(self, folder: Path, variant: str, threads: int) -> None:
        import ctranslate2

        self.ctranslate2 = ctranslate2
        folder = folder / "ctranslate2"
        self.encoder = ctranslate2.Encoder(
            str(folder), "cpu", compute_type=variant, inter_threads=1, intra_threads=threads
        )
        head = np.load(folder / "head.npz")
        self.weight, self.bias = head["weight"].T.copy(), head["bias"]

    def prepare(self, ids: Ids) -> Any:
        lengths = np.array([len(text) for text in ids], np.int32)
        tokens = pad(ids)["input_ids"].astype(np.int32)
        return [self.ctranslate2.StorageView.from_array(array) for array in (tokens, lengths)]

    def run(self, batches: list[Any]) -> list[np.ndarray]:
        hidden = (self.encoder.forward_batch(*batch).last_hidden_state for batch in batches)
        return [np.array(rows) @ self.weight + self.bias for rows in hidden]


ENGINES = {"torch": Torch, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "ctranslate2": CTranslate2}


class SideBySide:
    """One engine of one thread per thread, each with different batches: no barriers in operators."""

    def __init__(self, engine: type, folder: Path, variant: str, threads: int) -> None:
        self.free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(threads):
            self.free.put(engine(folder, variant, 1))
        self.pool = ThreadPoolExecutor(threads)

    def prepare(self, ids: Ids) -> Any:
        return self.with_engine(lambda engine: engine.prepare(ids))

    def run(self, batches: list[Any]) -> list[np.ndarray]:
        return list(
            self.pool.map(lambda batch: self.with_engine(lambda engine: engine.run([batch])[0]), batches)
        )

    def with_engine(self, call: Callable[[Any], Any]) -> Any:
        engine = self.free.get()
        try:
            return call(engine)
        finally:
            self.free.put(engine)


class TokenClassifier:
    """Runs works over token ids on an engine. Batches are made before the clock starts."""

    def __init__(self, engine: Any, texts: Path) -> None:
        self.engine = engine
        self.texts = texts

    def batches(self, work: str, size: int) -> list[Any]:
        ids = sorted(json.loads((self.texts / f"{work}.json").read_text())["ids"], key=len)
        return [self.engine.prepare(ids[start : start + size]) for start in range(0, len(ids), size)]

    def time(self, work: str, batch: int) -> float:
        batches = self.batches(work, batch)
        start = time.perf_counter()
        self.engine.run(batches)
        return time.perf_counter() - start

    def logits(self) -> list[list[list[float]]]:
        ids = json.loads((self.texts / "logits.json").read_text())["ids"]
        [rows] = self.engine.run([self.engine.prepare(ids)])
        return [row[1 : len(text) - 1].tolist() for row, text in zip(rows, ids, strict=True)]


class ZeroShotPipeline:
    """transformers' zero-shot pipeline."""

    def __init__(self, folder: Path, texts: Path, threads: int) -> None:
        import torch
        from transformers import pipeline

        torch.set_num_threads(threads)
        self.pipeline = pipeline("zero-shot-classification", model=str(folder), device="cpu")
        self.texts = texts

    def time(self, work: str, batch: int) -> float:
        content = json.loads((self.texts / f"{work}.json").read_text())
        start = time.perf_counter()
        self.pipeline(content["texts"], content["labels"], batch_size=batch)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=[*ENGINES, "pipeline"])
    parser.add_argument("variant")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--side-by-side", action="store_true")
    args = parser.parse_args()

    # Libraries print to standard output, which must have only answers for run.py.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    if args.engine == "pipeline":
        worker = ZeroShotPipeline(args.model, args.texts, args.threads)
    else:
        engine = ENGINES[args.engine]
        make = partial(SideBySide, engine) if args.side_by_side else engine
        worker = TokenClassifier(make(args.model, args.variant, args.threads), args.texts)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request["work"] == "logits":
            answer = {"logits": worker.logits()}
        else:
            answer = {"seconds": worker.time(**request)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
