"""Transformers' results with a checkpoint, in the form of golden.json."""

import unicodedata
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import torch
import transformers
from transformers import pipeline

from checkpoints import encode, forward
from vocabularies import CORPUS

# Noise laid on logits to show that no label of a golden rests on the last digits.
NOISE = 2e-4
# Stands for a text with the tokenizer's own special tokens in its midst.
LITERAL = "LITERAL"

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


@dataclass(frozen=True)
class Inputs:
    """The inputs for a checkpoint."""

    texts: list
    cases: list
    embedded: list


LINES = CORPUS.splitlines()
EVERYTHING = Inputs(
    TEXTS,
    ZERO_SHOT_CASES,
    ["", "Bern", "Obama, said", NEWS, LINES[0], COMPOSED + " " + LINES[2], LINES[1] + "\n" + LINES[2]],
)
UNUSUAL = "Sa\u0303o 👍🏽 & 東京, O'Neill\u2019s Šárka?"
SPACED = "  The \t World\u00a0Bank\r\n of  Lagos  "
ESSENTIALS = Inputs(
    ["Maria Okafor met Anders Lindqvist in Geneva on Tuesday.", UNUSUAL, LITERAL, SPACED, ""],
    [
        (NEWS, ["economy"], DEFAULT_TEMPLATE, False),
        (NEWS, ["economy", "sport"], DEFAULT_TEMPLATE, True),
        (SPORT, ["politics", "sport", "law"], "This text is about {}.", False),
        (UNUSUAL, ["well-known", "war, peace and law", "Москва 👍"], "{}", True),
        (LITERAL, ["law", "sport"], "Über {}!", False),
        (FULL, ["politics", "law"], DEFAULT_TEMPLATE, True),
    ],
    ["", "Bern", UNUSUAL, LITERAL, SPACED],
)


# Inputs


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


def literal(tokenizer):
    """A text in which the tokenizer's special tokens stand as words."""
    mask, padding, separator = tokenizer.mask_token, tokenizer.pad_token, tokenizer.sep_token
    return f"Rome {mask} and {padding} or {separator} Oslo{tokenizer.cls_token} {tokenizer.unk_token}."


def fitting_texts(tokenizer, texts):
    """The texts that fit the model, and one that fills it."""
    texts = [literal(tokenizer) if text == LITERAL else text for text in texts]
    fitting = [text for text in texts if len(tokenizer(text)["input_ids"]) <= tokenizer.model_max_length]
    assert len(fitting) >= 0.8 * len(texts), "too many texts are too long"
    return fitting + [fill(tokenizer)]


def case_text(tokenizer, text, labels, template):
    """The text of a case."""
    if text == LITERAL:
        return literal(tokenizer)
    return fill(tokenizer, template.format(labels[0])) if text == FULL else text


def calibration_sequences(spec, tokenizer):
    """The sequences for calibrating a classifier: the texts, or the pairs of the zero-shot cases."""
    if spec.task == "ner":
        return [encode(tokenizer, text) for text in fitting_texts(tokenizer, spec.inputs.texts)]
    return [
        encode(tokenizer, case_text(tokenizer, text, labels, template), template.format(label))
        for text, labels, template, _ in spec.inputs.cases
        if isinstance(labels, list)
        for label in labels
    ]


# Token classification


def f32(value):
    """The shortest decimals that read back as the same f32, in nested lists."""
    value = np.asarray(value, dtype=np.float32)
    if value.ndim:
        return [f32(row) for row in value]
    assert np.isfinite(value), "scores must be finite"
    short = float(str(value[()]))
    assert np.float32(short) == value
    return short


STRATEGIES = ["none", "simple", "first", "average", "max"]


def entity(found):
    """One result of the token classification pipeline, as JSON."""
    return {key: f32(value) if key == "score" else value for key, value in found.items()}


def spans(found):
    """A result without its score."""
    return [{k: v for k, v in e.items() if k != "score"} for e in found]


def hold_under_noise(tagger, strategy, text, logits, reference):
    """Fail if a label or a span changes when the logits move a little."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        noisy = logits + NOISE * (2 * torch.rand(logits.shape, generator=generator) - 1)
        (inputs,) = tagger.preprocess(text, **tagger._preprocess_params)
        output = {**inputs, "logits": noisy[None]}
        moved = tagger.postprocess([output], aggregation_strategy=tagger_strategy(strategy))
        assert spans(moved) == spans(reference), f"{strategy}: a tie in {text!r}"


def tagger_strategy(name):
    """The pipeline's own value for a strategy's name."""
    return transformers.pipelines.token_classification.AggregationStrategy[name.upper()]


def tag(taggers, model, tokenizer, text):
    """The golden's entry for one text."""
    tokens = encode(tokenizer, text)
    logits = forward(model, tokens)
    results = {}
    for strategy, tagger in taggers.items():
        found = tagger(text)
        hold_under_noise(tagger, strategy, text, logits, found)
        results[strategy] = [entity(e) for e in found]
    return {"text": text, **tokens, "logits": f32(logits), "pipeline": results}


def ner_golden(spec, model, tokenizer):
    """Token classification: tokens, logits and every aggregation strategy."""
    taggers = {
        s: pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy=s, device="cpu")
        for s in STRATEGIES
    }
    config = model.config
    texts = fitting_texts(tokenizer, spec.inputs.texts)
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


# Zero-shot classification


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


def nli_golden(spec, model, tokenizer):
    """Zero-shot classification: pairs, their logits, and the ranked labels."""
    classifier = pipeline("zero-shot-classification", model=model, tokenizer=tokenizer, device="cpu")
    config = model.config
    return {
        "model_labels": [config.id2label[i] for i in range(config.num_labels)],
        "entailment_id": classifier.entailment_id % config.num_labels,
        "cases": [judge(classifier, model, tokenizer, *case) for case in spec.inputs.cases],
        "errors": [refuse(classifier, *case) for case in ZERO_SHOT_ERRORS],
    }


# Embeddings


def pool(hidden, pooling):
    """The first token's vector, or the mean over all tokens."""
    return hidden[0] if pooling == "cls_token" else hidden.mean(0)


def embed_golden(spec, model, tokenizer):
    """Sentence embeddings."""
    texts = [literal(tokenizer) if text == LITERAL else text for text in spec.inputs.embedded]
    rows = []
    for text in texts + [fill(tokenizer)]:
        tokens = encode(tokenizer, text)
        embedding = f32(pool(forward(model, tokens), spec.poolings))
        rows.append({"text": text, "ids": tokens["ids"], "token_types": tokens["token_types"], "embedding": embedding})
    return {"pooling": spec.poolings, "texts": rows}


# Any task


def golden(spec, model, tokenizer):
    """The reference results of one checkpoint."""
    return {"ner": ner_golden, "nli": nli_golden, "embed": embed_golden}[spec.task](spec, model, tokenizer)


def results(spec, model, content):
    """The model's logits or embeddings for all sequences of a golden."""
    rows = content.get("texts") or [pair for case in content["cases"] for pair in case["pairs"]]
    outputs = [forward(model, row) for row in rows]
    return [pool(hidden, spec.poolings) for hidden in outputs] if spec.task == "embed" else outputs


def largest_difference(some, others):
    """The largest difference of two models' results."""
    return max((one - other).abs().max().item() for one, other in zip(some, others))
