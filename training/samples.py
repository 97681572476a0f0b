"""The training samples of the NER models: annotated sentences in variations, and others for the teacher to tag."""

import gzip
import json
import random
from pathlib import Path

from tokenizers import Tokenizer

import pages
from augment import Augmenter, Chances, in_case_of, mentions, places
from corpora import TRAIN, Corpus, Sample, Sentence, encode, read
from lists import Lists
from variations import Varier, names_of

#: Longest sample; windows at inference hold fewer tokens.
MAX_TOKENS = 160
#: Unlabelled texts: file, fields, sources (all if empty), and how many are drawn.
UNLABELLED = [
    ("nli/train-1", ("premise", "hypothesis"), ("newprot", "semi", "lingnli"), 7000),
    ("nli/train-2", ("premise", "hypothesis"), ("newprot", "semi", "lingnli"), 7000),
    ("topics/dbpedia", ("text",), (), 4000),
    ("topics/tagmynews", ("text",), (), 2000),
    ("topics/huffpost", ("text",), (), 2000),
    ("topics/clinc150", ("text",), (), 1000),
]
MAX_WORDS = 60
#: The number of variations of each written document in a pass, and the number of lists and tables.
WRITTEN_PASSES = 4
LISTS = 6000
#: Variations of texts that the teacher alone tags.
UNTAGGED = Chances(upper=0.05, lower=0.03)
#: Sentences in which people take the places of others and of organisations; few compared with the first stage's.
RENAMED = 10000


def annotated_samples(
    data: Path, corpora: list[Corpus], tokenizer: Tokenizer, rng: random.Random, passes: float
) -> list[Sample]:
    """Every sample of the whole training in random order: each corpus `passes` times its own number of passes."""
    sentences_of = {corpus: read(data / "ner", corpus) for corpus in corpora}
    augmenter = Augmenter(places([s for part in sentences_of.values() for s in part]), Chances(), rng)
    samples = []
    for corpus, sentences in sentences_of.items():
        for _ in range(max(1, round(passes * corpus.passes))):
            texts = augmenter.texts(sentences, joined=corpus.has_documents)
            samples += [encode(text, tokenizer, MAX_TOKENS) for text in texts]
    rng.shuffle(samples)
    return samples


def written_samples(data: Path, tokenizer: Tokenizer, rng: random.Random, passes: float) -> list[Sample]:
    """Variations of the written documents, and pages of lists and tables made of their names."""
    train, _ = pages.split(pages.read(data))
    varier = Varier(rng, names_of(train))
    varied = [page for _ in range(round(passes * WRITTEN_PASSES)) for page in varier.pages(shuffled(train, rng))]
    varied += Lists(varier).pages(round(passes * LISTS))
    samples = [sample for page in varied for sample in pages.encode(page, tokenizer, MAX_TOKENS, rng)]
    rng.shuffle(samples)
    return samples


def shuffled(items: list, rng: random.Random) -> list:
    return rng.sample(items, len(items))


def unlabelled_samples(data: Path, tokenizer: Tokenizer, rng: random.Random) -> list[Sample]:
    """Encyclopedia, magazines, headlines, questions and texts of all genres, whose targets are all ignored."""
    texts = []
    for name, fields, sources, count in UNLABELLED:
        with gzip.open(data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        found = {row[field].strip('"') for row in rows if not sources or row["source"] in sources for field in fields}
        texts += rng.sample(sorted(found), count)
    augmenter = Augmenter([], UNTAGGED, rng)
    samples = untagged([words for text in texts if (words := text.split()[:MAX_WORDS])], augmenter, tokenizer)
    with gzip.open(data / "written" / "topics.jsonl.gz", "rt", encoding="utf-8") as file:
        written = [pages.Page(json.loads(line)["text"], [], None) for line in file]
    return samples + [sample for page in written for sample in pages.encode(page, tokenizer, MAX_TOKENS)]


def renamed_samples(data: Path, tokenizer: Tokenizer, rng: random.Random) -> list[Sample]:
    """Annotated sentences with names of people for half of the people and organisations, the targets all ignored.

    The teacher knows a person by the name where the context tells of companies; the student is to learn it.
    """
    augmenter = Augmenter([], UNTAGGED, rng)
    found = [sentence for corpus in TRAIN for sentence in read(data / "ner", corpus)]
    found = [sentence for sentence in found if any(label in ("PER", "ORG") for label, _, _ in mentions(sentence))]
    texts = []
    for sentence in rng.sample(found, RENAMED):
        words = list(sentence.words)
        for label, start, end in reversed(mentions(sentence)):
            if label in ("PER", "ORG") and augmenter.happens(0.5):
                words[start:end] = in_case_of(words[start:end], augmenter.person(rng.choice((2, 2, 2, 3))))
        texts.append(words)
    return untagged(texts, augmenter, tokenizer)


def untagged(texts: list[list[str]], augmenter: Augmenter, tokenizer: Tokenizer) -> list[Sample]:
    """Samples of the words of `texts`, varied, without targets."""
    sentences = [Sentence(words, ["?"] * len(words)) for words in texts]
    return [encode(text, tokenizer, MAX_TOKENS) for text in augmenter.texts(sentences, joined=False)]
