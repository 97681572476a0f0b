//! A SentencePiece model file: the parts of `ModelProto` in sentencepiece_model.proto that are read.

use prost::Message;
use prost::bytes::Buf;

#[derive(Message)]
pub(super) struct ModelFile {
    #[prost(message, repeated, tag = "1")]
    pub(super) pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<Normalizer>,
}

#[derive(Message)]
pub(super) struct Piece {
    #[prost(string, tag = "1")]
    pub(super) text: String,
    #[prost(float, tag = "2")]
    pub(super) score: f32,
    #[prost(int32, optional, tag = "3", default = "1")]
    kind: Option<i32>,
}

#[derive(Message)]
struct Trainer {
    #[prost(int32, optional, tag = "3", default = "1")]
    model_type: Option<i32>,
    #[prost(int32, tag = "40")]
    unk_id: i32,
    #[prost(string, optional, tag = "45", default = "<unk>")]
    unk_piece: Option<String>,
}

#[derive(Message)]
struct Normalizer {
    #[prost(bytes = "vec", tag = "2")]
    precompiled_charsmap: Vec<u8>,
}

/// The algorithm by which a model splits words into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Unigram,
    Bpe,
}

impl Piece {
    /// Returns whether it is a control symbol, such as `</s>`.
    pub(super) fn is_control(&self) -> bool {
        self.kind() == 3
    }

    /// Returns whether it is a symbol that the model's author added.
    pub(super) fn is_user_defined(&self) -> bool {
        self.kind() == 4
    }
}

impl ModelFile {
    /// Reads a file with any content. Its pieces are counted before memory is allocated for them.
    pub(super) fn read(bytes: &[u8], largest: usize) -> Result<Self, String> {
        let pieces = count_pieces(bytes).ok_or("is not a SentencePiece model")?;
        if pieces > largest {
            return Err(format!("has {pieces} pieces; at most {largest} are read"));
        }
        let model = Self::decode(bytes).map_err(|error| format!("is not a SentencePiece model: {error}"))?;
        if model.pieces.is_empty() {
            return Err("is a SentencePiece model without pieces".into());
        }
        Ok(model)
    }

    pub(super) fn algorithm(&self) -> Result<Algorithm, String> {
        match self.trainer.as_ref().map_or(1, Trainer::model_type) {
            1 => Ok(Algorithm::Unigram),
            2 => Ok(Algorithm::Bpe),
            other => {
                let name = match other {
                    3 => "word",
                    4 => "char",
                    _ => "unknown",
                };
                Err(format!("is a SentencePiece model of type {name}; supported are unigram and bpe"))
            }
        }
    }

    /// The position of the piece for unknown characters.
    pub(super) fn unknown(&self) -> Option<usize> {
        usize::try_from(self.trainer.as_ref().map_or(0, |trainer| trainer.unk_id)).ok()
    }

    /// The text of the piece for unknown characters.
    pub(super) fn unknown_text(&self) -> &str {
        self.trainer.as_ref().map_or("<unk>", Trainer::unk_piece)
    }

    /// The compiled rules by which characters are normalised; may be empty.
    pub(super) fn charsmap(&self) -> &[u8] {
        self.normalizer.as_ref().map_or(&[], |normalizer| &normalizer.precompiled_charsmap)
    }
}

/// Counts field 1 in a message; `None` if the message is cut off or invalid.
fn count_pieces(mut bytes: &[u8]) -> Option<usize> {
    let mut pieces = 0;
    while bytes.has_remaining() {
        let key = prost::decode_length_delimiter(&mut bytes).ok()?;
        let length = match key & 7 {
            0 => {
                prost::encoding::decode_varint(&mut bytes).ok()?;
                0
            }
            1 => 8,
            2 => prost::decode_length_delimiter(&mut bytes).ok()?,
            5 => 4,
            _ => return None,
        };
        bytes = bytes.get(length..)?;
        pieces += usize::from(key >> 3 == 1);
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{ModelFile, Piece};

    fn model(pieces: usize) -> Vec<u8> {
        let piece = |number| Piece { text: format!("p{number}"), score: -1.0, kind: None };
        ModelFile { pieces: (0..pieces).map(piece).collect(), trainer: None, normalizer: None }
            .encode_to_vec()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let read = ModelFile::read(&model(3), 3).expect("it should be a model");
        assert_eq!(read.pieces.len(), 3);
        assert_eq!(read.pieces[0].kind(), 1);
        assert_eq!((read.unknown(), read.unknown_text()), (Some(0), "<unk>"));
        assert!(read.charsmap().is_empty());
    }

    #[test]
    fn damage_and_size_are_reported() {
        let bytes = model(3);
        assert!(
            ModelFile::read(&bytes, 2).expect_err("it should fail: it is too large").contains("has 3 pieces")
        );
        for cut in 1..bytes.len() {
            // A file that is cut where a piece ends is a smaller model.
            let _ = ModelFile::read(&bytes[..cut], 3);
        }
        for bytes in
            [&b""[..], b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"<html>", b"\x0a\x02\x0a\xff", &[0xff; 40]]
        {
            assert!(ModelFile::read(bytes, 3).is_err(), "{bytes:?}");
        }
        // Messages within messages, nested too deeply for recursive calls.
        let deep: Vec<u8> = (0..100_000).flat_map(|_| [0x0b]).collect();
        assert!(ModelFile::read(&deep, 3).is_err());
    }
}
