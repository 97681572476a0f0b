//! Groups the mentions of a document that name the same thing.

mod alternatives;
mod name;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use self::alternatives::Known;
use crate::ner::entity::Entity;

/// The entities of a document that name the same thing, as found by [`groups`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MentionGroup {
    /// The longest name in the group; on a tie, the one that comes first in the text.
    pub name: String,
    /// The most frequent label of the mentions; on a tie, the one that comes first in the text.
    pub label: String,
    /// The most frequent kind of the mentions that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The indices of the entities in the group, in the order of the text.
    pub mentions: Vec<usize>,
    /// The share of the group in the subject of the document, 0 to 1; the shares of all groups add up to 1. The weight
    /// of a group is its number of mentions times a factor. The factor is 1, plus 0.5 if the first mention is in the
    /// first of several lines, plus up to 0.5: the nearer the first mention is to the beginning, the more.
    pub salience: f32,
    /// For a nationality, the index of the country's group, if the document names the country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<usize>,
}

/// The rules of [`groups`]; all of them apply by default.
///
/// ```
/// use entopic::{Entity, GroupOptions, Span, groups};
///
/// let text = "Angela Merkel spoke. Merkel left.";
/// let person = |bytes| {
///     Entity::new("PER", text, Span::from_bytes(text, bytes).expect("it should fit"), 1.0)
/// };
/// let entities = [person(0..13), person(21..27)];
/// assert_eq!(groups(text, &entities, &GroupOptions::new()).len(), 1);
/// assert_eq!(groups(text, &entities, &GroupOptions::new().parts(false)).len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOptions {
    variants: bool,
    parts: bool,
    acronyms: bool,
    alternatives: bool,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self { variants: true, parts: true, acronyms: true, alternatives: true }
    }
}

impl GroupOptions {
    /// Options with which all rules apply.
    ///
    /// ```
    /// use entopic::GroupOptions;
    ///
    /// let all = GroupOptions::new().variants(true).parts(true).acronyms(true).alternatives(true);
    /// assert_eq!(GroupOptions::new(), all);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Treats names as the same if they differ only by case, accents, dots, *the*, a possessive, or the legal form of a
    /// company: *ERDOGAN* and *Erdoğan*, *U.S.* and *US*, *Siemens AG* and *Siemens*. A name that
    /// occurs once with a label is joined with the same name under another label, if that occurs at least three times.
    ///
    /// ```
    /// use entopic::{Entity, GroupOptions, Span, groups};
    ///
    /// let text = "ERDOGAN and Erdoğan";
    /// let entity = |bytes| Entity::new("PER", text, Span::from_bytes(text, bytes).expect("it should fit"), 1.0);
    /// let entities = [entity(0..7), entity(12..20)];
    /// assert_eq!(groups(text, &entities, &GroupOptions::new()).len(), 1);
    /// assert_eq!(groups(text, &entities, &GroupOptions::new().variants(false)).len(), 2);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn variants(mut self, apply: bool) -> Self {
        self.variants = apply;
        self
    }

    /// Treats part of a name as short for the whole: *Merkel* for *Angela Merkel*, *von der Leyen* for *Ursula von der
    /// Leyen*, *Toyota* for *Toyota Motor Corporation*, *J. K. Rowling* for *Joanne Rowling*. If several people match,
    /// the one who was named last is chosen. Words that more than 200 names of a document share are ignored.
    ///
    /// ```
    /// use entopic::{Entity, GroupOptions, Span, groups};
    ///
    /// let text = "Joanne Rowling met her readers. Rowling read to them.";
    /// let entity = |bytes| Entity::new("PER", text, Span::from_bytes(text, bytes).expect("it should fit"), 1.0);
    /// let entities = [entity(0..14), entity(32..39)];
    /// assert_eq!(groups(text, &entities, &GroupOptions::new()).len(), 1);
    /// assert_eq!(groups(text, &entities, &GroupOptions::new().parts(false)).len(), 2);
    /// ```
    #[must_use]
    pub fn parts(mut self, apply: bool) -> Self {
        self.parts = apply;
        self
    }

    /// Treats an acronym as short for a name if it has the first letters of the name, or if one of the two follows the
    /// other in brackets: *WHO* for *World Health Organization*.
    ///
    /// ```
    /// use entopic::{Entity, GroupOptions, Span, groups};
    ///
    /// let text = "Red Apple Group and RAG";
    /// let entity = |bytes| Entity::new("ORG", text, Span::from_bytes(text, bytes).expect("it should fit"), 1.0);
    /// let entities = [entity(0..15), entity(20..23)];
    /// assert_eq!(groups(text, &entities, &GroupOptions::new()).len(), 1);
    /// assert_eq!(groups(text, &entities, &GroupOptions::new().acronyms(false)).len(), 2);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn acronyms(mut self, apply: bool) -> Self {
        self.acronyms = apply;
        self
    }

    /// Uses other names of countries and some organisations: *USSR* for *Soviet Union*, *Burma* for *Myanmar*. The
    /// names of a nationality (*French*, *Frenchman*) make one group, separate from that of the country but
    /// [linked](MentionGroup::country) to it.
    ///
    /// ```
    /// use entopic::{Entity, GroupOptions, Span, groups};
    ///
    /// let text = "Burma and Myanmar";
    /// let entity = |bytes| Entity::new("LOC", text, Span::from_bytes(text, bytes).expect("it should fit"), 1.0);
    /// let entities = [entity(0..5), entity(10..17)];
    /// assert_eq!(groups(text, &entities, &GroupOptions::new()).len(), 1);
    /// assert_eq!(groups(text, &entities, &GroupOptions::new().alternatives(false)).len(), 2);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn alternatives(mut self, apply: bool) -> Self {
        self.alternatives = apply;
        self
    }
}

/// A name as written, with one label, and its mentions.
struct Name<'a> {
    text: &'a str,
    label: &'a str,
    words: Vec<String>,
    known: Option<Known>,
    mentions: Vec<usize>,
}

/// Groups the `entities` of `text` by the things that they name. The entities may be in any order and may overlap. The
/// groups are in the order of salience, the highest first; every entity is in exactly one group.
///
/// The rules are deterministic and use only the names, their order and [`GroupOptions`]; pronouns are not resolved.
///
/// ```
/// use entopic::{Entity, GroupOptions, Span, groups};
///
/// let text = "Angela Merkel met the head of the World Health Organization (WHO). Merkel thanked the WHO.";
/// let entity = |label: &str, start: usize, name: &str| {
///     let bytes = start + text[start..].find(name).expect("it should exist");
///     Entity::new(label, text, Span::from_bytes(text, bytes..bytes + name.len()).expect("it should fit"), 1.0)
/// };
/// let entities = [
///     entity("PER", 0, "Angela Merkel"),
///     entity("ORG", 0, "World Health Organization"),
///     entity("ORG", 0, "WHO"),
///     entity("PER", 60, "Merkel"),
///     entity("ORG", 70, "WHO"),
/// ];
/// let groups = groups(text, &entities, &GroupOptions::new());
/// assert_eq!(groups.len(), 2);
/// assert_eq!((groups[0].name.as_str(), groups[0].mentions.len()), ("World Health Organization", 3));
/// ```
pub fn groups(text: &str, entities: &[Entity], options: &GroupOptions) -> Vec<MentionGroup> {
    let mut order: Vec<usize> = (0..entities.len()).collect();
    order.sort_by_key(|&at| (entities[at].span.bytes.start, Reverse(entities[at].span.bytes.end)));
    let sorted: Vec<&Entity> = order.iter().map(|&at| &entities[at]).collect();
    let mut groups = in_order(text, &sorted, options);
    for mention in groups.iter_mut().flat_map(|group| &mut group.mentions) {
        *mention = order[*mention];
    }
    groups
}

/// Groups entities that are in the order of the text.
fn in_order(text: &str, entities: &[&Entity], options: &GroupOptions) -> Vec<MentionGroup> {
    let names = names(entities, options);
    let mut owners = Owners::new(names.len());
    if options.variants {
        join_labels(&names, &mut owners);
    }
    if options.alternatives {
        join_known(&names, &mut owners);
    }
    if options.acronyms {
        join_acronyms(text, entities, &names, &mut owners);
    }
    let index = Index::new(&names);
    if options.parts {
        join_whole_names(&names, &index, &mut owners);
    }
    let group_of = assign(&names, &index, &owners, options);
    collect(text, entities, &names, &group_of)
}

/// Sets of names for the same thing (union-find).
struct Owners(Vec<usize>);

impl Owners {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn find(&self, mut at: usize) -> usize {
        while self.0[at] != at {
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.shorten(a), self.shorten(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// Does the same as [`find`](Self::find), and halves the path.
    fn shorten(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }
}

/// The distinct names, in the order of their first mentions.
fn names<'a>(entities: &[&'a Entity], options: &GroupOptions) -> Vec<Name<'a>> {
    let mut names: Vec<Name<'a>> = Vec::new();
    let mut index: HashMap<(&str, String), usize> = HashMap::new();
    for (mention, entity) in entities.iter().enumerate() {
        let words = match entity.text.split_once(", ") {
            // *Sousa, Marta*, as in lists.
            Some((family, given)) if entity.label == "PER" => name::words(&format!("{given} {family}")),
            _ => name::words(&entity.text),
        };
        let key = match options.variants {
            true if entity.label == "ORG" => name::without_legal_form(&words).join(" "),
            true => words.join(" "),
            false => entity.text.clone(),
        };
        let known = alternatives::of(&entity.label, &words.join(" "));
        let at = *index.entry((&entity.label, key)).or_insert_with(|| {
            names.push(Name { text: &entity.text, label: &entity.label, words, known, mentions: Vec::new() });
            names.len() - 1
        });
        names[at].mentions.push(mention);
        if entity.text.chars().count() > names[at].text.chars().count() {
            names[at].text = &entity.text;
        }
    }
    names
}

/// The most names with a common word, or with the same first and last name, that are compared. It makes the work grow
/// with the number of names and not with its square. A word in more names than that does not identify one.
const MOST_COMPARED: usize = 200;

/// The names by their label and each of their words.
struct Index<'a>(HashMap<(&'a str, &'a str), Vec<usize>>);

impl<'a> Index<'a> {
    fn new(names: &'a [Name<'_>]) -> Self {
        let mut index: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            let mut words: Vec<&str> = name.words.iter().map(String::as_str).collect();
            words.sort_unstable();
            words.dedup();
            for word in words {
                index.entry((name.label, word)).or_default().push(at);
            }
        }
        Self(index)
    }

    /// The names that may have all words of `name`: those with its rarest word, unless there are too many.
    fn with_words_of(&self, name: &'a Name<'_>) -> &[usize] {
        let lists = name.words.iter().filter_map(|word| self.0.get(&(name.label, word.as_str())));
        let rarest = lists.min_by_key(|list| list.len()).map_or(&[][..], Vec::as_slice);
        if rarest.len() > MOST_COMPARED { &[] } else { rarest }
    }
}

/// Joins names with the same `key`.
fn join_by<K: std::hash::Hash + Eq>(
    names: &[Name<'_>],
    owners: &mut Owners,
    key: impl Fn(&Name<'_>) -> Option<K>,
) {
    let mut first: HashMap<K, usize> = HashMap::new();
    for (at, name) in names.iter().enumerate() {
        if let Some(key) = key(name) {
            owners.join(at, *first.entry(key).or_insert(at));
        }
    }
}

/// Joins a name that has a label only once with the same name under a label that it has at least three times.
fn join_labels(names: &[Name<'_>], owners: &mut Owners) {
    let frequent = names.iter().enumerate().filter(|(_, name)| name.mentions.len() >= 3);
    let frequent: HashMap<&[String], usize> =
        frequent.map(|(at, name)| (name.words.as_slice(), at)).collect();
    for (at, name) in names.iter().enumerate().filter(|(_, name)| name.mentions.len() == 1) {
        if let Some(&other) = frequent.get(name.words.as_slice()) {
            owners.join(at, other);
        }
    }
}

fn join_known(names: &[Name<'_>], owners: &mut Owners) {
    join_by(names, owners, |name| name.known);
    // Plurals of nationalities, languages and faiths.
    join_by(names, owners, |name| {
        let words = (name.label == "MISC").then(|| name.words.join(" "))?;
        Some(words.strip_suffix('s').unwrap_or(&words).to_owned())
    });
}

fn join_acronyms(text: &str, entities: &[&Entity], names: &[Name<'_>], owners: &mut Owners) {
    let mut by_letters: HashMap<(&str, String), Vec<usize>> = HashMap::new();
    for (at, name) in names.iter().enumerate() {
        for letters in name::initials(&name.words) {
            by_letters.entry((name.label, letters)).or_default().push(at);
        }
    }
    for (at, name) in names.iter().enumerate().filter(|(_, name)| name::is_acronym(name.text)) {
        if let Some(others) = by_letters.get_mut(&(name.label, name::letters(name.text))) {
            // They are joined from now on, so the next acronym needs only the first.
            for other in others.drain(1..) {
                owners.join(at, other);
            }
            owners.join(at, others[0]);
        }
    }
    // Of two neighbours, the second is in brackets after the first.
    let all = names.iter().enumerate();
    let of: HashMap<usize, usize> =
        all.flat_map(|(at, name)| name.mentions.iter().map(move |&mention| (mention, at))).collect();
    let first_letter = |entity: &Entity| {
        let letter = entity.text.chars().find(|c| c.is_alphabetic());
        letter.and_then(|letter| letter.to_lowercase().next())
    };
    for (mention, pair) in entities.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        let gap = text.get(before.span.bytes.end..after.span.bytes.start).unwrap_or_default();
        let closes = text.get(after.span.bytes.end..).is_some_and(|rest| rest.starts_with(')'));
        if gap.trim() == "("
            && closes
            && name::is_acronym(&before.text) != name::is_acronym(&after.text)
            && before.label == after.label
            && first_letter(before) == first_letter(after)
        {
            owners.join(of[&mention], of[&(mention + 1)]);
        }
    }
}

/// Joins the full names of a person, the names of an organisation with their words in another order, and parts of names
/// with the only name that contains them.
fn join_whole_names<'a>(names: &'a [Name<'_>], index: &Index<'a>, owners: &mut Owners) {
    join_by(names, owners, |name| {
        let bag = name::bag(&name.words);
        (name.label == "ORG" && bag.len() > 1).then(|| bag.join(" "))
    });
    join_people(names, owners);
    for (at, name) in names.iter().enumerate().filter(|(_, name)| name.label != "PER") {
        let others = index.with_words_of(name).iter().copied().filter(|&other| other != at);
        let wholes = others.filter(|&other| {
            let whole = &names[other].words;
            match (name.label, name.known) {
                // *Unilever plc* is not short for *Hindustan Unilever*.
                ("ORG", _) if name::without_legal_form(&name.words).len() < name.words.len() => false,
                // *French* is not short for *French Open*.
                ("ORG", _) | ("MISC", None) => name::starts_or_ends(&name.words, whole),
                // *New York*, but not *Kuwait*.
                ("LOC", None) => {
                    whole.split_last().is_some_and(|(last, rest)| last == "city" && rest == name.words)
                }
                _ => false,
            }
        });
        // A part of several names is ambiguous.
        let mut things: Vec<usize> = wholes.map(|other| owners.find(other)).collect();
        things.sort_unstable();
        things.dedup();
        if let [thing] = things[..] {
            owners.join(at, thing);
        }
    }
}

/// Joins the full names of a person, with and without middle names. The first or the last name may be an initial.
fn join_people(names: &[Name<'_>], owners: &mut Owners) {
    let people = || {
        let all = names.iter().enumerate().filter(|(_, name)| name.label == "PER");
        all.filter_map(|(at, name)| match &name.words[..] {
            [first, .., last] => Some((at, name, first.as_str(), last.as_str())),
            _ => None,
        })
    };
    let mut by_ends: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (at, _, first, last) in people() {
        by_ends.entry((first, last)).or_default().push(at);
    }
    let initial = |word: &'_ str| word.chars().next().map_or(0, char::len_utf8);
    for (at, name, first, last) in people() {
        for ends in [(first, last), (&first[..initial(first)], last), (first, &last[..initial(last)])] {
            let alike = by_ends.get(&ends).filter(|alike| alike.len() <= MOST_COMPARED);
            for &other in alike.into_iter().flatten() {
                if other != at && name::same_person(&name.words, &names[other].words) {
                    owners.join(at, other);
                }
            }
        }
    }
}

/// The group of each mention, as the name to which it belongs. A name that is part of the names of several people goes
/// to the one who was named last before it, or if there is none, to the one who is named first.
fn assign(
    names: &[Name<'_>],
    index: &Index<'_>,
    owners: &Owners,
    options: &GroupOptions,
) -> BTreeMap<usize, usize> {
    let all = names.iter().enumerate();
    let mut in_order: Vec<(usize, usize)> =
        all.flat_map(|(at, name)| name.mentions.iter().map(move |&mention| (mention, at))).collect();
    in_order.sort_unstable();
    let mut accounts: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, name) in names.iter().enumerate().filter(|(_, name)| name.label == "PER" && name.words.len() > 1)
    {
        accounts.entry(name.words.concat()).or_default().push(at);
    }
    // The people for whom each name may stand.
    let people: Vec<Vec<usize>> = names
        .iter()
        .map(|name| {
            if !options.parts || name.label != "PER" {
                return Vec::new();
            }
            let wholes = index.with_words_of(name).iter().copied();
            let wholes = wholes.filter(|&other| name::is_part(&name.words, &names[other].words));
            let spelt = if let [word] = &name.words[..] { accounts.get(word) } else { None };
            let spelt = spelt.filter(|spelt| spelt.len() <= MOST_COMPARED);
            wholes.chain(spelt.into_iter().flatten().copied()).collect()
        })
        .collect();
    // The last mention of each person.
    let mut last: HashMap<usize, usize> = HashMap::new();
    let mut group_of: BTreeMap<usize, usize> = BTreeMap::new();
    for (mention, at) in in_order {
        let recent = people[at]
            .iter()
            .filter_map(|&other| Some((*last.get(&owners.find(other))?, owners.find(other))));
        let next = || {
            people[at].iter().min_by_key(|&&other| names[other].mentions[0]).map(|&other| owners.find(other))
        };
        let person = recent.max().map(|(_, person)| person).or_else(next);
        let group = person.unwrap_or_else(|| owners.find(at));
        last.insert(group, mention);
        group_of.insert(mention, group);
    }
    group_of
}

/// The groups in the order of salience, the highest first.
fn collect(
    text: &str,
    entities: &[&Entity],
    names: &[Name<'_>],
    group_of: &BTreeMap<usize, usize>,
) -> Vec<MentionGroup> {
    let mut mentions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (&mention, &group) in group_of {
        mentions.entry(group).or_default().push(mention);
    }
    let title = text.trim_start().find('\n').map_or(0, |end| end + text.len() - text.trim_start().len());
    let weight = |mentions: &[usize]| {
        let first = entities[mentions[0]].span.bytes.start;
        let in_title = if first < title { 0.5 } else { 0.0 };
        let nearness = 0.5 * (1.0 - first as f32 / text.len().max(1) as f32);
        mentions.len() as f32 * (1.0 + in_title + nearness)
    };
    let known = names.iter().filter_map(|name| Some((&name.mentions, name.known?)));
    let known_of: HashMap<usize, Known> =
        known.flat_map(|(mentions, known)| mentions.iter().map(move |&mention| (mention, known))).collect();
    let total: f32 = mentions.values().map(|mentions| weight(mentions)).sum();
    let mut groups: Vec<(MentionGroup, Option<Known>)> = mentions
        .into_values()
        .map(|mentions| {
            let of = |value: fn(&Entity) -> Option<&str>| {
                vote(mentions.iter().filter_map(|&at| value(entities[at])))
            };
            let longest = mentions.iter().map(|&at| entities[at].text.as_str()).reduce(|longest, name| {
                if name.chars().count() > longest.chars().count() { name } else { longest }
            });
            let known = mentions.iter().find_map(|mention| known_of.get(mention).copied());
            let group = MentionGroup {
                name: longest.unwrap_or_default().to_owned(),
                label: of(|entity| Some(&entity.label)).unwrap_or_default(),
                kind: of(|entity| entity.kind.as_deref()),
                salience: weight(&mentions) / total,
                country: None,
                mentions,
            };
            (group, known)
        })
        .collect();
    groups.sort_by(|(a, _), (b, _)| b.salience.total_cmp(&a.salience).then(a.mentions.cmp(&b.mentions)));
    let countries: HashMap<&str, usize> = groups
        .iter()
        .enumerate()
        .filter_map(
            |(at, (_, known))| if let Some(Known::Country(code)) = known { Some((*code, at)) } else { None },
        )
        .collect();
    let linked = groups.into_iter().map(|(group, known)| match known {
        Some(Known::Nationality(code)) => MentionGroup { country: countries.get(code).copied(), ..group },
        _ => group,
    });
    linked.collect()
}

/// The most frequent of `values`; of several, the one that comes first.
fn vote<'a>(values: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for value in values {
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(value, _)| value.to_owned())
}
