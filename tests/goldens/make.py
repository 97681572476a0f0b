"""Make tiny random-weight BERT checkpoints and what transformers computes with them.

    python make.py [OUTPUT_FOLDER]

Each checkpoint gets a folder with config.json, tokenizer.json, tokenizer_config.json,
model.safetensors and golden.json. Nothing is downloaded: texts, vocabularies and weights come
from this file and fixed seeds. README.md says what golden.json holds.
"""

import json
import os
import shutil
import sys
import unicodedata
import warnings
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

# Trainers visit words in hash order when they run in parallel.
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    pipeline,
)

CORPUS = """\
Maria Okafor met Anders Lindqvist in Geneva on Tuesday. The minister said that talks with the
Northern Rail Company would go on until the end of the year; nobody believed her. "We are not
done," Obama said, "and we won't be done in March." In Paris, Berlin, Madrid, Rome and Oslo the
markets rose by 3.5% to 1,204 points, while the price of oil fell to $72 (from $80 in May).

The well-known co-founder of Harbour & Sons, Jean-Pierre O'Neill, doesn't use e-mail: he writes
letters. His daughter Zoë lives in São Tomé with José Álvarez; they own a café near the old
harbour, and in winter they travel to Kraków, Málaga, Göteborg and Besançon. Who pays for this?
The state-of-the-art ship, it is said, was sold to the World Bank for 15 million euros in 1998!

Science: a team of the University of Bern has measured how glaciers melt. "This isn't new," says
Dr. Šárka Nováková, "but it's faster than we thought." Sport: the cup final in Lagos was won by
the guests, 4-2, after extra time; the trainer thanked the whole city, the police and his mother.
Economy, politics, culture, health and law: the editors choose one topic for every text.

東京の田中さんは北京で友人に会った。日本と中国の会議は水曜日に始まる。
Иван жил в Москве, а потом уехал в Киев. Где была Анна? Она работала в газете.
הנשיא דיבר עם השר בירושלים. مع العالم في القاهرة
"""

COMPOSED = "Zoë and José left São Tomé for İzmir, café Šárka."
TEXTS = [
    "Maria Okafor met Anders Lindqvist in Geneva on Tuesday.",
    "Obama, said Michelle",
    "Rome\nParis\tBerlin\u00a0Madrid\r\nOslo\n\nBern",
    COMPOSED,
    unicodedata.normalize("NFD", COMPOSED),
    "Team 👩\u200d🔬 won 🇨🇭 in Bern 👍🏽!",
    "東京の田中さん met Иван, где Анна",
    "הנשיא דיבר in Bern مع العالم",
    "3.14 + 42% = $1,000 -- ??? (#7)",
    "  The World  Bank   of Lagos  ",
    "ไทย ꙮ 𝔘nknown ☃ here",
    "Jean-Pierre O'Neill\u2019s state-of-the-art e-mail won't do",
    "Call [MASK] now </s> please",
    " \t ",
    "",
]

NER, NLI = BertForTokenClassification, BertForSequenceClassification
LAYERS, HIDDEN, HEADS, INTERMEDIATE = 2, 32, 4, 64
# Noise laid on logits to show that no label of a golden rests on the last digits.
NOISE = 2e-4
# Standard deviation of a linear layer's outputs for inputs of one. Queries and keys are larger, so
# that attention is sharp; so is what attention adds, most of all where the first token decides for
# the whole sequence.
PLAIN_GAIN, QUERY_GAIN, MIXING_GAIN, SEQUENCE_MIXING_GAIN = 1.2, 2.0, 1.5, 2.0


# Tokenizers


def piece_vocabulary(normalizer, size, specials):
    """A trained WordPiece vocabulary, token -> id.

    The trainer numbers `##x` as it meets the words, in hash order; naming them beforehand makes
    the vocabulary the same on every run.
    """
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = [w for w, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(CORPUS))]
    continuing = sorted({"##" + c for w in words for c in w[1:]})
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=specials + continuing, min_frequency=1, show_progress=False
    )
    tokenizer.train_from_iterator([CORPUS], trainer)
    return tokenizer.get_vocab()


def wordpiece(lowercase, size=520):
    """A BERT tokenizer; the uncased one also strips accents."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=lowercase)
    vocabulary = piece_vocabulary(normalizer, size, specials)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix="##"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(s, vocabulary[s]) for s in ("[CLS]", "[SEP]")],
    )
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    # BertTokenizerFast rewrites the normaliser of tokenizer.json to match these.
    config = {"tokenizer_class": "BertTokenizerFast", "do_lower_case": lowercase, "strip_accents": lowercase}
    return tokenizer, config


ROBERTA_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
ROBERTA_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}


def byte_level(size=480):
    """Byte-level BPE as RoBERTa has it: no prefix on continuing tokens, offsets trimmed."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=ROBERTA_SPECIALS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([CORPUS], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        sep=("</s>", 2), cls=("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, ROBERTA_CONFIG


def metaspace(size=480):
    """A Unigram tokenizer whose tokens carry their leading space, as XLM-R's do."""
    normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex("[\\t\\r\\n]"), " "), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    splitter = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    trained = Tokenizer(models.BPE())
    trained.normalizer, trained.pre_tokenizer = normalizer, splitter
    trained.train_from_iterator([CORPUS], trainers.BpeTrainer(vocab_size=size, show_progress=False))
    # A Unigram trainer sums in hash order. Here a piece's score falls with its rank among the
    # merges, and single characters come last.
    ranked = sorted(trained.get_vocab().items(), key=lambda item: item[1])
    pieces = [(piece, 0.0) for piece in ROBERTA_SPECIALS]
    pieces += [(p, -12.0 if len(p) == 1 else round(-4.0 - rank / 100, 2)) for p, rank in ranked]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=ROBERTA_SPECIALS.index("<unk>"), byte_fallback=False))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.add_special_tokens(ROBERTA_SPECIALS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s>:0 $A:0 </s>:0",
        pair="<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer, ROBERTA_CONFIG


def with_truncation_and_padding(recipe, length=16):
    """The same tokenizer with truncation and padding written into its tokenizer.json."""
    tokenizer, config = recipe
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length)
    return tokenizer, config


# Checkpoints


@dataclass
class Checkpoint:
    """One fixture: its architecture, labels, tokenizer and what is unusual in its config."""

    name: str
    architecture: type
    tokenizer: tuple
    labels: list = None
    seed: int = 0
    positions: int = 64
    options: dict = field(default_factory=dict)
    poolings: dict = None


def position_table(noise):
    """[positions, hidden], neighbours alike: so labels run over several tokens and group."""
    rows = [noise[0]]
    for row in noise[1:]:
        rows.append(0.85 * rows[-1] + 0.53 * row)
    return torch.stack(rows)


def gain(model, name):
    """How large the weights of one linear layer are."""
    if "query" in name or "key" in name:
        return QUERY_GAIN
    if "value" in name or "attention.output" in name:
        return SEQUENCE_MIXING_GAIN if isinstance(model, NLI) else MIXING_GAIN
    return PLAIN_GAIN


def randomise(model, seed):
    """Give every weight a random value large enough that tokens and labels differ clearly."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if name.endswith("LayerNorm.weight"):
            value = 1 + 0.2 * noise
        elif name.endswith("bias"):
            value = 0.3 * noise
        elif "position_embeddings" in name:
            value = position_table(noise)
        elif "embeddings" in name:
            value = 0.8 * noise
        else:
            value = gain(model, name) * noise / weight.shape[1] ** 0.5
        weight.data.copy_(value)
    return model


@torch.no_grad()
def calibrate(model, sequences):
    """Rescale the classifier so that every label wins somewhere among `sequences`.

    Without it one label wins everywhere: random hidden states have most of their direction in
    common. `O` is made likelier than the rest, as in real text.
    """
    logits = torch.cat([forward(model, tokens).reshape(-1, model.num_labels) for tokens in sequences])
    scale = 2.2 / logits.std(0)
    bias = -logits.mean(0)
    model.classifier.weight.mul_(scale[:, None])
    model.classifier.bias.add_(bias).mul_(scale)
    if "O" in model.config.label2id:
        model.classifier.bias[model.config.label2id["O"]] += 2.2


def calibration_sequences(spec, tokenizer):
    """What a classifier is calibrated on: the texts, or the pairs of the zero-shot cases."""
    if spec.architecture is NER:
        return [encode(tokenizer, text) for text in fitting_texts(tokenizer)]
    return [
        encode(tokenizer, case_text(tokenizer, text, labels, template), template.format(label))
        for text, labels, template, _ in ZERO_SHOT_CASES
        if isinstance(labels, list)
        for label in labels
    ]


def bert_config(spec, vocab_size):
    """The config of a checkpoint."""
    labels = {}
    if spec.labels:
        labels = {"id2label": dict(enumerate(spec.labels)), "label2id": {l: i for i, l in enumerate(spec.labels)}}
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=HIDDEN,
        num_attention_heads=HEADS,
        intermediate_size=INTERMEDIATE,
        max_position_embeddings=spec.positions,
        attn_implementation="eager",
        **labels,
        **{"num_hidden_layers": LAYERS, **spec.options},
    )


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def add_position_ids(path, positions):
    """Add the buffer that older checkpoints carry beside their weights: I64 [1, positions]."""
    tensors = {**load_file(path), "embeddings.position_ids": torch.arange(positions)[None]}
    save_file(tensors, path, metadata={"format": "pt"})


def save(spec, folder):
    """Write the checkpoint and return its model as it was before saving."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer, tokenizer_config = spec.tokenizer
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    write_json(folder / "tokenizer_config.json", {**tokenizer_config, "model_max_length": spec.positions})
    if spec.poolings:
        modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
        pooling = {"word_embedding_dimension": HIDDEN}
        pooling |= {f"pooling_mode_{mode}": mode == spec.poolings for mode in modes}
        (folder / "1_Pooling").mkdir()
        write_json(folder / "1_Pooling" / "config.json", pooling)
    model = randomise(spec.architecture(bert_config(spec, tokenizer.get_vocab_size())), spec.seed).eval()
    write_json(folder / "config.json", model.config.to_diff_dict())
    if spec.labels:
        calibrate(model, calibration_sequences(spec, load_tokenizer(folder)))
    model.save_pretrained(folder, safe_serialization=True)
    if spec.architecture is BertModel:
        add_position_ids(folder / "model.safetensors", spec.positions)
    return model


def load_tokenizer(folder):
    """The fast tokenizer of a folder, without what tokenizer.json says of truncation and padding."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    written = json.loads((folder / "tokenizer.json").read_text())
    written |= {"truncation": None, "padding": None}
    assert json.loads(tokenizer.backend_tokenizer.to_str()) == written, f"{folder.name}: tokenizer changed on loading"
    return tokenizer


def load(spec, folder):
    """The checkpoint as transformers reads it from its folder."""
    model = spec.architecture.from_pretrained(folder, attn_implementation="eager").eval()
    return model, load_tokenizer(folder)


# Reference results


def f32(value):
    """The shortest decimals that read back as the same f32, in nested lists."""
    value = np.asarray(value, dtype=np.float32)
    if value.ndim:
        return [f32(row) for row in value]
    assert np.isfinite(value), "scores must be finite"
    short = float(str(value[()]))
    assert np.float32(short) == value
    return short


def encode(tokenizer, text, pair=None):
    """ids, token types, offsets and mask of one text or pair, as the golden keeps them."""
    encoded = tokenizer(text, pair, return_offsets_mapping=True, return_special_tokens_mask=True)
    return {
        "ids": encoded["input_ids"],
        "token_types": encoded["token_type_ids"],
        "offsets": [list(pair) for pair in encoded["offset_mapping"]],
        "special_tokens_mask": encoded["special_tokens_mask"],
    }


@torch.no_grad()
def forward(model, tokens):
    """The model's first output for one sequence, without its batch axis."""
    inputs = {"input_ids": tokens["ids"], "token_type_ids": tokens["token_types"]}
    return model(**{name: torch.tensor([ids]) for name, ids in inputs.items()})[0][0]


def fill(tokenizer, pair=None):
    """A text that, with its special tokens and the pair, is exactly as long as the model reads."""
    size = tokenizer.model_max_length
    text = "Maria"
    length = lambda t: len(tokenizer(t, pair)["input_ids"])
    rejected = 0
    words = list(dict.fromkeys(CORPUS.split()[:60])) + ["a", "he", "The"]
    for word in cycle(words):
        longer = f"{text} {word}"
        rejected += 1
        if length(longer) <= size:
            text, rejected = longer, 0
        if length(text) == size:
            return text
        assert rejected <= len(words), "no word fills the window"


def fitting_texts(tokenizer):
    """The texts that fit the model, and one that fills it."""
    fitting = [text for text in TEXTS if len(tokenizer(text)["input_ids"]) <= tokenizer.model_max_length]
    assert len(fitting) >= 12
    return fitting + [fill(tokenizer)]


STRATEGIES = ["none", "simple", "first", "average", "max"]


def entity(found):
    """One result of the token classification pipeline, as JSON."""
    return {key: f32(value) if key == "score" else value for key, value in found.items()}


def spans(found):
    """What a result says but for its score."""
    return [{k: v for k, v in e.items() if k != "score"} for e in found]


def hold_under_noise(tagger, strategy, text, logits, reference):
    """Fail if a label or a span changes when the logits move a little."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        noisy = logits + NOISE * (2 * torch.rand(logits.shape, generator=generator) - 1)
        (inputs,) = tagger.preprocess(text)
        output = {**inputs, "logits": noisy[None]}
        moved = tagger.postprocess([output], aggregation_strategy=tagger_strategy(strategy))
        assert spans(moved) == spans(reference), f"{strategy}: a tie in {text!r}"


def tagger_strategy(name):
    """The pipeline's own value for a strategy's name."""
    return transformers.pipelines.token_classification.AggregationStrategy[name.upper()]


def tag(taggers, model, tokenizer, text):
    """Everything the golden says of one text."""
    tokens = encode(tokenizer, text)
    logits = forward(model, tokens)
    results = {}
    for strategy, tagger in taggers.items():
        found = tagger(text)
        hold_under_noise(tagger, strategy, text, logits, found)
        results[strategy] = [entity(e) for e in found]
    return {"text": text, **tokens, "logits": f32(logits), "pipeline": results}


def ner_golden(model, tokenizer):
    """Token classification: tokens, logits and every aggregation strategy."""
    taggers = {
        s: pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy=s, device="cpu")
        for s in STRATEGIES
    }
    config = model.config
    texts = fitting_texts(tokenizer)
    rows = [tag(taggers, model, tokenizer, text) for text in texts]
    labels = [config.id2label[i] for i in range(config.num_labels)]
    check_ner(labels, rows)
    return {"labels": labels, "texts": rows}


def predictions(labels, rows):
    """The likeliest label of every token but the special ones."""
    tokens = [pair for row in rows for pair in zip(row["logits"], row["special_tokens_mask"])]
    return [labels[np.argmax(logits)] for logits, special in tokens if not special]


def check_ner(labels, rows):
    """Fail unless the predictions vary enough to exercise grouping."""
    predicted = set(predictions(labels, rows))
    assert "O" in predicted and len(predicted - {"O"}) >= 3, f"predictions too uniform: {predicted}"
    for strategy in STRATEGIES[2:]:
        assert any(row["pipeline"][strategy] != row["pipeline"]["simple"] for row in rows)
    several = [e for row in rows for e in row["pipeline"]["simple"] if len(e["word"].split()) > 1]
    assert several, "no entity of several words"


DEFAULT_TEMPLATE = "This example is {}."
NEWS = "Maria Okafor sold the harbour of Lagos to the World Bank."
SPORT = "the guests won the cup final, 4-2!"
FIVE = ["politics", "sport", "economy", "culture", "health"]
# Stands for a text that fills the window together with the first hypothesis.
FULL = "FULL"
ZERO_SHOT_CASES = [
    (NEWS, ["economy"], DEFAULT_TEMPLATE, False),
    (NEWS, ["economy"], DEFAULT_TEMPLATE, True),
    (NEWS, ["economy", "sport"], DEFAULT_TEMPLATE, False),
    (NEWS, ["economy", "sport"], DEFAULT_TEMPLATE, True),
    (SPORT, FIVE, DEFAULT_TEMPLATE, False),
    (SPORT, FIVE, DEFAULT_TEMPLATE, True),
    (SPORT, FIVE, "This text is about {}.", False),
    (SPORT, FIVE, "{} is the topic", True),
    (NEWS, ["sport", "law", "sport"], DEFAULT_TEMPLATE, False),
    (NEWS, ["sport", "law", "sport"], DEFAULT_TEMPLATE, True),
    (NEWS, ["well-known", "war, peace and law", "São Tomé", "日本", "Москва 👍"], "Über {}!", False),
    (NEWS, ["well-known", "war, peace and law", "São Tomé", "日本", "Москва 👍"], "{}", True),
    (SPORT, " politics, sport ,, health", DEFAULT_TEMPLATE, False),
    (" \n", ["law", "culture"], DEFAULT_TEMPLATE, False),
    (FULL, ["politics", "law"], DEFAULT_TEMPLATE, True),
]
ZERO_SHOT_ERRORS = [
    ("", ["law"], DEFAULT_TEMPLATE),
    (NEWS, [], DEFAULT_TEMPLATE),
    (NEWS, " , ", DEFAULT_TEMPLATE),
    (NEWS, ["law"], "This example is law."),
]


def case_text(tokenizer, text, labels, template):
    """The text of a case."""
    return fill(tokenizer, template.format(labels[0])) if text == FULL else text


def judge(classifier, model, tokenizer, text, labels, template, multi_label):
    """One call of the zero-shot pipeline, with the pairs that it runs."""
    parsed = classifier._args_parser._parse_labels(labels)
    text = case_text(tokenizer, text, parsed, template)
    pairs = []
    for label in parsed:
        tokens = encode(tokenizer, text, template.format(label))
        assert len(tokens["ids"]) <= tokenizer.model_max_length, "the pair would be cut"
        logits = f32(forward(model, tokens))
        pairs.append({"label": label, "ids": tokens["ids"], "token_types": tokens["token_types"], "logits": logits})
    found = classifier(text, candidate_labels=labels, hypothesis_template=template, multi_label=multi_label)
    check_scores(found)
    case = {"text": text, "candidate_labels": labels, "hypothesis_template": template, "multi_label": multi_label}
    return {**case, "pairs": pairs, "labels": found["labels"], "scores": f32(found["scores"])}


def check_scores(found):
    """Fail if the order of two different labels rests on the last digits."""
    ranked = list(zip(found["labels"], found["scores"]))
    for (label, score), (next_label, next_score) in zip(ranked, ranked[1:]):
        assert label == next_label or score - next_score > 1e-4, f"scores too close: {found}"


def refuse(classifier, text, labels, template):
    """A call that the pipeline refuses, with its message."""
    try:
        classifier(text, candidate_labels=labels, hypothesis_template=template)
    except ValueError as error:
        case = {"text": text, "candidate_labels": labels, "hypothesis_template": template}
        return {**case, "error": str(error)}
    raise AssertionError(f"accepted: {text!r} {labels!r} {template!r}")


def nli_golden(model, tokenizer):
    """Zero-shot classification: pairs, their logits, and the ranked labels."""
    classifier = pipeline("zero-shot-classification", model=model, tokenizer=tokenizer, device="cpu")
    config = model.config
    return {
        "model_labels": [config.id2label[i] for i in range(config.num_labels)],
        "entailment_id": classifier.entailment_id % config.num_labels,
        "cases": [judge(classifier, model, tokenizer, *case) for case in ZERO_SHOT_CASES],
        "errors": [refuse(classifier, *case) for case in ZERO_SHOT_ERRORS],
    }


def embed_golden(model, tokenizer, pooling):
    """Sentence embeddings: the first token's vector, or the mean over all tokens."""
    lines = CORPUS.splitlines()
    texts = ["", "Bern", "Obama, said", NEWS, lines[0], COMPOSED + " " + lines[2], lines[1] + "\n" + lines[2]]
    texts.append(fill(tokenizer))
    rows = []
    for text in texts:
        tokens = encode(tokenizer, text)
        hidden = forward(model, tokens)
        embedding = hidden[0] if pooling == "cls_token" else hidden.mean(0)
        rows.append({"text": text, "ids": tokens["ids"], "token_types": tokens["token_types"], "embedding": f32(embedding)})
    return {"pooling": pooling, "texts": rows}


# Quantised weights


def is_quantised(name):
    """Whether a tensor becomes int8: linear layers, word and position embeddings."""
    kept = "LayerNorm" in name or "token_type" in name
    return name.endswith(".weight") and not kept


def quantise(state):
    """Symmetric int8 per output channel: `X.weight` I8 [n, k] with `X.weight_scale` F32 [n, 1]."""
    tensors = {}
    for name, weight in state.items():
        if not is_quantised(name):
            tensors[name] = weight
            continue
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
        tensors[name] = (weight / scale).round().clamp(-127, 127).to(torch.int8)
        tensors[name + "_scale"] = scale
    return tensors


def dequantise(tensors):
    """The f32 weights that a quantised file stands for."""
    state = {}
    for name, tensor in tensors.items():
        if name.endswith("_scale"):
            continue
        scale = tensors.get(name + "_scale")
        state[name] = tensor if scale is None else tensor.float() * scale
    return state


def quantised_model(source, folder):
    """Write `source`'s weights as int8 into `folder` and return a model of what they stand for."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / file, folder / file)
    save_file(quantise(load_file(source / "model.safetensors")), folder / "model.safetensors", metadata={"format": "pt"})
    model = NER(BertConfig.from_pretrained(folder, attn_implementation="eager"))
    model.load_state_dict(dequantise(load_file(folder / "model.safetensors")))
    return model.eval()


# The whole


def tags(types, prefixes):
    """Every type under every prefix."""
    return [f"{prefix}-{kind}" for kind in types for prefix in prefixes]


BIO = ["I-LOC", "B-PER", "O", "I-MISC", "B-LOC", "I-PER", "B-ORG", "B-MISC", "I-ORG"]
HYPHENATED = ["O", "PER", "creative-work", "B-creative-work", "I-creative-work", "LOC", "B-LOC"]
BIOES = ["O"] + tags(["PER", "LOC", "ORG"], "BIES")


def checkpoints():
    """Every fixture but the quantised one, which is made of the first."""
    uncased = wordpiece(lowercase=True)
    three = ["contradiction", "neutral", "entailment"]
    padded = with_truncation_and_padding
    return [
        Checkpoint("ner-wordpiece-cased", NER, wordpiece(lowercase=False), BIO, 21),
        Checkpoint("ner-wordpiece-uncased", NER, uncased, HYPHENATED, 2, options={"hidden_act": "relu"}),
        Checkpoint("ner-bioes", NER, padded(wordpiece(lowercase=False)), BIOES, 3, 40, {"hidden_act": "gelu_new"}),
        Checkpoint(
            "ner-bytelevel", NER, byte_level(), BIO, 4, 128, {"type_vocab_size": 1, "pad_token_id": 1, "num_hidden_layers": 3}
        ),
        Checkpoint("ner-metaspace", NER, metaspace(), BIO, 25, options={"layer_norm_eps": 1e-5, "pad_token_id": 1}),
        Checkpoint("nli-cne", NLI, uncased, three, 6),
        Checkpoint("nli-enc", NLI, uncased, [l.upper() for l in reversed(three)], 7),
        Checkpoint("nli-e-not", NLI, uncased, ["entailment", "not_entailment"], 8),
        Checkpoint("nli-not-e", NLI, uncased, ["not_entailment", "entailment"], 9),
        Checkpoint("nli-unnamed", NLI, uncased, ["LABEL_0", "LABEL_1", "LABEL_2"], 10),
        Checkpoint("embed-mean", BertModel, padded(wordpiece(lowercase=True)), None, 11, 128, poolings="mean_tokens"),
        Checkpoint("embed-cls", BertModel, uncased, None, 12, 128, poolings="cls_token"),
    ]


def golden(spec, model, tokenizer):
    """The reference results of one checkpoint."""
    if spec.architecture is NER:
        return ner_golden(model, tokenizer)
    if spec.architecture is NLI:
        return nli_golden(model, tokenizer)
    return embed_golden(model, tokenizer, spec.poolings)


def write_golden(folder, content):
    """Write golden.json, one text or case a line."""
    versions = {m.__name__: m.__version__ for m in (torch, transformers, tokenizers)}
    lines = [f'{json.dumps("versions")}: {json.dumps(versions)}']
    for key, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    (folder / "golden.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def check_reload(spec, folder, built, model, content):
    """Fail unless the file holds the weights that were made, and reads the same every time."""
    saved = model.state_dict()
    assert all(torch.equal(weight, saved[name]) for name, weight in built.state_dict().items())
    again, _ = load(spec, folder)
    assert largest_difference(model, again, content) == 0, f"{spec.name}: reloading changed the model"


def largest_difference(one, other, content):
    """The largest difference of two models' outputs over all sequences of a golden."""
    rows = content.get("texts") or [pair for case in content["cases"] for pair in case["pairs"]]
    return max((forward(one, row) - forward(other, row)).abs().max().item() for row in rows)


def summarise(folder, content):
    """One line about a fixture, for the eye."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    facts = f"{folder.name:22} {size / 1024:6.0f} KiB"
    if "cases" in content:
        facts += f"  {len(content['cases'])} cases"
    else:
        facts += f"  {len(content['texts'])} texts, {sum(len(r['ids']) for r in content['texts'])} tokens"
    if "labels" in content:
        predicted = predictions(content["labels"], content["texts"])
        facts += f", {len(set(predicted) - {'O'})} labels beside O, {predicted.count('O') / len(predicted):.0%} O"
        grouped = {s: sum(len(r["pipeline"][s]) for r in content["texts"]) for s in STRATEGIES}
        facts += f", entities {grouped}"
    print(facts)
    return size


def main(output):
    """Make every fixture under `output`."""
    warnings.filterwarnings("ignore", message="Tokenizer does not support real words")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    total = 0
    for spec in checkpoints():
        folder = output / spec.name
        built = save(spec, folder)
        model, tokenizer = load(spec, folder)
        content = golden(spec, model, tokenizer)
        check_reload(spec, folder, built, model, content)
        write_golden(folder, content)
        total += summarise(folder, content)
    folder = output / "ner-int8"
    source = output / "ner-wordpiece-cased"
    model = quantised_model(source, folder)
    content = ner_golden(model, load_tokenizer(folder))
    write_golden(folder, content)
    total += summarise(folder, content)
    plain = NER.from_pretrained(source, attn_implementation="eager").eval()
    print(f"int8 moves the logits by at most {largest_difference(model, plain, content):.3f}")
    print(f"{'total':22} {total / 1024:6.0f} KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
