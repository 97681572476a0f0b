"""A service as users of these packages would write it: FastAPI, tokenizers and ONNX Runtime, one request at a time.

    MODEL=FOLDER ONNX=model.int8.onnx uvicorn peer:app
"""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import Tokenizer

FOLDER = Path(os.environ["MODEL"])
LABELS = {int(at): label for at, label in json.loads((FOLDER / "config.json").read_text())["id2label"].items()}
TOKENIZER = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
TOKENIZER.enable_truncation(512)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ.get("THREADS", "2"))
SESSION = onnxruntime.InferenceSession(str(FOLDER / os.environ["ONNX"]), options, providers=["CPUExecutionProvider"])

app = FastAPI()


class Request(BaseModel):
    text: str


@app.post("/v1/entities")
def entities(request: Request) -> list[dict]:
    """Tokens that are not `O`, with their label; words and spans are left to the caller."""
    encoded = TOKENIZER.encode(request.text)
    row = np.array([encoded.ids], np.int64)
    inputs = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
    (logits,) = SESSION.run(None, inputs)
    found = zip(logits[0].argmax(axis=-1), encoded.offsets)
    return [{"label": LABELS[int(at)], "start": s, "end": e} for at, (s, e) in found if LABELS[int(at)] != "O" and e > s]
