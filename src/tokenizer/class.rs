//! transformers' tokenizer classes: the files that each reads, and its defaults.

use super::added::Added;

/// A tokenizer class of transformers, which entopic builds in its fast form.
#[derive(Debug)]
pub(super) struct Class {
    /// The name, without `Fast` at its end.
    pub(super) name: &'static str,
    /// The values of `model_type` whose tokenizer it is, unless a file names another.
    model_types: &'static [&'static str],
    pub(super) kind: Kind,
    /// The special tokens if no file says otherwise, in the order of [`ATTRIBUTES`].
    pub(super) specials: [Option<&'static str>; 7],
    pub(super) additional_specials: &'static [&'static str],
    /// The properties that the slow class, from which the fast one is converted, gives to special tokens.
    pub(super) slow: Marks,
    /// The properties that the fast class gives to special tokens if there is a tokenizer.json.
    pub(super) fast: Marks,
}

/// The special tokens that every class knows, in transformers' order.
pub(super) const ATTRIBUTES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

const UNKNOWN: usize = 2;
const MASK: usize = 6;

/// The files that a class reads, and their form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// vocab.txt.
    WordPiece,
    /// vocab.txt, with two separators between the texts of a pair.
    MpnetWordPiece,
    /// vocab.json and merges.txt, with `RobertaProcessing`.
    ByteLevel,
    /// vocab.json and merges.txt, with BERT's template.
    DebertaByteLevel,
    /// A SentencePiece model.
    SentencePiece(Pieces),
}

/// The class that sets the differences of ids and normaliser from the SentencePiece model's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pieces {
    Albert,
    Camembert,
    DebertaV2,
    XlmRoberta,
}

impl Kind {
    /// The files that it reads.
    pub(super) fn files(self) -> &'static [&'static str] {
        match self {
            Self::WordPiece | Self::MpnetWordPiece => &["vocab.txt"],
            Self::ByteLevel | Self::DebertaByteLevel => &["vocab.json", "merges.txt"],
            Self::SentencePiece(Pieces::Albert) => &["spiece.model"],
            Self::SentencePiece(Pieces::DebertaV2) => &["spm.model"],
            Self::SentencePiece(Pieces::Camembert | Pieces::XlmRoberta) => &["sentencepiece.bpe.model"],
        }
    }
}

/// The properties that a class gives to special tokens of which its files specify only the text.
#[derive(Debug)]
pub(super) struct Marks {
    all: Option<Mark>,
    unknown: Option<Mark>,
    mask: Option<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    lstrip: bool,
    normalized: Option<bool>,
    special: bool,
}

impl Marks {
    /// The special token of the attribute at `position` in [`ATTRIBUTES`], if the class gives it properties.
    pub(super) fn mark(&self, position: usize, content: &str) -> Option<Added> {
        let own = match position {
            MASK => self.mask,
            UNKNOWN => self.unknown,
            _ => None,
        };
        own.or(self.all).map(|Mark { lstrip, normalized, special }| Added {
            content: content.to_owned(),
            lstrip,
            normalized,
            special,
            ..Added::default()
        })
    }
}

const PLAIN: Mark = Mark { lstrip: false, normalized: None, special: false };
const SPECIAL: Mark = Mark { special: true, ..PLAIN };
/// The token takes the space before it.
const SPACED: Mark = Mark { lstrip: true, ..PLAIN };
const SPACED_SPECIAL: Mark = Mark { special: true, ..SPACED };
const SPACED_RAW: Mark = Mark { normalized: Some(false), ..SPACED };

const NONE: Marks = Marks { all: None, unknown: None, mask: None };
const fn mask(mask: Mark) -> Marks {
    Marks { mask: Some(mask), ..NONE }
}
const fn all(all: Mark, mask: Mark) -> Marks {
    Marks { all: Some(all), mask: Some(mask), ..NONE }
}

const BERT: [Option<&str>; 7] =
    [None, None, Some("[UNK]"), Some("[SEP]"), Some("[PAD]"), Some("[CLS]"), Some("[MASK]")];
const ROBERTA: [Option<&str>; 7] =
    [Some("<s>"), Some("</s>"), Some("<unk>"), Some("</s>"), Some("<pad>"), Some("<s>"), Some("<mask>")];
const DEBERTA: [Option<&str>; 7] = [
    Some("[CLS]"),
    Some("[SEP]"),
    Some("[UNK]"),
    Some("[SEP]"),
    Some("[PAD]"),
    Some("[CLS]"),
    Some("[MASK]"),
];

const fn word_piece(name: &'static str, model_types: &'static [&'static str]) -> Class {
    Class {
        name,
        model_types,
        kind: Kind::WordPiece,
        specials: BERT,
        additional_specials: &[],
        slow: NONE,
        fast: NONE,
    }
}

const fn byte_level(
    name: &'static str,
    model_types: &'static [&'static str],
    slow: Marks,
    fast: Marks,
) -> Class {
    Class { kind: Kind::ByteLevel, specials: ROBERTA, slow, fast, ..word_piece(name, model_types) }
}

/// The mask token of BART and LED, which is matched in normalised text.
const NORMALIZED: Mark = Mark { normalized: Some(true), ..SPACED_SPECIAL };

/// The classes, taken from transformers 4.49: the `__init__` of each class and of its fast form, and
/// `TOKENIZER_MAPPING_NAMES`.
static CLASSES: [Class; 16] = [
    word_piece("BertTokenizer", &["bert", "ernie", "megatron-bert", "nezha", "qdqbert", "visual_bert"]),
    word_piece("DistilBertTokenizer", &["distilbert"]),
    word_piece("ElectraTokenizer", &["electra"]),
    word_piece("MobileBertTokenizer", &["mobilebert"]),
    word_piece("ConvBertTokenizer", &["convbert"]),
    word_piece("SqueezeBertTokenizer", &["squeezebert"]),
    Class {
        kind: Kind::MpnetWordPiece,
        specials: [
            Some("<s>"),
            Some("</s>"),
            Some("[UNK]"),
            Some("</s>"),
            Some("<pad>"),
            Some("<s>"),
            Some("<mask>"),
        ],
        slow: all(SPECIAL, SPACED_SPECIAL),
        fast: all(PLAIN, SPACED),
        ..word_piece("MPNetTokenizer", &["mpnet"])
    },
    byte_level(
        "RobertaTokenizer",
        &["roberta", "roberta-prelayernorm", "ibert", "data2vec-text", "mra", "mega"],
        all(PLAIN, SPACED_RAW),
        mask(SPACED_RAW),
    ),
    byte_level("LongformerTokenizer", &["longformer"], all(PLAIN, SPACED_RAW), mask(SPACED_RAW)),
    byte_level("BartTokenizer", &["bart"], all(PLAIN, SPACED), mask(NORMALIZED)),
    byte_level("LEDTokenizer", &["led"], all(PLAIN, SPACED), mask(NORMALIZED)),
    Class {
        kind: Kind::DebertaByteLevel,
        specials: DEBERTA,
        slow: all(SPECIAL, SPACED),
        ..word_piece("DebertaTokenizer", &["deberta"])
    },
    Class {
        kind: Kind::SentencePiece(Pieces::XlmRoberta),
        specials: ROBERTA,
        slow: mask(SPACED_SPECIAL),
        fast: mask(SPACED),
        ..word_piece("XLMRobertaTokenizer", &["xlm-roberta", "xlm-roberta-xl", "xmod"])
    },
    Class {
        kind: Kind::SentencePiece(Pieces::Camembert),
        specials: ROBERTA,
        additional_specials: &["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"],
        slow: mask(Mark { special: true, ..SPACED_RAW }),
        fast: mask(SPACED_SPECIAL),
        ..word_piece("CamembertTokenizer", &["camembert"])
    },
    Class {
        kind: Kind::SentencePiece(Pieces::DebertaV2),
        specials: DEBERTA,
        slow: Marks { unknown: Some(Mark { normalized: Some(true), ..SPECIAL }), ..NONE },
        ..word_piece("DebertaV2Tokenizer", &["deberta-v2"])
    },
    Class {
        kind: Kind::SentencePiece(Pieces::Albert),
        specials: [
            Some("[CLS]"),
            Some("[SEP]"),
            Some("<unk>"),
            Some("[SEP]"),
            Some("<pad>"),
            Some("[CLS]"),
            Some("[MASK]"),
        ],
        slow: mask(SPACED_RAW),
        fast: mask(SPACED_RAW),
        ..word_piece("AlbertTokenizer", &["albert", "nystromformer", "yoso"])
    },
];

/// Classes that split text with Python code, so that no fast form of them can be made or saved.
const PYTHON_ONLY: [&str; 14] = [
    "BertGenerationTokenizer",
    "BertJapaneseTokenizer",
    "BertweetTokenizer",
    "ByT5Tokenizer",
    "CanineTokenizer",
    "ErnieMTokenizer",
    "EsmTokenizer",
    "FlaubertTokenizer",
    "LukeTokenizer",
    "MLukeTokenizer",
    "PhobertTokenizer",
    "RoCBertTokenizer",
    "TapasTokenizer",
    "XLMTokenizer",
];

/// The class with this name, with or without `Fast`.
pub(super) fn named(name: &str) -> Option<&'static Class> {
    let name = name.strip_suffix("Fast").unwrap_or(name);
    CLASSES.iter().find(|class| class.name == name)
}

/// The class that transformers chooses for a `model_type`.
pub(super) fn of_model_type(model_type: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.model_types.contains(&model_type))
}

/// Returns whether transformers has only a slow form of the class.
pub(super) fn is_python_only(name: &str) -> bool {
    PYTHON_ONLY.contains(&name)
}

/// The names of all classes, for messages.
pub(super) fn names() -> String {
    CLASSES.iter().map(|class| class.name).collect::<Vec<_>>().join(", ")
}
