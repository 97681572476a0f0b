"""Tokenizers of every family that the fixtures need, trained from one small text.

Each function returns a tokenizer and the contents of its tokenizer_config.json, except lengths.
"""

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
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
# Without the last paragraph: a small vocabulary is not spent on its letters.
LATIN = CORPUS.rsplit("\n\n", 1)[0] + "\n"

BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
ROBERTA_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
BERT_CONFIG = {
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}
BERT_PAIRS = ("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")
ROBERTA_PAIRS = ("<s>:0 $A:0 </s>:0", "<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0")
MPNET_PAIRS = ("<s>:0 $A:0 </s>:0", "<s>:0 $A:0 </s>:0 </s>:0 $B:1 </s>:1")


def template(tokenizer, single_and_pair):
    """A post-processor that puts special tokens around one text or a pair."""
    single, pair = single_and_pair
    names = sorted({word.split(":")[0] for word in single.split()} - {"$A"})
    return processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(name, tokenizer.token_to_id(name)) for name in names]
    )


# WordPiece


def piece_vocabulary(normalizer, size, specials, corpus):
    """A trained WordPiece vocabulary, token -> id.

    The trainer numbers `##x` as it meets the words, in hash order; naming them beforehand makes
    the vocabulary the same on every run.
    """
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = [w for w, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(corpus))]
    continuing = sorted({"##" + c for w in words for c in w[1:]})
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=specials + continuing, min_frequency=1, show_progress=False
    )
    tokenizer.train_from_iterator([corpus], trainer)
    return tokenizer.get_vocab()


def wordpiece(lowercase, size=520, corpus=CORPUS, specials=BERT_SPECIALS, added=BERT_SPECIALS, pairs=BERT_PAIRS):
    """A BERT tokenizer; the uncased one also strips accents."""
    normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=lowercase)
    vocabulary = piece_vocabulary(normalizer, size, specials, corpus)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix="##"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(added)
    tokenizer.post_processor = template(tokenizer, pairs)
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    # The fast tokenizer classes rewrite the normaliser of tokenizer.json to match these.
    config = {"tokenizer_class": "BertTokenizerFast", "do_lower_case": lowercase, "strip_accents": lowercase}
    return tokenizer, config


def mpnet_wordpiece(size=300):
    """WordPiece with RoBERTa's special tokens around the texts, as in MPNet; uncased."""
    specials = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"]
    added = ["<s>", "<pad>", "</s>", "[UNK]", AddedToken("<mask>", lstrip=True, normalized=False)]
    tokenizer, config = wordpiece(True, size, LATIN, specials, added, MPNET_PAIRS)
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "[UNK]", "tokenizer_class": "MPNetTokenizer"}
    return tokenizer, {**config, **ROBERTA_CONFIG, **names}


# Byte-level BPE


def byte_level(size=480, corpus=CORPUS, specials=ROBERTA_SPECIALS, mask="<mask>", config=ROBERTA_CONFIG):
    """Byte-level BPE as in RoBERTa: no prefix on continuing tokens, offsets trimmed."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[mask if token == "<mask>" else token for token in specials],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([corpus], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        sep=("</s>", specials.index("</s>")),
        cls=("<s>", specials.index("<s>")),
        trim_offsets=True,
        add_prefix_space=False,
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, config


def roberta_bytes(tokenizer_class, specials=ROBERTA_SPECIALS, size=400):
    """RoBERTa's and BART's tokenizer: `<mask>` takes the space before it."""
    mask = AddedToken("<mask>", lstrip=True, normalized=tokenizer_class == "BartTokenizer", special=True)
    names = {"bos_token": "<s>", "eos_token": "</s>", "add_prefix_space": False, "tokenizer_class": tokenizer_class}
    return byte_level(size, LATIN, specials, mask, {**ROBERTA_CONFIG, **names})


def modernbert_bytes(size=400):
    """Byte-level BPE with BERT's special tokens after the vocabulary, as in ModernBERT."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    specials = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(specials),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([LATIN], trainer)
    tokenizer.add_special_tokens(
        [AddedToken(name, lstrip=name == "[MASK]", normalized=False, special=True) for name in specials]
    )
    tokenizer.post_processor = template(tokenizer, BERT_PAIRS)
    tokenizer.decoder = decoders.ByteLevel()
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    return tokenizer, {**BERT_CONFIG, **config}


# Unigram


def metaspace(
    size=480,
    corpus=CORPUS,
    specials=ROBERTA_SPECIALS,
    added=ROBERTA_SPECIALS,
    unknown="<unk>",
    pairs=ROBERTA_PAIRS,
    config=ROBERTA_CONFIG,
    cleaning=None,
    split_first=False,
):
    """A Unigram tokenizer whose tokens carry their leading space.

    `cleaning` are the normaliser's steps before runs of spaces become one. With `split_first` the
    text is cut at white space before, so that no token's offsets hold a space.
    """
    cleaning = cleaning or [normalizers.Replace(Regex("[\\t\\r\\n]"), " "), normalizers.NFKC()]
    normalizer = normalizers.Sequence([*cleaning, normalizers.Replace(Regex(" {2,}"), " ")])
    splitter = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    if split_first:
        splitter = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), splitter])
    trained = Tokenizer(models.BPE())
    trained.normalizer, trained.pre_tokenizer = normalizer, splitter
    trained.train_from_iterator([corpus], trainers.BpeTrainer(vocab_size=size, show_progress=False))
    # A Unigram trainer sums in hash order. Here a piece's score falls with its rank among the
    # merges, and single characters come last.
    ranked = sorted(trained.get_vocab().items(), key=lambda item: item[1])
    pieces = [(piece, 0.0) for piece in specials]
    pieces += [(p, -12.0 if len(p) == 1 else round(-4.0 - rank / 100, 2)) for p, rank in ranked]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=specials.index(unknown), byte_fallback=False))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.add_special_tokens(added)
    tokenizer.post_processor = template(tokenizer, pairs)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer, config


def xlm_roberta_pieces(size=290):
    """XLM-R's tokenizer: `<mask>` comes last and takes the space before it."""
    specials = ROBERTA_SPECIALS[:-1]
    added = specials + [AddedToken("<mask>", lstrip=True, normalized=True, special=True)]
    names = {"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "XLMRobertaTokenizer"}
    return metaspace(size, LATIN, specials, added, config={**ROBERTA_CONFIG, **names}, split_first=True)


def camembert_pieces(size=290):
    """CamemBERT's tokenizer: other ids for the same special tokens."""
    specials = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"]
    added = ["<pad>", "<unk>", "<s>", "</s>", "<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"]
    added.append(AddedToken("<mask>", lstrip=True, normalized=True, special=True))
    names = {"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "CamembertTokenizer"}
    extra = {"additional_special_tokens": ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"]}
    return metaspace(size, LATIN, specials, added, config={**ROBERTA_CONFIG, **names, **extra})


def albert_pieces(size=290):
    """ALBERT's tokenizer: lower case, accents stripped, BERT's pairs."""
    cleaning = [
        normalizers.Replace("``", '"'),
        normalizers.Replace("''", '"'),
        normalizers.NFKD(),
        normalizers.StripAccents(),
        normalizers.Lowercase(),
    ]
    specials = ["<pad>", "<unk>", "[CLS]", "[SEP]"]
    added = specials + [AddedToken("[MASK]", lstrip=True, normalized=False, special=True)]
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "[CLS]", "eos_token": "[SEP]"}
    config = {**BERT_CONFIG, **names, "tokenizer_class": "AlbertTokenizer"}
    return metaspace(size, LATIN, specials, added, "<unk>", BERT_PAIRS, config, cleaning, split_first=True)


def fnet_pieces(size=290):
    """FNet's tokenizer: ALBERT's pieces with the case kept."""
    specials = ["<pad>", "<unk>", "[CLS]", "[SEP]"]
    added = specials + [AddedToken("[MASK]", lstrip=True, normalized=False, special=True)]
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "tokenizer_class": "PreTrainedTokenizerFast"}
    config = {**BERT_CONFIG, **names, "model_input_names": ["input_ids", "token_type_ids"]}
    return metaspace(size, LATIN, specials, added, "<unk>", BERT_PAIRS, config, split_first=True)


def xlnet_pieces(size=290):
    """XLNet's tokenizer: `<sep>` and `<cls>` after the texts."""
    specials = ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>"]
    added = specials + [AddedToken("<mask>", lstrip=True, normalized=False, special=True)]
    pairs = ("$A:0 <sep>:0 <cls>:2", "$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2")
    names = {name: f"<{name.split('_')[0]}>" for name in ("cls_token", "sep_token", "pad_token", "unk_token")}
    config = {**names, "bos_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>"}
    config |= {"tokenizer_class": "PreTrainedTokenizerFast", "padding_side": "left"}
    return metaspace(size, LATIN, specials, added, "<unk>", pairs, config, split_first=True)


def deberta_pieces(size=290):
    """DeBERTa's tokenizer since its second version: `[MASK]` comes last."""
    specials = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    names = {"bos_token": "[CLS]", "eos_token": "[SEP]", "tokenizer_class": "DebertaV2Tokenizer"}
    config = {**BERT_CONFIG, **names, "do_lower_case": False, "split_by_punct": False, "vocab_type": "spm"}
    return metaspace(size, LATIN, specials, specials + ["[MASK]"], "[UNK]", BERT_PAIRS, config)


def with_truncation_and_padding(recipe, length=16):
    """The same tokenizer with truncation and padding written into its tokenizer.json."""
    tokenizer, config = recipe
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length)
    return tokenizer, config
