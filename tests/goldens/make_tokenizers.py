"""Make tiny slow-tokenizer files of every kind, and the results of transformers' fast tokenizers with them.

    python make_tokenizers.py [OUTPUT_FOLDER [RULES]]

Each folder gets a vocabulary without tokenizer.json (a few have one, with a tokenizer_config.json
that contradicts it), a config.json that names its model_type, and golden.json. Nothing is downloaded: the
vocabularies are trained on make.py's corpus. README.md describes golden.json. RULES names one of
SentencePiece's own sets of normalisation rules, such as nmt_nfkc, which real models have; without it a
few rules are compiled, because the whole sets are larger than all other files together.
"""

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import unicodedata
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import sentencepiece
import tokenizers
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

from references import COMPOSED
from vocabularies import CORPUS, byte_level, piece_vocabulary, wordpiece

TEXTS = [
    "",
    "Maria Okafor met Anders Lindqvist in Geneva on Tuesday.",
    COMPOSED,
    unicodedata.normalize("NFD", COMPOSED),
    "東京の田中さん met Иван, где Анна；「北京」",
    "ภาษาไทย สวัสดี ꙮ 𝔘nknown ☃",
    "Team 👩\u200d🔬 won 🇨🇭 in Bern 👍🏽!",
    "Rome\nParis\tBerlin\u00a0Madrid\r\nOslo\n\nBern\u3000Lagos\u2028end",
    "  The World  Bank   of Lagos  ",
    " \t ",
    "a\u0000b\u0007c\u200bd\ufeffe\ufffdf\u00adg\u0085h",
    "İstanbul ISTANBUL ß STRASSE ẞ ﬁne Ⅻ ½ ²",
    "``quotes'' \u201ccurly\u201d \u2018single\u2019 «guillemets» '' \"",
    # 100 characters, and more than 100.
    "harbour" * 14 + "ed " + "harbour" * 15,
    "[CLS] a [SEP] b[MASK]c [UNK] [PAD] [ mask ]",
    "<s> a </s> b<mask>c <unk> <pad> <S> < mask >",
    "the [MASK]  and  <mask>  end, <s>NOTUSED",
    "3.14 + 42% = $1,000 -- ??? (#7) 1998, 4-2",
    "won't don't they're I'LL O'Neill\u2019s e-mail",
    "הנשיא דיבר in Bern مع العالم",
    "▁under ▁ score▁ _ ##ing ##",
    "<ent> new<ent>word <Ent> NEWTOKEN newtoken <extra> x<extra>y",
    "ＦＵＬＬ　ｗｉｄｔｈ ①② ㎏ e\u0301\u0302\u0323",
    "Ａ\u0300 \u0301 가나다 각 ｶﾞ",
    ".",
]
PAIRS = [("Maria met Anders.", "This text is about law."), ("", "x"), (" the  cup ", " İ final ")]

BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MPNET_SPECIALS = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]


def vocab_txt(lowercase, specials, end="\n"):
    """A WordPiece vocabulary, one token per line."""
    normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=lowercase)
    vocabulary = piece_vocabulary(normalizer, 380, specials, CORPUS)
    return {"vocab.txt": "".join(token + end for token in sorted(vocabulary, key=vocabulary.get))}


def bpe_files(specials):
    """vocab.json and merges.txt of a byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([CORPUS], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = "".join(" ".join(merge) + "\n" for merge in model["merges"])
    return {
        "vocab.json": json.dumps(model["vocab"], ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + merges,
    }


def sentence_piece(name, **options):
    """A SentencePiece model."""
    sentencepiece.set_random_generator_seed(1)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.splitlines()),
        model_writer=model,
        **{
            "vocab_size": 280,
            "model_type": "unigram",
            "character_coverage": 1.0,
            "num_threads": 1,
            "minloglevel": 2,
            **options,
        },
    )
    return {name: model.getvalue()}


def few_rules(folder):
    """A few rules of every kind."""
    rules = {
        "\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ", "\u2028": " ", "\u0085": " ",
        "\u200b": " ", "\ufeff": "", "\u0007": "", "ﬁ": "fi", "½": "1\u20442", "²": "2", "①": "1", "②": "2",
        "㎏": "kg", "e\u0301": "é", "e\u0301\u0302": "é\u0302", "Ⅻ": "XII", "；": ";", "ｶﾞ": "ガ", "Ａ": "A",
        "Ｆ": "F", "Ｕ": "U", "Ｌ": "L", "ｗ": "w", "ｉ": "i", "ｄ": "d", "ｔ": "t", "ｈ": "h", "o\u0303": "õ",
        "a\u0301": "á", "S\u030c": "Š", "I\u0307": "İ", "가": "\u1100\u1161",
    }
    code = lambda text: " ".join(f"{ord(c):X}" for c in text)
    lines = "".join(f"{code(a)}\t{code(b)}\n" for a, b in rules.items())
    (folder / "rules.tsv").write_text(lines)
    # The model keeps this name.
    return {"normalization_rule_name": "", "normalization_rule_tsv": "rules.tsv"}


DEBERTA_IDS = dict(
    pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]"
)
ALBERT_IDS = dict(
    pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, pad_piece="<pad>", unk_piece="<unk>", control_symbols="[CLS],[SEP]",
    user_defined_symbols="[MASK],(,),\u20ac,1,",
)


def token(content, **flags):
    """An added token as files write it."""
    plain = {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return {**plain, **flags}


def kinds(rules):
    """Every folder with its model_type and its files."""
    config = "tokenizer_config.json"
    unigram = lambda name, **options: sentence_piece(name, **{**rules, **options})
    added = {"380": token("<ent>", special=True, lstrip=True), "381": token("newtoken", normalized=True)}
    roberta = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    cased_json, _ = wordpiece(lowercase=False, size=380)
    bytes_json, _ = byte_level(size=300)
    return {
        # No tokenizer_config.json: lower case; line ends of Windows.
        "bert": ("bert", vocab_txt(True, BERT_SPECIALS, "\r\n")),
        "bert-cased": (
            "bert",
            vocab_txt(False, BERT_SPECIALS)
            | {
                config: {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
                "special_tokens_map.json": {"mask_token": token("[MASK]", lstrip=True), "additional_special_tokens": ["<ent>"]},
                "added_tokens.json": {"newtoken": 381, "<ent>": 380},
            },
        ),
        # A token twice, an empty line, no mask token, and tokens that tokenizer_config.json lists.
        "distilbert": (
            "distilbert",
            {"vocab.txt": vocab_txt(True, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "", "the"])["vocab.txt"] + "the\nmet"}
            | {config: {"do_basic_tokenize": False, "added_tokens_decoder": added, "tokenizer_class": "DistilBertTokenizer"}},
        ),
        "electra": ("electra", vocab_txt(True, BERT_SPECIALS) | {config: {"strip_accents": False, "do_lower_case": True}}),
        "mpnet": ("mpnet", vocab_txt(True, MPNET_SPECIALS)),
        "mpnet-cased": (
            "mpnet",
            vocab_txt(False, MPNET_SPECIALS) | {config: {"do_lower_case": False, "do_basic_tokenize": False}},
        ),
        "roberta": ("roberta", bpe_files(roberta)),
        "roberta-spaced": (
            "roberta",
            bpe_files(roberta)
            | {
                config: {"add_prefix_space": True, "trim_offsets": False, "added_tokens_decoder": added, "mask_token": "<mask>"},
            },
        ),
        "bart": ("bart", bpe_files(roberta) | {"added_tokens.json": {"<extra>": 300}}),
        "deberta": ("deberta", bpe_files(["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"])),
        "xlm-roberta": ("xlm-roberta", unigram("sentencepiece.bpe.model")),
        "xlm-roberta-bpe": ("xlm-roberta", unigram("sentencepiece.bpe.model", model_type="bpe")),
        # The model's own type would choose another class.
        "xlm-roberta-named": (
            "roberta",
            unigram("sentencepiece.bpe.model", user_defined_symbols="<extra>")
            | {config: {"tokenizer_class": "XLMRobertaTokenizer", "additional_special_tokens": ["<ent>"]}},
        ),
        "camembert": ("camembert", unigram("sentencepiece.bpe.model")),
        "deberta-v2": ("deberta-v2", unigram("spm.model", **DEBERTA_IDS)),
        "deberta-v2-split": (
            "deberta-v2",
            unigram("spm.model", **DEBERTA_IDS)
            | {config: {"do_lower_case": True, "split_by_punct": True}}
            | {"added_tokens.json": {"[MASK]": 280}},
        ),
        "albert": ("albert", unigram("spiece.model", **ALBERT_IDS)),
        "albert-cased": (
            "albert",
            unigram("spiece.model", **ALBERT_IDS) | {config: {"do_lower_case": False, "keep_accents": True}},
        ),
        # With an incomplete tokenizer.json.
        "json-bert": (
            "bert",
            {"tokenizer.json": cased_json.to_str()}
            | {config: {"tokenizer_class": "BertTokenizer", "tokenize_chinese_chars": False, "added_tokens_decoder": added}},
        ),
        "json-bert-specials": (
            "bert",
            {"tokenizer.json": cased_json.to_str()}
            | {config: {"do_lower_case": False}, "special_tokens_map.json": {"mask_token": token("[MASK]", lstrip=True)}}
            | {"added_tokens.json": {"<ent>": 380}},
        ),
        "json-roberta": (
            "roberta",
            {"tokenizer.json": bytes_json.to_str()} | {config: {"add_prefix_space": True, "trim_offsets": False}},
        ),
        "json-fast": (
            "modernbert",
            {"tokenizer.json": bytes_json.to_str()}
            | {config: {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": True, "unk_token": "<unk>"}},
        ),
    }


def encoded(tokenizer, *texts):
    """The ids, token types and offsets of a text or a pair."""
    encoding = tokenizer.backend_tokenizer.encode(*texts)
    found = tokenizer(*texts, return_offsets_mapping=True)
    assert found["input_ids"] == encoding.ids and found["offset_mapping"] == encoding.offsets
    return encoding


def write(folder, model_type, files):
    """Write a folder and transformers' results with it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in {"config.json": {"model_type": model_type}, **files}.items():
        if isinstance(content, dict):
            content = json.dumps(content, indent=2) + "\n"
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.is_fast, folder
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    texts = [encoded(tokenizer, text) for text in TEXTS]
    pairs = [encoded(tokenizer, *pair) for pair in PAIRS]
    rows = [{"ids": e.ids, "offsets": [place for span in e.offsets for place in span]} for e in texts]
    rows += [{"ids": e.ids, "types": e.type_ids} for e in pairs]
    head = {
        "versions": {m.__name__: m.__version__ for m in (transformers, tokenizers, sentencepiece)},
        "class": type(tokenizer).__name__,
        "unknown": tokenizer.unk_token_id,
    }
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (folder / "golden.json").write_text(json.dumps(head)[:-1] + ', "rows": [\n' + lines + "\n]}\n")
    size = sum(file.stat().st_size for file in folder.iterdir())
    unknown = sum(id == tokenizer.unk_token_id for row in rows for id in row["ids"])
    facts = f"{type(tokenizer).__name__}, {len(tokenizer)} tokens, {unknown} unknown"
    print(f"{folder.name:20} {size / 1024:5.0f} KiB  {facts}")
    return size


def main(output, rules=None):
    """Make every folder under `output`."""
    transformers.logging.set_verbosity_error()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    texts = json.dumps({"texts": TEXTS, "pairs": PAIRS}, indent=0)
    (output / "texts.json").write_text(texts + "\n")
    output = output.resolve()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        rules = {"normalization_rule_name": rules} if rules else few_rules(Path(folder))
        total = len(texts) + sum(write(output / name, *kind) for name, kind in kinds(rules).items())
    print(f"{'total':20} {total / 1024:5.0f} KiB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2] or [Path(__file__).resolve().parent / "tokenizers"]), *sys.argv[2:3])
