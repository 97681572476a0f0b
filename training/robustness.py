"""Scores an exported NER model on CoNLL-2003 dev as it is, in small letters and in capitals."""

import argparse
from pathlib import Path

import torch
from seqeval.metrics import f1_score
from transformers import BertForTokenClassification

import base
import tagger
from corpora import DEV, Sentence, encode, read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the data folder; its ner/ holds the corpora")
    parser.add_argument("--model", type=Path, default=base.BUNDLED / "ner-en-small" / "model")
    args = parser.parse_args()

    torch.set_num_threads(2)
    tokenizer = base.load_tokenizer()
    model = base.load_exported(BertForTokenClassification, args.model)
    sentences = read(args.data / "ner", DEV[0])
    for name, change in {"as it is": str, "lower": str.lower, "upper": str.upper}.items():
        changed = [Sentence([change(word) for word in sentence.words], sentence.tags) for sentence in sentences]
        samples = [encode(sentence, tokenizer, tagger.MAX_POSITIONS) for sentence in changed]
        tags = {i: tagger.tags_of(samples[i], logits) for i, logits in tagger.logits_of(model, samples)}
        score = f1_score([s.tags for s in sentences], [tags[i] for i in range(len(sentences))])
        print(f"{DEV[0].name} {name} F1 {100 * score:.2f}", flush=True)


if __name__ == "__main__":
    main()
