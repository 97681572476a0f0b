//! Other names of countries and organisations, and the nationalities of countries.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::name;

/// One country per line: its code, names and nationalities. From Unicode CLDR and i18n-nationality, by
/// `scripts/countries.py`.
const COUNTRIES: &str = include_str!("countries.tsv");

/// One organisation per line: its names. Written for this project.
const ORGANISATIONS: &str = include_str!("organisations.tsv");

/// The thing for which each known name stands, by the key of the name.
pub(super) struct Alternatives {
    /// Countries by name, as their codes.
    countries: HashMap<String, &'static str>,
    /// Countries by nationality.
    nationalities: HashMap<String, &'static str>,
    /// Organisations by name, as the first of their names.
    organisations: HashMap<String, &'static str>,
}

static KNOWN: LazyLock<Alternatives> = LazyLock::new(|| {
    let (mut countries, mut nationalities, mut organisations) =
        (HashMap::new(), HashMap::new(), HashMap::new());
    for line in COUNTRIES.lines() {
        let mut fields = line.split('\t');
        let code = fields.next().unwrap_or_default();
        for (map, names) in [&mut countries, &mut nationalities].into_iter().zip(fields) {
            for name in names.split('|').filter(|name| !name.is_empty()) {
                map.entry(name::key(name)).or_insert(code);
            }
        }
    }
    for line in ORGANISATIONS.lines() {
        let first = line.split('|').next().unwrap_or_default();
        organisations.extend(line.split('|').map(|name| (name::key(name), first)));
    }
    Alternatives { countries, nationalities, organisations }
});

/// The thing for which a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Known {
    Country(&'static str),
    Nationality(&'static str),
    Organisation(&'static str),
}

/// The thing for which the name with this key and label stands.
pub(super) fn of(label: &str, key: &str) -> Option<Known> {
    match label {
        "LOC" => KNOWN.countries.get(key).copied().map(Known::Country),
        "MISC" => KNOWN.nationalities.get(key).copied().map(Known::Nationality),
        // Models label former states, and states that act, as organisations.
        "ORG" => {
            let organisation = KNOWN.organisations.get(key).copied().map(Known::Organisation);
            organisation.or_else(|| KNOWN.countries.get(key).copied().map(Known::Country))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, of};
    use crate::groups::name::key;

    #[test]
    fn names_of_one_thing_are_known() {
        for (label, names) in [
            ("LOC", &["United States", "U.S.", "USA", "America"][..]),
            ("LOC", &["Soviet Union", "USSR"]),
            ("LOC", &["Burma", "Myanmar"]),
            ("MISC", &["French", "Frenchman"]),
            ("ORG", &["NATO", "North Atlantic Treaty Organization", "North Atlantic Treaty Organisation"]),
        ] {
            let found: Vec<Option<Known>> = names.iter().map(|name| of(label, &key(name))).collect();
            assert!(
                found[0].is_some() && found.iter().all(|other| *other == found[0]),
                "{names:?}: {found:?}"
            );
        }
        assert_ne!(of("LOC", &key("Niger")), of("LOC", &key("Nigeria")));
        assert_eq!(of("PER", &key("Chad")), None);
    }
}
