//! Detects texts in a language that a model does not know.

#[cfg(feature = "language")]
use whatlang::{Info, Lang};

/// The number of characters that are examined: enough to recognise a language, at a cost of some ten microseconds.
#[cfg(feature = "language")]
const SAMPLE: usize = 600;

/// The ISO 639-1 code of the apparent language of `text`, if it is none of `known` and its detection is reliable.
/// `None` for short texts, for models without known languages, and in builds without the feature `language`.
pub(crate) fn foreign(text: &str, known: &[String]) -> Option<String> {
    #[cfg(feature = "language")]
    {
        let end = text.char_indices().nth(SAMPLE).map_or(text.len(), |(at, _)| at);
        // Avoids most detections that would be in vain, such as those of short lists of names and numbers.
        let text = &text[..end];
        let is_english = || ENGLISH.iter().filter(|word| text.contains(**word)).count() > 1;
        if known.is_empty() || end < SHORTEST || known.iter().any(|known| known == "en") && is_english() {
            return None;
        }
        let found = whatlang::detect(text).filter(Info::is_reliable)?;
        let (_, code) = CODES.iter().find(|(lang, _)| *lang == found.lang())?;
        (!known.iter().any(|known| known == code)).then(|| (*code).to_owned())
    }
    #[cfg(not(feature = "language"))]
    {
        let _ = (text, known);
        None
    }
}

/// English words that other languages lack. Two of them identify most English texts at no cost, and also some with
/// foreign names that trigrams would not recognise as English.
#[cfg(feature = "language")]
const ENGLISH: [&str; 18] = [
    " the ", " and ", " with ", " from ", " has ", " that ", " which ", " while ", " said ", " this ",
    " are ", " were ", " after ", " who ", " its ", " not ", " his ", " would ",
];

/// The length in bytes of the shortest text whose language is detected.
#[cfg(feature = "language")]
const SHORTEST: usize = 60;

#[cfg(feature = "language")]
const CODES: &[(Lang, &str)] = &[
    (Lang::Epo, "eo"),
    (Lang::Eng, "en"),
    (Lang::Rus, "ru"),
    (Lang::Cmn, "zh"),
    (Lang::Spa, "es"),
    (Lang::Por, "pt"),
    (Lang::Ita, "it"),
    (Lang::Ben, "bn"),
    (Lang::Fra, "fr"),
    (Lang::Deu, "de"),
    (Lang::Ukr, "uk"),
    (Lang::Kat, "ka"),
    (Lang::Ara, "ar"),
    (Lang::Hin, "hi"),
    (Lang::Jpn, "ja"),
    (Lang::Heb, "he"),
    (Lang::Yid, "yi"),
    (Lang::Pol, "pl"),
    (Lang::Amh, "am"),
    (Lang::Jav, "jv"),
    (Lang::Kor, "ko"),
    (Lang::Nob, "nb"),
    (Lang::Dan, "da"),
    (Lang::Swe, "sv"),
    (Lang::Fin, "fi"),
    (Lang::Tur, "tr"),
    (Lang::Nld, "nl"),
    (Lang::Hun, "hu"),
    (Lang::Ces, "cs"),
    (Lang::Ell, "el"),
    (Lang::Bul, "bg"),
    (Lang::Bel, "be"),
    (Lang::Mar, "mr"),
    (Lang::Kan, "kn"),
    (Lang::Ron, "ro"),
    (Lang::Slv, "sl"),
    (Lang::Hrv, "hr"),
    (Lang::Srp, "sr"),
    (Lang::Mkd, "mk"),
    (Lang::Lit, "lt"),
    (Lang::Lav, "lv"),
    (Lang::Est, "et"),
    (Lang::Tam, "ta"),
    (Lang::Vie, "vi"),
    (Lang::Urd, "ur"),
    (Lang::Tha, "th"),
    (Lang::Guj, "gu"),
    (Lang::Uzb, "uz"),
    (Lang::Pan, "pa"),
    (Lang::Aze, "az"),
    (Lang::Ind, "id"),
    (Lang::Tel, "te"),
    (Lang::Pes, "fa"),
    (Lang::Mal, "ml"),
    (Lang::Ori, "or"),
    (Lang::Mya, "my"),
    (Lang::Nep, "ne"),
    (Lang::Sin, "si"),
    (Lang::Khm, "km"),
    (Lang::Tuk, "tk"),
    (Lang::Aka, "ak"),
    (Lang::Zul, "zu"),
    (Lang::Sna, "sn"),
    (Lang::Afr, "af"),
    (Lang::Lat, "la"),
    (Lang::Slk, "sk"),
    (Lang::Cat, "ca"),
    (Lang::Tgl, "tl"),
    (Lang::Hye, "hy"),
    (Lang::Cym, "cy"),
];

#[cfg(test)]
#[cfg(feature = "language")]
mod tests {
    use super::foreign;

    #[test]
    fn a_language_is_named_if_the_model_does_not_know_it() {
        let of = |text: &str, known: &[&str]| {
            let known: Vec<String> = known.iter().map(|&code| code.to_owned()).collect();
            foreign(text, &known)
        };
        let german = "Das Parlament in Berlin stimmte am Montag über den Haushalt ab, und die Minister waren zufrieden.";
        assert_eq!(of(german, &["en"]), Some("de".into()));
        assert_eq!(of(german, &["en", "de"]), None);
        assert_eq!(of(german, &[]), None);
        let english =
            "Parliament in London voted on the budget on Monday, and the ministers were pleased with it.";
        assert_eq!(of(english, &["en"]), None);
        assert_eq!(
            of("Парламент в Москве проголосовал в понедельник за новый бюджет страны.", &["en"]),
            Some("ru".into())
        );
        let german =
            "Der Vertrag zwischen Procter and Gamble und der Stadt München wurde am Montag unterzeichnet.";
        assert_eq!(of(german, &["en"]), Some("de".into()));
        for short in ["", "Obama", "Ann Lee\nBo Chan\nCy Young"] {
            assert_eq!(of(short, &["en"]), None);
        }
    }
}
