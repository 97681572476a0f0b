"""Make tiny random-weight GLiNER and GLiClass checkpoints and the results of the packages gliner and gliclass.

    python zero_shot.py [OUTPUT_FOLDER]

Each checkpoint gets a folder as the package saves it, and golden.json. Nothing is downloaded:
texts, vocabularies and weights come from make.py, this file and fixed seeds. README.md describes
golden.json.
"""

import json
import logging
import os
import shutil
import sys
import unicodedata
import warnings
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

# Everything is here already: the packages would otherwise ask the hub.
os.environ["HF_HUB_OFFLINE"] = "1"

from checkpoints import MIXING_GAIN, PLAIN_GAIN, QUERY_GAIN, write_json
from references import COMPOSED, NOISE, f32
from vocabularies import CORPUS

import gliclass.model
import torch
import transformers
from gliclass import GLiClassModel, GLiClassModelConfig, ZeroShotClassificationPipeline
from gliclass.scorers import MLPScorer
from gliner import GLiNER
from gliner.config import GLiNERConfig
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, DebertaV2TokenizerFast, PreTrainedTokenizerFast

HIDDEN, LAYERS, HEADS, INTERMEDIATE = 12, 2, 2, 20
# What a head of GLiNER works with when its backbone's width is projected; an LSTM has half of it in
# each direction.
PROJECTED = 8
# Words of text that the GLiNER checkpoints read, and tokens that the GLiClass ones do.
MAX_WORDS, MAX_TOKENS = 24, 96
# The package fixes the hidden width of the `mlp` scorer at 256, which alone is 160 KB. Its formula
# is the same at any width, and a reader takes the width from the tensors.
MLP_WIDTH = 12
gliclass.model.SCORER2OBJECT["mlp"] = partial(MLPScorer, mlp_hidden_size=MLP_WIDTH)


# Tokenizers


def sentencepiece(folder, size=250):
    """A Unigram tokenizer like DeBERTa-v3's, without the tokens that mark labels."""
    specials = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    # Zero-width characters vanish, as in SentencePiece's own tables: such a word has no token.
    cleaned = [normalizers.Strip(), normalizers.NFKC(), normalizers.Replace(Regex("[\u200b-\u200f\ufe0f]"), "")]
    normalizer = normalizers.Sequence([*cleaned, normalizers.Replace(Regex(" {2,}"), " ")])
    splitter = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    trained = Tokenizer(models.BPE())
    trained.normalizer, trained.pre_tokenizer = normalizer, splitter
    trained.train_from_iterator([CORPUS], trainers.BpeTrainer(vocab_size=size, show_progress=False))
    # As in make.py: a Unigram trainer sums in hash order.
    ranked = sorted(trained.get_vocab().items(), key=lambda item: item[1])
    pieces = [(piece, 0.0) for piece in specials]
    pieces += [(p, -12.0 if len(p) == 1 else round(-4.0 - rank / 100, 2)) for p, rank in ranked]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.add_special_tokens([*specials, "[MASK]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return wrapped(DebertaV2TokenizerFast, tokenizer, folder)


def byte_level(folder, size=310):
    """Byte-level BPE as in ModernBERT, without the tokens that mark labels."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator([CORPUS], trainer)
    tokenizer.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(s, tokenizer.token_to_id(s)) for s in ("[CLS]", "[SEP]")],
    )
    tokenizer.decoder = decoders.ByteLevel()
    return wrapped(PreTrainedTokenizerFast, tokenizer, folder)


def wrapped(kind, tokenizer, folder):
    """transformers' tokenizer from a tokenizer.json."""
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "cls", "sep", "pad", "mask")}
    return kind(tokenizer_file=str(path), model_input_names=["input_ids", "attention_mask"], **names)


def save_tokenizer(tokenizer, folder):
    """Write a tokenizer's files, tokenizer.json without its indentation."""
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer.json"
    Tokenizer.from_file(str(path)).save(str(path), pretty=False)


# Weights


def gain(name):
    """The size of the weights of one layer."""
    if "query" in name or "key" in name or "Wqkv" in name:
        return QUERY_GAIN
    if "value" in name or "attention.output" in name or "attn.Wo" in name:
        return MIXING_GAIN
    # A label says less than a word does, or one text has all the entities.
    return PLAIN_GAIN / 2 if "proj_label" in name else PLAIN_GAIN


def randomise(model, seed):
    """Give every weight a random value large enough that tokens and labels differ clearly."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if name.lower().endswith("norm.weight"):
            value = 1 + 0.2 * noise
        elif weight.dim() < 2:
            value = 0.3 * noise
        elif "embeddings" in name:
            value = 0.8 * noise
        else:
            value = gain(name) * noise / weight.shape[1] ** 0.5
        weight.data.copy_(value)


@torch.no_grad()
def rescale(layer, values, mean, deviation):
    """Change the last linear layer so that its outputs, now `values` [n, k], have these moments."""
    scale = torch.as_tensor(deviation) / values.std(0)
    layer.bias.sub_(values.mean(0)).mul_(scale).add_(torch.as_tensor(mean))
    layer.weight.mul_(scale.expand(len(layer.weight))[:, None])


# GLiNER

LEGACY_TOKEN = "[FLERT]"
# Of a config.json of version 2.1 of the checkpoints: what trained it, and little of the model.
LEGACY_FIELDS = ["max_width", "model_name", "fine_tune", "subtoken_pooling", "hidden_size", "span_mode", "dropout"]
LEGACY_TRAINING = {"lr_encoder": "1e-5", "lr_others": "5e-5", "max_types": 25, "shuffle_types": True, "name": "large"}


@dataclass
class Gliner:
    """One GLiNER checkpoint: its head, and whether it is saved as the first versions were."""

    name: str
    seed: int
    span_mode: str
    hidden: int = PROJECTED
    has_rnn: bool = True
    max_width: int = 12
    legacy: bool = False


def deberta_config(vocabulary):
    """A backbone of the DeBERTa-v3 family, as transformers writes its config."""
    return {
        "model_type": "deberta-v2",
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INTERMEDIATE,
        "hidden_act": "gelu",
        "max_position_embeddings": MAX_TOKENS,
        "relative_attention": True,
        # Few enough that distant tokens share a bucket.
        "position_buckets": 8,
        "max_relative_positions": -1,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "layer_norm_eps": 1e-7,
        "position_biased_input": False,
        "type_vocab_size": 0,
        "pad_token_id": 0,
    }


def gliner_config(spec, vocabulary, first_added):
    """The config of a checkpoint whose tokenizer has the tokens that mark labels."""
    return GLiNERConfig(
        model_name="microsoft/deberta-v3-small",
        name=spec.name,
        span_mode=spec.span_mode,
        hidden_size=spec.hidden,
        has_rnn=spec.has_rnn,
        max_width=spec.max_width,
        max_len=MAX_WORDS,
        vocab_size=vocabulary,
        class_token_index=first_added,
        encoder_config=deberta_config(vocabulary),
    )


def marked(tokenizer, tokens, **kind):
    """The id of the first of the tokens that are added."""
    first = len(tokenizer)
    assert tokenizer.add_tokens(tokens, **kind) == len(tokens)
    return first


def save_gliner(spec, folder):
    """Write the checkpoint and return its model as it was before saving."""
    tokenizer = sentencepiece(folder)
    plain = len(tokenizer)
    if spec.legacy:
        save_tokenizer(tokenizer, folder)
        first = marked(tokenizer, [LEGACY_TOKEN, "<<ENT>>", "<<SEP>>"]) + 1
    else:
        first = marked(tokenizer, ["<<ENT>>", "<<SEP>>"])
    config = gliner_config(spec, len(tokenizer), first)
    model = GLiNER(config, tokenizer=tokenizer, encoder_from_pretrained=False).eval()
    randomise(model.model, spec.seed)
    calibrate_gliner(model)
    if spec.legacy:
        written = {key: getattr(config, key) for key in LEGACY_FIELDS} | LEGACY_TRAINING
        # More rows than the checkpoint has, as microsoft/deberta-v3-small announces.
        encoder = deberta_config(plain + 30) | {"pos_att_type": "p2c|c2p"}
        write_json(folder / "gliner_config.json", written | {"max_len": MAX_WORDS, "encoder_config": encoder})
        save_file(model.model.state_dict(), folder / "model.safetensors")
    else:
        model.save_pretrained(folder, safe_serialization=True)
        save_tokenizer(tokenizer, folder)
    return model


def load_gliner(folder):
    """The checkpoint as the package reads it from its folder."""
    model = GLiNER.from_pretrained(str(folder), local_files_only=True).eval()
    assert model.model.token_rep_layer.bert_layer.model.config._attn_implementation == "eager"
    return model


@torch.no_grad()
def calibrate_gliner(model):
    """Rescale the last layer of the head so that a few spans of each text are entities."""
    if model.config.span_mode == "token_level":
        logits = torch.cat([run_gliner(model, t, ls)["logits"].flatten(0, 1) for t, ls, _ in gliner_cases(model) if t])
        # Starts and ends are rare, and what is between them is likely.
        rescale(model.model.scorer.out_mlp[3], logits, [-1.0, -1.0, 2.0], [2.4, 2.4, 2.2])
        return
    head = model.model.span_rep_layer.span_rep_layer.out_project
    head = head if isinstance(head, torch.nn.Linear) else head[3]
    runs = [run_gliner(model, text, labels) for text, labels, _ in gliner_cases(model) if text]
    prompts, spans = (torch.cat([run[key] for run in runs]) for key in ("prompts", "spans"))
    # Random hidden states have most of their direction in common: without it labels differ. One
    # coordinate stays nearly the same for all, and so can lower every score.
    last = model.model.prompt_rep_layer[3]
    for layer, values in ((last, prompts), (head, spans)):
        layer.weight[0] *= 0.1
        layer.bias[0] *= 0.1
        values[:, 0] *= 0.1
        layer.bias -= values.mean(0)
        values -= values.mean(0)
    scale = 2.6 / (spans @ prompts.T).std()
    head.weight *= scale
    head.bias *= scale
    last.bias[0] += 1
    head.bias[0] -= 2.6


@torch.no_grad()
def run_gliner(model, text, labels):
    """The model's inputs and results for one text: logits [words, ...], without padding."""
    inputs, raw = model.prepare_model_inputs([text], labels)
    kept = {}
    hooks = []
    if hasattr(model.model, "span_rep_layer"):
        keep = lambda key: lambda _, __, output: kept.update({key: output[0]})
        hooks.append(model.model.span_rep_layer.register_forward_hook(keep("spans")))
        hooks.append(model.model.prompt_rep_layer.register_forward_hook(keep("prompts")))
    logits = model.model(**inputs).logits[0]
    for hook in hooks:
        hook.remove()
    if hooks:
        inside = raw["span_mask"][0].bool()
        kept["spans"] = kept["spans"].flatten(0, 1)[inside]
    ids, mask = inputs["input_ids"][0].tolist(), inputs["words_mask"][0].tolist()
    return {"ids": ids, "words_mask": mask, "logits": logits, "tokens": raw["tokens"][0], **kept}


PEOPLE = "Maria Okafor met Anders Lindqvist in Geneva on Tuesday."
LONG = "The minister said that talks with the Northern Rail Company would go on; nobody believed her."
# Words that no letter, digit or sign in the regex of other languages delimits alike.
ODD = "e_mail -x- 3.14 ½ x² a\u203fb क्या \x1cBern\u00a0Zo\u0065\u0308 won't 🇨🇭"
# threshold, flat_ner, multi_label
SETTINGS = [(0.5, True, False), (0.5, False, False), (0.5, True, True), (0.7, False, True)]


def gliner_cases(model):
    """text, labels, settings."""
    full = " ".join(CORPUS.split()[20:])
    words = [end for _, _, end in model.data_processor.words_splitter(full)]
    return [
        (PEOPLE, ["person"], SETTINGS[:1]),
        (PEOPLE, ["person", "place", "day of the week"], SETTINGS),
        ("Jean-Pierre O'Neill\u2019s state-of-the-art e-mail", ["co-founder", "São Tomé", "  東京 👍 "], SETTINGS),
        ("Team 👩\u200d🔬 won in Bern 👍🏽! 東京の田中さん met Иван, где", ["Person", "person"], SETTINGS[:3]),
        (LONG, ["politics", "Northern Rail Company"], SETTINGS),
        (full[: words[MAX_WORDS - 1]], ["person"], SETTINGS[:1]),
        ("Obama", ["person", "city"], SETTINGS[:1]),
        ("", ["person", "city"], SETTINGS[:1]),
    ]


def split_cases(model):
    """The starts and ends of words in texts that different regexes split differently."""
    texts = [ODD, COMPOSED, unicodedata.normalize("NFD", COMPOSED), "הנשיא דיבר in Bern مع العالم", " \t ", "a\r\nb_-c"]
    return [{"text": t, "words": [[s, e] for _, s, e in model.data_processor.words_splitter(t)]} for t in texts]


def decode(model, run, labels, logits, threshold, flat_ner, multi_label):
    """The entities of some logits, as the package's decoder gives them: word indices, inclusive."""
    names = dict(enumerate(dict.fromkeys(labels), start=1))
    options = {"flat_ner": flat_ner, "threshold": threshold, "multi_label": multi_label}
    return model.decoder.decode([run["tokens"]], names, logits[None], **options)[0]


def gliner_case(model, text, labels, settings):
    """The golden's entry for one text and its labels."""
    words = [[start, end] for _, start, end in model.data_processor.words_splitter(text)]
    assert len(words) <= MAX_WORDS, "the text would be cut"
    case = {"text": text, "labels": labels, "words": words}
    if not words:
        # The package runs a stand-in word, and fails if that is an entity.
        empty = [dict(zip(("threshold", "flat_ner", "multi_label"), setting), entities=[]) for setting in settings]
        return case | {"ids": [], "words_mask": [], "logits": [], "results": empty}
    run = run_gliner(model, text, labels)
    results = [gliner_result(model, run, text, labels, *setting) for setting in settings]
    logits = run["logits"]
    if model.config.span_mode != "token_level":
        assert_padding(logits)
        logits = [row[: len(words) - start] for start, row in enumerate(logits)]
    scores = [f32(row) for row in logits]
    return case | {"ids": run["ids"], "words_mask": run["words_mask"], "logits": scores, "results": results}


def assert_padding(logits):
    """Fail unless spans past the end of the text repeat the first one's score: so nobody needs them."""
    for start, row in enumerate(logits):
        assert torch.allclose(row[len(logits) - start :], logits[0, 0], atol=1e-4)


def gliner_result(model, run, text, labels, threshold, flat_ner, multi_label):
    """One call of the package, checked with noise on its logits."""
    setting = {"threshold": threshold, "flat_ner": flat_ner, "multi_label": multi_label}
    found = model.predict_entities(text, labels, **setting)
    reference = decode(model, run, labels, run["logits"], **setting)
    assert len(found) == len(reference)
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        noise = NOISE * (2 * torch.rand(run["logits"].shape, generator=generator) - 1)
        moved = decode(model, run, labels, run["logits"] + noise, **setting)
        assert [e[:3] for e in moved] == [e[:3] for e in reference], f"a tie in {text!r}"
    entities = [{**entity, "score": f32(entity["score"])} for entity in found]
    return setting | {"entities": entities}


def check_gliner(spec, cases):
    """Fail unless the results exercise the decisions of decoding."""
    counts = [len(case["results"][0]["entities"]) for case in cases]
    assert sum(counts) >= 12 and sum(count >= 2 for count in counts) >= 3, f"too few entities: {counts}"
    labels = {e["label"] for case in cases for e in case["results"][0]["entities"]}
    assert len(labels) >= 5, f"labels too uniform: {labels}"
    flat = [e for case in cases for e in case["results"][0]["entities"]]
    assert any(" " in e["text"] for e in flat), "no entity of several words"
    several = [case["results"] for case in cases if len(case["results"]) == len(SETTINGS)]
    for one, other in [(0, 1), (0, 2), (1, 3)]:
        changed = [r for r in several if r[one]["entities"] != r[other]["entities"]]
        assert changed, f"settings {SETTINGS[one]} and {SETTINGS[other]} never differ"
    assert any(touching(case) for case in cases), "no two entities of adjacent words"
    nested = [pair for r in several for pair in pairs(r[1]["entities"])]
    assert any(a["start"] <= b["start"] and b["end"] <= a["end"] for a, b in nested), "no nested entities"
    if spec.span_mode != "token_level":
        long = [len(case["words"]) for case in cases if len(case["words"]) > spec.max_width]
        assert len(long) >= 2, "no text longer than the widest span"


def pairs(entities):
    """Every two different entities, in both orders."""
    return [(a, b) for a in entities for b in entities if a is not b]


def touching(case):
    """Whether one entity ends with the word before another's first."""
    starts = {start: index for index, (start, _) in enumerate(case["words"])}
    ends = {end: index for index, (_, end) in enumerate(case["words"])}
    return any(ends[a["end"]] + 1 == starts[b["start"]] for a, b in pairs(case["results"][0]["entities"]))


def gliner_golden(spec, model):
    """Prompts, words, logits and entities."""
    cases = [gliner_case(model, *case) for case in gliner_cases(model)]
    check_gliner(spec, cases)
    content = {"cases": cases}
    return content | ({"splits": split_cases(model)} if spec.legacy else {})


# GLiClass


@dataclass
class Gliclass:
    """One GLiClass checkpoint: its backbone's type and the options of its head."""

    name: str
    seed: int
    backbone: str
    options: dict = field(default_factory=dict)


def modernbert_config(tokenizer, vocabulary):
    """A ModernBERT of one global and one local layer."""
    ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"[{name.upper()}]") for name in ("cls", "sep", "pad")}
    return {
        "model_type": "modernbert",
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INTERMEDIATE // 2,
        "max_position_embeddings": MAX_TOKENS,
        "global_attn_every_n_layers": 3,
        "local_attention": 8,
        "bos_token_id": ids["cls_token_id"],
        "eos_token_id": ids["sep_token_id"],
        "reference_compile": False,
        **ids,
    }


def save_gliclass(spec, folder):
    """Write the checkpoint and return its model as it was before saving."""
    modern = spec.backbone == "modernbert"
    tokenizer = byte_level(folder) if modern else sentencepiece(folder)
    tokenizer.model_max_length = MAX_TOKENS
    first = marked(tokenizer, ["<<LABEL>>", "<<SEP>>"], special_tokens=True)
    encoder = modernbert_config(tokenizer, len(tokenizer)) if modern else deberta_config(len(tokenizer))
    config = GLiClassModelConfig(
        encoder_config=encoder,
        encoder_model="answerdotai/ModernBERT-base" if modern else "microsoft/deberta-v3-base",
        class_token_index=first,
        text_token_index=first + 1,
        problem_type="multi_label_classification",
        **spec.options,
    )
    model = GLiClassModel(eager(config)).eval()
    randomise(model, spec.seed)
    # Unlike its initial value, so that this decides nothing.
    model.model.logit_scale.data.fill_(3.5)
    calibrate_gliclass(model, tokenizer)
    save_tokenizer(tokenizer, folder)
    model.save_pretrained(folder, safe_serialization=True)
    return model


def eager(config):
    """The config, with plain attention."""
    config.encoder_config._attn_implementation = "eager"
    return config


def load_gliclass(folder):
    """The checkpoint as the package reads it from its folder, and its tokenizer."""
    config = eager(GLiClassModelConfig.from_pretrained(folder))
    model = GLiClassModel.from_pretrained(folder, config=config).eval()
    assert model.model.encoder_model.config._attn_implementation == "eager"
    return model, AutoTokenizer.from_pretrained(folder)


@torch.no_grad()
def calibrate_gliclass(model, tokenizer):
    """Rescale the head so that logits lie on both sides of zero and differ between texts."""
    runs = [run_gliclass(model, tokenizer, *case) for case in gliclass_cases(model, tokenizer)]
    if model.config.scorer_type == "mlp":
        logits = torch.cat([run["logits"] for run in runs])[:, None]
        rescale(model.model.scorer.mlp[4], logits / scale_of(model), 0.0, 2.0 / scale_of(model))
        return
    if model.config.scorer_type == "weighted-dot":
        logits = torch.cat([run["logits"] for run in runs])[:, None]
        rescale(model.model.scorer.out_mlp[3], logits, 0.0, 2.0)
        return
    for key, layer in (("text", model.model.text_projector), ("classes", model.model.classes_projector)):
        values = torch.cat([run[key] for run in runs])
        rescale(layer.linear_2, values, 0.0, 0.9)


def scale_of(model):
    """What the scorer's result is multiplied with."""
    return model.model.logit_scale if model.config.normalize_features else torch.tensor(1.0)


def prompted(model, text, labels):
    """The string that the pipeline makes of a text and its labels."""
    prompt = "".join(f"<<LABEL>>{label.lower()}" for label in labels) + "<<SEP>>"
    return prompt + text if model.config.prompt_first else text + prompt


@torch.no_grad()
def run_gliclass(model, tokenizer, text, labels):
    """Ids and logits [labels] of one text, and what the scorer compared."""
    ids = tokenizer(prompted(model, text, labels))["input_ids"]
    assert len(ids) <= MAX_TOKENS, "the text would be cut"
    tokens = torch.tensor([ids])
    output = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), output_text_embeddings=True, output_class_embeddings=True)
    return {"ids": ids, "logits": output.logits[0], "text": output.text_embeddings, "classes": output.class_embeddings[0]}


NEWS = "Maria Okafor sold the harbour of Lagos to the World Bank."
SPORT = "the guests won the cup final, 4-2!"
FIVE = ["politics", "sport", "economy", "culture", "health"]


def gliclass_cases(model, tokenizer):
    """text, labels."""
    return [
        (NEWS, ["economy"]),
        (NEWS, FIVE),
        (SPORT, FIVE),
        ("  Science: a team of the University of Bern has measured how glaciers melt.\n", FIVE),
        (SPORT, ["Well-known", "war, peace and law", "São Tomé", "日本", "Москва 👍"]),
        ("Team 👩\u200d🔬 won 🇨🇭 👍🏽! 東京", ["sport", "law", "sport", "state of the art"]),
        ("", ["law", "culture", "Science"]),
        (filled(model, tokenizer, ["politics", "law"]), ["politics", "law"]),
    ]


def filled(model, tokenizer, labels):
    """A text that, with its prompt and special tokens, is exactly as long as the model reads."""
    text = ""
    for word in CORPUS.split() + ["a"] * MAX_TOKENS:
        longer = f"{text} {word}".strip()
        if len(tokenizer(prompted(model, longer, labels))["input_ids"]) <= MAX_TOKENS:
            text = longer
    assert len(tokenizer(prompted(model, text, labels))["input_ids"]) == MAX_TOKENS
    return text


def gliclass_case(model, tokenizer, pipelines, text, labels):
    """The golden's entry for one text and its labels."""
    run = run_gliclass(model, tokenizer, text, labels)
    assert_pieces(model, tokenizer, text, labels, run["ids"])
    logits = run["logits"]
    assert (logits.abs() > 5 * NOISE).all(), f"a logit near zero: {text!r}"
    best = logits.sort(descending=True).values
    different = len(set(labels)) > 1
    assert not different or best[0] - best[1] > 5 * NOISE, f"a tie in {text!r}"
    results = {}
    for kind, pipeline in pipelines.items():
        (result,) = pipeline([text], labels, threshold=0.5)
        results[kind] = [{**found, "score": f32(found["score"])} for found in result]
    scores = {"multi_label": torch.sigmoid(logits), "single_label": torch.softmax(logits, -1)}
    scores = {kind: {"scores": f32(scores[kind]), "result": results[kind]} for kind in scores}
    return {"text": text, "labels": labels, "ids": run["ids"], "logits": f32(logits), **scores}


def assert_pieces(model, tokenizer, text, labels, ids):
    """Fail unless a text may be tokenised alone and put together with its labels."""
    encode = lambda part: tokenizer(part, add_special_tokens=False)["input_ids"]
    marker, end = model.config.class_token_index, model.config.text_token_index
    prompt = [i for label in labels for i in [marker, *encode(label.lower())]] + [end]
    body = prompt + encode(text) if model.config.prompt_first else encode(text) + prompt
    assert ids == [tokenizer.cls_token_id, *body, tokenizer.sep_token_id], f"glued: {text!r}"


def check_gliclass(cases):
    """Fail unless labels win and lose, by text and not only by their own name."""
    five = [case for case in cases if case["labels"] == FIVE]
    winners = {case["single_label"]["result"][0]["label"] for case in five}
    assert len(winners) >= 2, f"the same label always wins: {winners}"
    chosen = [len(case["multi_label"]["result"]) for case in cases]
    assert 0 in chosen or 1 in chosen, f"every label is chosen: {chosen}"
    assert any(1 < count < len(case["labels"]) for count, case in zip(chosen, cases)), f"too uniform: {chosen}"
    scores = [s for case in cases for s in case["multi_label"]["scores"]]
    assert max(scores) - min(scores) > 0.7, "scores too close together"


def gliclass_golden(model, tokenizer):
    """Prompts, logits and both kinds of results."""
    kinds = {"multi_label": "multi-label", "single_label": "single-label"}
    pipelines = {
        key: ZeroShotClassificationPipeline(
            model, tokenizer, classification_type=kind, max_length=MAX_TOKENS, device="cpu", progress_bar=False
        )
        for key, kind in kinds.items()
    }
    cases = [gliclass_case(model, tokenizer, pipelines, *case) for case in gliclass_cases(model, tokenizer)]
    check_gliclass(cases)
    return {"cases": cases}


# The whole


def checkpoints():
    """Every fixture."""
    return [
        Gliner("gliner-span", 1, "markerV0", legacy=True),
        Gliner("gliner-span-plain", 7, "marker", HIDDEN, has_rnn=False, max_width=5),
        Gliner("gliner-token", 46, "token_level"),
        Gliclass(
            "gliclass-deberta",
            14,
            "deberta-v2",
            {"prompt_first": False, "pooling_strategy": "avg", "scorer_type": "mlp", "normalize_features": True},
        ),
        Gliclass(
            "gliclass-modernbert",
            2,
            "modernbert",
            {"prompt_first": True, "pooling_strategy": "first", "scorer_type": "simple", "normalize_features": False},
        ),
        Gliclass(
            "gliclass-lstm",
            1,
            "deberta-v2",
            {
                "prompt_first": True,
                "pooling_strategy": "max",
                "scorer_type": "weighted-dot",
                "normalize_features": False,
                "use_lstm": True,
            },
        ),
    ]


def write_golden(folder, content):
    """Write golden.json, one case per line."""
    packages = ["torch", "transformers", "tokenizers", folder.name.split("-")[0]]
    lines = [f'"versions": {json.dumps({package: version(package) for package in packages})}']
    for key, rows in content.items():
        rows = ",\n".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in rows)
        lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
    (folder / "golden.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def check_reload(folder, built, model):
    """Fail unless the file holds the weights that were made, and only those."""
    made, read, stored = built.state_dict(), model.state_dict(), load_file(folder / "model.safetensors")
    assert made.keys() == read.keys() == stored.keys()
    for name, weight in made.items():
        assert torch.equal(weight, read[name]) and torch.equal(weight, stored[name]), name


@torch.no_grad()
def check_weights(model, logits, unused):
    """Fail if a tensor could be left out, or its rows exchanged, without changing a logit."""
    reference = logits()
    for name, weight in model.named_parameters():
        kept = weight.clone()
        for spoilt in (torch.zeros_like(kept), kept.flip(0)):
            if torch.equal(spoilt, kept):
                continue
            weight.copy_(spoilt)
            moved = max((a - b).abs().max().item() for a, b in zip(logits(), reference))
            weight.copy_(kept)
            assert (moved > 20 * NOISE) != (name in unused), f"{name}: logits move by {moved}"


def make(spec, folder):
    """Make one fixture."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if isinstance(spec, Gliner):
        built = save_gliner(spec, folder)
        model = load_gliner(folder)
        content = gliner_golden(spec, model)
        check_reload(folder, built.model, model.model)
        cases = [(case["text"], case["labels"]) for case in content["cases"] if case["text"]]
        check_weights(model.model, lambda: [run_gliner(model, *case)["logits"] for case in cases], ())
    else:
        built = save_gliclass(spec, folder)
        model, tokenizer = load_gliclass(folder)
        content = gliclass_golden(model, tokenizer)
        check_reload(folder, built, model)
        cases = [(case["text"], case["labels"]) for case in content["cases"]]
        unused = () if model.config.normalize_features else ("model.logit_scale",)
        check_weights(model, lambda: [run_gliclass(model, tokenizer, *case)["logits"] for case in cases], unused)
    write_golden(folder, content)
    return content


def summarise(folder, content):
    """Print one line about a fixture."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    key = "results" if "results" in content["cases"][0] else None
    if key:
        counts = [[len(result["entities"]) for result in case[key]] for case in content["cases"]]
    else:
        counts = [(len(case["multi_label"]["result"]), case["single_label"]["result"][0]["label"]) for case in content["cases"]]
    print(f"{folder.name:20} {size / 1024:4.0f} KiB  {counts}")


def main(output):
    """Make every fixture under `output`."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    for spec in checkpoints():
        summarise(output / spec.name, make(spec, output / spec.name))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
