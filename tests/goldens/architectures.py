"""The fixtures: every supported architecture in the variants of its checkpoints."""

import transformers
from transformers import (
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
    AlbertModel,
    BartForSequenceClassification,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    CamembertForSequenceClassification,
    CamembertForTokenClassification,
    CamembertModel,
    DebertaV2ForSequenceClassification,
    DebertaV2ForTokenClassification,
    DebertaV2Model,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    DistilBertModel,
    ElectraForSequenceClassification,
    ElectraForTokenClassification,
    ElectraModel,
    FNetForSequenceClassification,
    FNetForTokenClassification,
    LongformerForSequenceClassification,
    LongformerForTokenClassification,
    MobileBertForSequenceClassification,
    MobileBertForTokenClassification,
    ModernBertForSequenceClassification,
    ModernBertForTokenClassification,
    ModernBertModel,
    MPNetForSequenceClassification,
    MPNetForTokenClassification,
    MPNetModel,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
    XLMRobertaForSequenceClassification,
    XLMRobertaForTokenClassification,
    XLMRobertaModel,
)

from checkpoints import Checkpoint
from references import ESSENTIALS, EVERYTHING
from vocabularies import (
    LATIN,
    ROBERTA_SPECIALS,
    albert_pieces,
    byte_level,
    camembert_pieces,
    deberta_pieces,
    fnet_pieces,
    metaspace,
    modernbert_bytes,
    mpnet_wordpiece,
    roberta_bytes,
    with_truncation_and_padding,
    wordpiece,
    xlm_roberta_pieces,
    xlnet_pieces,
)


def tags(types, prefixes):
    """Every type under every prefix."""
    return [f"{prefix}-{kind}" for kind in types for prefix in prefixes]


BIO = ["I-LOC", "B-PER", "O", "I-MISC", "B-LOC", "I-PER", "B-ORG", "B-MISC", "I-ORG"]
HYPHENATED = ["O", "PER", "creative-work", "B-creative-work", "I-creative-work", "LOC", "B-LOC"]
BIOES = ["O"] + tags(["PER", "LOC", "ORG"], "BIES")
SHORT_BIO = ["O"] + tags(["PER", "LOC"], "BI")
INSIDE = ["LOC", "O", "MISC", "PER"]
THREE = ["contradiction", "neutral", "entailment"]
UPPER = [label.upper() for label in THREE]
TWO = ["entailment", "not_entailment"]

# Heads of eight.
SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "num_hidden_layers": 2}
# Not powers of two.
WIDER = {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 40}
# Published checkpoints have 1e-5 and less, which a tolerance of 1e-4 could not distinguish from 0.
VISIBLE_EPSILON = {"layer_norm_eps": 1e-3}


def bert(name, architecture, tokenizer, labels, seed, positions=64, options=None, poolings=None):
    """BERT, with every text and case."""
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "num_hidden_layers": 2}
    options = {**sizes, **(options or {})}
    return Checkpoint(name, architecture, tokenizer, labels, seed, options, EVERYTHING, positions, poolings=poolings)


def small(name, architecture, tokenizer, labels, seed, options=None, poolings=None, reserved=0, written=None):
    """A small fixture of another architecture, with the essential texts and cases.

    Its longest sequence has 64 tokens, behind `reserved` rows of the position table.
    """
    options = {**SIZES, **(options or {})}
    positions = 64 + reserved
    return Checkpoint(
        name, architecture, tokenizer, labels, seed, options, ESSENTIALS, positions, reserved, poolings, written or {}
    )


def bert_checkpoints():
    """BERT, except the quantised fixture, which is made from the first."""
    ner, nli = BertForTokenClassification, BertForSequenceClassification
    uncased = wordpiece(lowercase=True)
    padded = with_truncation_and_padding
    three_layers = {"type_vocab_size": 1, "pad_token_id": 1, "num_hidden_layers": 3}
    return [
        bert("ner-wordpiece-cased", ner, wordpiece(lowercase=False), BIO, 21),
        bert("ner-wordpiece-uncased", ner, uncased, HYPHENATED, 2, options={"hidden_act": "relu"}),
        bert("ner-bioes", ner, padded(wordpiece(lowercase=False)), BIOES, 3, 40, {"hidden_act": "gelu_new"}),
        bert("ner-bytelevel", ner, byte_level(), BIO, 4, 128, three_layers),
        bert("ner-metaspace", ner, metaspace(), BIO, 25, options={"layer_norm_eps": 1e-5, "pad_token_id": 1}),
        bert("nli-cne", nli, uncased, THREE, 6),
        bert("nli-enc", nli, uncased, UPPER[::-1], 7),
        bert("nli-e-not", nli, uncased, TWO, 8),
        bert("nli-not-e", nli, uncased, TWO[::-1], 9),
        bert("nli-unnamed", nli, uncased, ["LABEL_0", "LABEL_1", "LABEL_2"], 10),
        bert("embed-mean", BertModel, padded(wordpiece(lowercase=True)), None, 11, 128, poolings="mean_tokens"),
        bert("embed-cls", BertModel, uncased, None, 12, 128, poolings="cls_token"),
    ]


def roberta_checkpoints():
    """RoBERTa: positions begin after the padding token's id; one token type."""
    tokenizer = roberta_bytes("RobertaTokenizer")
    padding_first = roberta_bytes("RobertaTokenizer", ["<pad>", "<s>", "</s>", "<unk>", "<mask>"])
    options = {"type_vocab_size": 1, "layer_norm_eps": 1e-5}
    shifted = {**options, **VISIBLE_EPSILON, "pad_token_id": 0, "bos_token_id": 1}
    ner, nli = RobertaForTokenClassification, RobertaForSequenceClassification
    return [
        small("roberta-ner", ner, tokenizer, SHORT_BIO, 4, options, reserved=2),
        small("roberta-nli", nli, tokenizer, UPPER, 1, {**options, **WIDER}, reserved=2),
        small("roberta-embed", RobertaModel, padding_first, None, 1, shifted, "mean_tokens", reserved=1),
    ]


def distilbert_checkpoints():
    """DistilBERT: no token types, and its own names."""

    def tokenizer(lowercase):
        pieces, config = wordpiece(lowercase, 300, LATIN)
        return pieces, {**config, "tokenizer_class": "DistilBertTokenizer"}

    options = {"dim": 16, "n_heads": 2, "hidden_dim": 32, "n_layers": 2, "tie_weights_": True}
    wider = {**options, "dim": 24, "n_heads": 3, "hidden_dim": 40, "activation": "relu"}
    specs = [
        small("distilbert-ner", DistilBertForTokenClassification, tokenizer(False), INSIDE, 1),
        small("distilbert-nli", DistilBertForSequenceClassification, tokenizer(True), UPPER[::-1], 1),
        small("distilbert-embed", DistilBertModel, tokenizer(True), None, 1, poolings="mean_tokens"),
    ]
    for spec, names in zip(specs, (options, wider, options)):
        spec.options = names
    return specs


def xlm_roberta_checkpoints():
    """XLM-RoBERTa: RoBERTa over Unigram pieces."""
    tokenizer = xlm_roberta_pieces()
    options = {"type_vocab_size": 1, "layer_norm_eps": 1e-5}
    visible = {**options, **VISIBLE_EPSILON}
    ner, nli = XLMRobertaForTokenClassification, XLMRobertaForSequenceClassification
    return [
        small("xlm-roberta-ner", ner, tokenizer, SHORT_BIO[::-1], 1, options, reserved=2),
        small("xlm-roberta-nli", nli, tokenizer, THREE, 1, options, reserved=2),
        small("xlm-roberta-embed", XLMRobertaModel, tokenizer, None, 1, visible, "cls_token", reserved=2),
    ]


def camembert_checkpoints():
    """CamemBERT: XLM-RoBERTa with other ids for the special tokens."""
    tokenizer = camembert_pieces()
    options = {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "bos_token_id": 5, "eos_token_id": 6}
    labels = ["entailment", "neutral", "contradiction"]
    visible = {**options, **VISIBLE_EPSILON}
    ner, nli = CamembertForTokenClassification, CamembertForSequenceClassification
    return [
        small("camembert-ner", ner, tokenizer, ["O", *tags(["LOC", "PER", "ORG"], "I")], 1, options, reserved=2),
        small("camembert-nli", nli, tokenizer, labels, 1, options, reserved=2),
        small("camembert-embed", CamembertModel, tokenizer, None, 1, visible, "mean_tokens", reserved=2),
    ]


def electra_checkpoints():
    """ELECTRA: embeddings may be narrower than the rest."""

    def tokenizer(lowercase):
        pieces, config = wordpiece(lowercase, 300, LATIN)
        return pieces, {**config, "tokenizer_class": "ElectraTokenizer"}

    ner, nli = ElectraForTokenClassification, ElectraForSequenceClassification
    narrow = {"embedding_size": 12}
    return [
        small("electra-ner", ner, tokenizer(False), SHORT_BIO, 1, narrow),
        small("electra-nli", nli, tokenizer(True), TWO[::-1], 1, {"embedding_size": 16}),
        small("electra-embed", ElectraModel, tokenizer(True), None, 1, {**narrow, **VISIBLE_EPSILON}, "cls_token"),
    ]


def albert_checkpoints():
    """ALBERT: layers share weights in groups, a group may hold several, embeddings are narrower."""
    tokenizer = albert_pieces()
    names = {"bos_token_id": 2, "eos_token_id": 3, "embedding_size": 12}
    shared = {**names, "num_hidden_layers": 3, "hidden_act": "gelu_new"}
    uneven = {**names, **WIDER, "num_hidden_layers": 5, "num_hidden_groups": 2, "hidden_act": "gelu"}
    inner = {**names, **VISIBLE_EPSILON, "inner_group_num": 2, "hidden_act": "gelu_new"}
    ner, nli = AlbertForTokenClassification, AlbertForSequenceClassification
    return [
        small("albert-ner", ner, tokenizer, SHORT_BIO, 1, shared),
        small("albert-nli", nli, tokenizer, THREE[::-1], 1, uneven),
        small("albert-embed", AlbertModel, tokenizer, None, 1, inner, "mean_tokens"),
    ]


def mpnet_checkpoints():
    """MPNet: biases by distance, and positions that begin at two."""
    tokenizer = mpnet_wordpiece()
    options = {"layer_norm_eps": 1e-5}
    labels = ["contradiction", "entailment", "neutral"]
    ner, nli = MPNetForTokenClassification, MPNetForSequenceClassification
    return [
        small("mpnet-ner", ner, tokenizer, SHORT_BIO, 1, options, reserved=2),
        small("mpnet-nli", nli, tokenizer, labels, 1, options, reserved=2),
        small("mpnet-embed", MPNetModel, tokenizer, None, 1, VISIBLE_EPSILON, "mean_tokens", reserved=2),
    ]


def deberta_checkpoints():
    """DeBERTa: the third version's style, and the further parts of the second version's checkpoints.

    Distances reach 63, far beyond the buckets, so that the logarithmic ones are used.
    """
    tokenizer = deberta_pieces()
    common = {"relative_attention": True, "max_relative_positions": -1, "pooler_dropout": 0}
    third = {
        **common,
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": "p2c|c2p",
        "position_biased_input": False,
        "type_vocab_size": 0,
        "pooler_hidden_size": 16,
        "pooler_hidden_act": "gelu",
    }
    second = {
        **third,
        "position_buckets": 16,
        "share_att_key": False,
        "attention_head_size": 8,
        "embedding_size": 12,
        "conv_kernel_size": 3,
        "conv_act": "gelu",
        "position_biased_input": True,
        "type_vocab_size": 2,
    }
    # No buckets: distances beyond 16 share the outermost embeddings.
    plain = {
        **common,
        "max_relative_positions": 16,
        "pos_att_type": ["c2p"],
        "position_biased_input": True,
        "type_vocab_size": 0,
    }
    ner, nli = DebertaV2ForTokenClassification, DebertaV2ForSequenceClassification
    # The published files have this as one string; transformers writes a list.
    joined = {"pos_att_type": "p2c|c2p"}
    return [
        small("deberta-v2-ner", ner, tokenizer, SHORT_BIO, 3, {**third, "position_buckets": 16}, written=joined),
        small("deberta-v2-nli", nli, tokenizer, TWO, 1, {**third, **WIDER, "pooler_hidden_size": 24}, written=joined),
        small("deberta-v2-embed", DebertaV2Model, tokenizer, None, 1, {**third, **VISIBLE_EPSILON}, "mean_tokens"),
        small("deberta-v2-conv-nli", nli, tokenizer, UPPER, 1, second, written=joined),
        small("deberta-v2-c2p-nli", nli, tokenizer, TWO[::-1], 1, plain),
    ]


def modernbert_checkpoints():
    """ModernBERT: rotary positions, gated units, local attention in all but every third layer."""
    tokenizer = modernbert_bytes()
    ids = {name: tokenizer[0].token_to_id(f"[{name}]") for name in ("CLS", "SEP", "PAD")}
    options = {
        "num_hidden_layers": 4,
        "local_attention": 16,
        "global_attn_every_n_layers": 3,
        # Smaller than the published ones, so that all angles turn visibly within 64 tokens.
        "global_rope_theta": 1000.0,
        "local_rope_theta": 50.0,
        "reference_compile": False,
        "pad_token_id": ids["PAD"],
        "cls_token_id": ids["CLS"],
        "sep_token_id": ids["SEP"],
        "bos_token_id": ids["CLS"],
        "eos_token_id": ids["SEP"],
    }
    published = {**options, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0, "norm_eps": 1e-3}
    ner, nli = ModernBertForTokenClassification, ModernBertForSequenceClassification
    return [
        small("modernbert-ner", ner, tokenizer, SHORT_BIO, 1, options),
        small("modernbert-nli", nli, tokenizer, THREE[::-1], 1, {**options, "classifier_pooling": "cls"}),
        small("modernbert-mean-nli", nli, tokenizer, TWO, 1, {**options, "classifier_pooling": "mean"}),
        small("modernbert-embed", ModernBertModel, tokenizer, None, 1, published, "mean_tokens"),
    ]


def bart_checkpoints():
    """BART: an encoder and a decoder; the last `</s>` decides."""
    spec = small("bart-nli", BartForSequenceClassification, roberta_bytes("BartTokenizer"), THREE, 1)
    spec.options = {
        "d_model": 16,
        "encoder_layers": 3,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 24,
        "activation_function": "gelu",
    }
    return [spec]


def fixed_checkpoints():
    """Settings that rust-bert fixes: RoBERTa's epsilon of 1e-12, and one group of layers in ALBERT."""
    tokenizer = roberta_bytes("RobertaTokenizer")
    options = {"type_vocab_size": 1, "layer_norm_eps": 1e-12}
    ner, nli = RobertaForTokenClassification, RobertaForSequenceClassification
    albert = {"bos_token_id": 2, "eos_token_id": 3, "embedding_size": 12, "hidden_act": "gelu_new"}
    return [
        small("roberta-fixed-ner", ner, tokenizer, SHORT_BIO, 4, options, reserved=2),
        small("roberta-fixed-nli", nli, tokenizer, UPPER, 1, {**options, **WIDER}, reserved=2),
        small("albert-fixed-nli", AlbertForSequenceClassification, albert_pieces(), THREE[::-1], 1, albert),
    ]


def mobilebert_checkpoints():
    """MobileBERT: bottlenecks, several feed-forward networks per layer, no layer norms."""
    pieces, config = wordpiece(True, 300, LATIN)
    tokenizer = pieces, {**config, "tokenizer_class": "MobileBertTokenizer"}
    options = {"embedding_size": 12, "intra_bottleneck_size": 8, "true_hidden_size": 8, "intermediate_size": 24}
    ner, nli = MobileBertForTokenClassification, MobileBertForSequenceClassification
    return [
        small("mobilebert-ner", ner, tokenizer, SHORT_BIO, 1, options),
        small("mobilebert-nli", nli, tokenizer, THREE, 1, options),
    ]


class XLNetConfig(transformers.XLNetConfig):
    """XLNet has no limit to its positions, and refuses one."""

    def __init__(self, max_position_embeddings=None, **options):
        super().__init__(**options)


class XLNetForTokenClassification(transformers.XLNetForTokenClassification):
    """XLNet with that config."""

    config_class = XLNetConfig


class XLNetForSequenceClassification(transformers.XLNetForSequenceClassification):
    """XLNet with that config."""

    config_class = XLNetConfig


def xlnet_checkpoints():
    """XLNet: relative positions without a table; special tokens after the text, `<cls>` with a separate type."""
    tokenizer = xlnet_pieces()
    specs = [
        small("xlnet-ner", XLNetForTokenClassification, tokenizer, SHORT_BIO, 1),
        small("xlnet-nli", XLNetForSequenceClassification, tokenizer, THREE, 1),
    ]
    for spec in specs:
        spec.options = {"d_model": 16, "n_head": 2, "d_inner": 32, "n_layer": 2, "pad_token_id": 5}
    return specs


def longformer_checkpoints():
    """Longformer: RoBERTa with attention inside a window, and global for the first token that classifies."""
    tokenizer = roberta_bytes("LongformerTokenizer")
    options = {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "attention_window": [8, 16], "pad_token_id": 1}
    options |= {"bos_token_id": 0, "eos_token_id": 2, "sep_token_id": 2}
    ner, nli = LongformerForTokenClassification, LongformerForSequenceClassification
    return [
        small("longformer-ner", ner, tokenizer, SHORT_BIO, 1, options, reserved=2),
        small("longformer-nli", nli, tokenizer, THREE, 1, options, reserved=2),
    ]


def fnet_checkpoints():
    """FNet: Fourier transforms in place of attention."""
    tokenizer = fnet_pieces()
    options = {name: SIZES[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers")}
    options |= {"type_vocab_size": 4, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    specs = [
        small("fnet-ner", FNetForTokenClassification, tokenizer, SHORT_BIO, 1),
        small("fnet-nli", FNetForSequenceClassification, tokenizer, THREE, 1),
    ]
    for spec in specs:
        spec.options = options
    return specs


def fixtures():
    """Every fixture but the quantised one."""
    families = [
        bert_checkpoints,
        roberta_checkpoints,
        distilbert_checkpoints,
        xlm_roberta_checkpoints,
        camembert_checkpoints,
        electra_checkpoints,
        albert_checkpoints,
        mpnet_checkpoints,
        deberta_checkpoints,
        modernbert_checkpoints,
        bart_checkpoints,
        fixed_checkpoints,
        mobilebert_checkpoints,
        xlnet_checkpoints,
        longformer_checkpoints,
        fnet_checkpoints,
    ]
    return [spec for family in families for spec in family()]
