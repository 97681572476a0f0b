//! The growth of text in a tokenizer. A tokenizer.json may replace each character with many, many times over, until no
//! memory is left; this is found before the tokenizer sees a text.

use serde::Deserialize;
use serde_json::Value;
use tokenizers::Tokenizer;

/// The most characters that one character may become, by a bound that multiplies the most of each step. For ALBERT's
/// tokenizer, which has many steps, the bound is 1,296.
const MOST: usize = 4096;

/// The parts of a tokenizer.json that change texts.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Steps {
    normalizer: Value,
    pre_tokenizer: Value,
}

impl Steps {
    /// The steps of a tokenizer that was built.
    pub(super) fn of(tokenizer: &Tokenizer) -> Self {
        // Whatever can be read from JSON can be written as JSON.
        let value = |part: serde_json::Result<Value>| part.unwrap_or_default();
        Self {
            normalizer: value(serde_json::to_value(tokenizer.get_normalizer())),
            pre_tokenizer: value(serde_json::to_value(tokenizer.get_pre_tokenizer())),
        }
    }
}

/// Returns what is wrong with the steps, if they make too many characters of one. The library changes added tokens as
/// it changes texts, so a tokenizer.json is checked before the library reads it.
pub(super) fn check(steps: &Steps) -> Result<(), String> {
    match growth(&steps.normalizer).saturating_mul(growth(&steps.pre_tokenizer)) > MOST {
        true => Err(format!(
            "its normalizer and pre-tokenizer may turn one character into more than {MOST}; no common tokenizer does"
        )),
        false => Ok(()),
    }
}

/// A bound on the characters that `step` and the steps in it make of one character.
fn growth(step: &Value) -> usize {
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let own = match step["type"].as_str().unwrap_or_default() {
        "Replace" => {
            let content = length(&step["content"]);
            match length(&step["pattern"]["String"]) {
                // A regular expression may match one character, or the places between characters.
                0 => content + 1,
                pattern => content.div_ceil(pattern),
            }
        }
        "Prepend" => 1 + length(&step["prepend"]),
        "Precompiled" => longest_in_map(step["precompiled_charsmap"].as_str().unwrap_or_default()),
        // Those of Unicode's characters that become most.
        "NFKC" | "NFKD" => 18,
        "NFC" | "NFD" | "BertNormalizer" => 4,
        // It writes each byte as a character, after a space.
        "ByteLevel" => 5,
        "Metaspace" => 2,
        _ => 1,
    };
    let steps = ["normalizers", "pretokenizers"]
        .into_iter()
        .flat_map(|list| step[list].as_array().into_iter().flatten());
    steps.map(growth).fold(own.max(1), usize::saturating_mul)
}

/// The number of characters of the longest text in a map of SentencePiece: base64 of the length of a trie, the trie,
/// and texts that end with NUL.
fn longest_in_map(map: &str) -> usize {
    let bytes = base64::decode(map).unwrap_or_default();
    let Some((length, rest)) = bytes.split_first_chunk() else { return 0 };
    let texts = rest.get(u32::from_le_bytes(*length) as usize..).unwrap_or_default();
    texts
        .split(|&byte| byte == 0)
        .map(|text| String::from_utf8_lossy(text).chars().count())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MOST, growth, longest_in_map};

    fn replace(pattern: Value, content: &str) -> Value {
        json!({"type": "Replace", "pattern": pattern, "content": content})
    }

    fn sequence(steps: Vec<Value>) -> Value {
        json!({"type": "Sequence", "normalizers": steps})
    }

    fn step(name: &str) -> Value {
        json!({"type": name})
    }

    #[test]
    fn growth_multiplies() {
        let letter = || json!({"String": "a"});
        assert_eq!(growth(&Value::Null), 1);
        assert_eq!(growth(&replace(json!({"String": "``"}), "\"")), 1);
        assert_eq!(growth(&replace(letter(), "aaaaa")), 5);
        assert_eq!(growth(&sequence(vec![replace(letter(), "aaaaa"); 3])), 125);
        for small in [
            replace(letter(), "aaaaaaaaaa"),
            replace(json!({"String": ""}), "a"),
            replace(json!({"Regex": ""}), "a"),
            step("NFKD"),
            step("ByteLevel"),
            step("Metaspace"),
            json!({"type": "Prepend", "prepend": "a"}),
        ] {
            assert!(growth(&sequence(vec![sequence(vec![small.clone(); 40])])) >= 1 << 40, "{small}");
        }
    }

    #[test]
    fn common_tokenizers_are_allowed() {
        let space = || replace(json!({"Regex": " {2,}"}), " ");
        let albert = vec![
            replace(json!({"String": "``"}), "\""),
            replace(json!({"String": "''"}), "\""),
            step("NFKD"),
            step("StripAccents"),
            step("Lowercase"),
            json!({"type": "Precompiled", "precompiled_charsmap": map("\u{635}\u{644}\u{649} abcdefghijklmn\0")}),
            space(),
        ];
        assert!(growth(&sequence(albert)) * growth(&step("Metaspace")) <= MOST);
        let llama = vec![
            json!({"type": "Prepend", "prepend": "\u{2581}"}),
            replace(json!({"String": " "}), "\u{2581}"),
        ];
        assert!(growth(&sequence(llama)) <= MOST);
        assert!(growth(&step("NFC")) * growth(&step("ByteLevel")) <= MOST);
    }

    /// A map with these texts.
    fn map(texts: &str) -> String {
        base64::encode([&[4, 0, 0, 0, 9, 9, 9, 9], texts.as_bytes()].concat())
    }

    #[test]
    fn texts_of_maps_are_measured() {
        assert_eq!(longest_in_map(&map("a\0\u{e9}cd\0e\0")), 3);
        assert_eq!(longest_in_map(&map("")), 0);
        assert_eq!(longest_in_map("?"), 0);
        let long = json!({"type": "Precompiled", "precompiled_charsmap": map(&"x".repeat(MOST + 1))});
        assert!(growth(&long) > MOST);
    }
}
