//! The growth of text in a tokenizer. A tokenizer.json may replace each character with many, many times over, until no
//! memory is left; this is found before the tokenizer sees a text.

use serde_json::Value;
use tokenizers::Tokenizer;

/// The most characters that one character may become. In Unicode's own normal forms it is 18.
const MOST: usize = 1024;

/// The most characters of a text in a map of characters; in SentencePiece's own maps it is 18.
const LONGEST_IN_MAP: usize = 64;

/// The steps that lengthen some characters, but not what they make of them; known tokenizers have at most two.
const FORMS: usize = 2;

/// Checks the normalizer and the pre-tokenizer; returns what is wrong.
pub(super) fn check(tokenizer: &Tokenizer) -> Result<(), String> {
    // Whatever was read from JSON can be written as JSON.
    let value = |part: serde_json::Result<Value>| part.unwrap_or_default();
    let mut growth = Growth { factor: 1, forms: 0 };
    growth.add(&value(serde_json::to_value(tokenizer.get_normalizer())));
    growth.add(&value(serde_json::to_value(tokenizer.get_pre_tokenizer())));
    match growth.factor > MOST {
        true => Err(format!(
            "its normalizer or pre-tokenizer may make more than {MOST} characters of one, as no usual tokenizer does"
        )),
        false => Ok(()),
    }
}

struct Growth {
    factor: usize,
    forms: usize,
}

impl Growth {
    fn add(&mut self, step: &Value) {
        let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
        let factor = match step["type"].as_str().unwrap_or_default() {
            "Replace" => {
                // A regular expression may match one character, or none.
                let pattern = length(&step["pattern"]["String"]).max(1);
                length(&step["content"]).div_ceil(pattern).max(1)
            }
            "Precompiled" => {
                match longest_in_map(step["precompiled_charsmap"].as_str().unwrap_or_default()) {
                    longest if longest > LONGEST_IN_MAP => MOST + 1,
                    _ => self.form(LONGEST_IN_MAP),
                }
            }
            "NFKC" | "NFKD" => self.form(18),
            "NFC" | "NFD" | "BertNormalizer" => self.form(4),
            "ByteLevel" => self.form(2),
            _ => 1,
        };
        self.factor = self.factor.saturating_mul(factor);
        for list in ["normalizers", "pretokenizers"] {
            step[list].as_array().into_iter().flatten().for_each(|step| self.add(step));
        }
    }

    /// The factor of a step of which the first [`FORMS`] do not count.
    fn form(&mut self, factor: usize) -> usize {
        self.forms += 1;
        if self.forms <= FORMS { 1 } else { factor }
    }
}

/// The length of the longest text in a map of SentencePiece, in bytes: base64 of the length of a trie, the trie, and
/// texts that end with NUL.
fn longest_in_map(map: &str) -> usize {
    let bytes = base64::decode(map).unwrap_or_default();
    let Some((length, rest)) = bytes.split_first_chunk() else { return 0 };
    let texts = rest.get(u32::from_le_bytes(*length) as usize..).unwrap_or_default();
    texts.split(|&byte| byte == 0).map(<[u8]>::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Growth, longest_in_map};

    fn factor(step: &Value) -> usize {
        let mut growth = Growth { factor: 1, forms: 0 };
        growth.add(step);
        growth.factor
    }

    #[test]
    fn growth_multiplies() {
        let replace = |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
        let letter = || json!({"String": "a"});
        assert_eq!(factor(&Value::Null), 1);
        assert_eq!(factor(&replace(json!({"String": "``"}), "\"")), 1);
        assert_eq!(factor(&replace(json!({"Regex": " {2,}"}), "\u{2581}")), 1);
        assert_eq!(factor(&replace(letter(), "aaaaa")), 5);
        let sequence = |steps: Vec<Value>| json!({"type": "Sequence", "normalizers": steps});
        assert_eq!(factor(&sequence(vec![replace(letter(), "aaaaa"); 3])), 125);
        let usual = ["NFKD", "StripAccents", "Lowercase", "NFKC"].map(|name| json!({"type": name})).to_vec();
        assert_eq!(factor(&sequence(usual)), 1);
        assert!(factor(&sequence(vec![replace(letter(), "aaaaaaaaaa"); 400])) > 1 << 40);
        assert!(factor(&sequence(vec![json!({"type": "NFKD"}); 6])) > 1 << 16);
        assert!(factor(&sequence(vec![sequence(vec![json!({"type": "ByteLevel"}); 20])])) > 1 << 16);
    }

    #[test]
    fn texts_of_maps_are_measured() {
        let map = |texts: &str| base64::encode([&[4, 0, 0, 0, 9, 9, 9, 9], texts.as_bytes()].concat());
        assert_eq!(longest_in_map(&map("a\0bcd\0e\0")), 3);
        assert_eq!(longest_in_map(&map("")), 0);
        assert_eq!(longest_in_map("?"), 0);
        let long = json!({"type": "Precompiled", "precompiled_charsmap": map(&"x".repeat(65))});
        assert!(factor(&long) > super::MOST);
        let usual = json!({"type": "Precompiled", "precompiled_charsmap": map("abc\0")});
        assert_eq!(factor(&usual), 1);
    }
}
