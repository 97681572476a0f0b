//! The mentions that name one thing, against passages that were labelled by hand: `tests/data/mention_groups.txt`.

use std::collections::{BTreeMap, BTreeSet};

use entopic::{Entity, GroupOptions, Span, groups};
use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;

const PASSAGES: &str = include_str!("../data/mention_groups.txt");

/// A passage, its entities, and the group of each.
struct Passage {
    domain: String,
    text: String,
    entities: Vec<Entity>,
    gold: Vec<String>,
}

/// Reads `[mention|LABEL|group]`.
fn passages() -> Vec<Passage> {
    let read = |block: &str| {
        let (domain, marked) = block.trim_start().split_once('\n').expect("it should have a header");
        let (mut text, mut marks) = (String::new(), Vec::new());
        let mut rest = marked.trim_end();
        while let Some((before, mark)) = rest.split_once('[') {
            let (mark, after) = mark.split_once(']').expect("a mark should end");
            let fields: Vec<&str> = mark.split('|').collect();
            let [name, label, group] = fields[..] else { panic!("{mark} should have three fields") };
            text.push_str(before);
            marks.push((text.len()..text.len() + name.len(), label, group));
            text.push_str(name);
            rest = after;
        }
        text.push_str(rest);
        let entity = |(bytes, label, _): &(std::ops::Range<usize>, &str, &str)| {
            Entity::new(*label, &text, Span::from_bytes(&text, bytes.clone()).expect("it should fit"), 1.0)
        };
        Passage {
            domain: domain.trim_start_matches("# domain:").trim().to_owned(),
            entities: marks.iter().map(entity).collect(),
            gold: marks.iter().map(|(_, _, group)| (*group).to_owned()).collect(),
            text,
        }
    };
    PASSAGES.split("\n---\n").map(read).collect()
}

/// Sets of mentions.
type Groups = Vec<BTreeSet<usize>>;

fn by<K: Ord>(keys: impl IntoIterator<Item = K>) -> Groups {
    let mut groups: BTreeMap<K, BTreeSet<usize>> = BTreeMap::new();
    for (mention, key) in keys.into_iter().enumerate() {
        groups.entry(key).or_default().insert(mention);
    }
    groups.into_values().collect()
}

/// Sums over mentions (B-cubed) or groups (CEAF, by entities), of which precision, recall and F1 are made.
#[derive(Clone, Copy, Default)]
struct Sums {
    right: [f64; 2],
    of: [f64; 2],
}

impl Sums {
    fn add(&mut self, right: [f64; 2], of: [f64; 2]) {
        for side in [0, 1] {
            self.right[side] += right[side];
            self.of[side] += of[side];
        }
    }

    fn f1(self) -> f64 {
        let [precision, recall] = [0, 1].map(|side| self.right[side] / self.of[side]);
        100.0 * 2.0 * precision * recall / (precision + recall)
    }
}

/// Bagga and Baldwin, 1998: for each mention the share of its group that is right.
fn b_cubed(gold: &Groups, found: &Groups, sums: &mut Sums) {
    let mentions: usize = gold.iter().map(BTreeSet::len).sum();
    let mut shared = [0.0; 2];
    for a in found {
        for b in gold {
            let common = a.intersection(b).count() as f64;
            shared[0] += common * common / a.len() as f64;
            shared[1] += common * common / b.len() as f64;
        }
    }
    sums.add(shared, [mentions as f64; 2]);
}

/// Luo, 2005: groups are paired so that they have as much in common as can be (phi 4).
fn ceaf(gold: &Groups, found: &Groups, sums: &mut Sums) {
    const SCALE: f64 = 1e9;
    let size = gold.len().max(found.len());
    let similarity = |row: usize, column: usize| match (gold.get(row), found.get(column)) {
        (Some(a), Some(b)) => 2.0 * a.intersection(b).count() as f64 / (a.len() + b.len()) as f64,
        _ => 0.0,
    };
    let matrix = Matrix::from_fn(size, size, |(row, column)| (SCALE * similarity(row, column)) as i64);
    let total = kuhn_munkres(&matrix).0 as f64 / SCALE;
    sums.add([total; 2], [found.len() as f64, gold.len() as f64]);
}

fn found(passage: &Passage, options: &GroupOptions) -> Groups {
    groups(&passage.text, &passage.entities, options)
        .into_iter()
        .map(|group| group.mentions.into_iter().collect())
        .collect()
}

/// Equal strings are one.
fn naive(passage: &Passage) -> Groups {
    by(passage.entities.iter().map(|entity| &entity.text))
}

fn scores(passages: &[Passage], groups_of: impl Fn(&Passage) -> Groups) -> [f64; 2] {
    let (mut cubed, mut paired) = (Sums::default(), Sums::default());
    for passage in passages {
        let (gold, found) = (by(&passage.gold), groups_of(passage));
        b_cubed(&gold, &found, &mut cubed);
        ceaf(&gold, &found, &mut paired);
    }
    [cubed.f1(), paired.f1()]
}

#[test]
fn most_mentions_are_with_what_they_name() {
    let passages = passages();
    assert!(passages.len() >= 40);
    let ours = scores(&passages, |passage| found(passage, &GroupOptions::new()));
    let plain = scores(&passages, naive);
    println!(
        "groups: B-cubed {:.1}, CEAF {:.1}; equal strings: {:.1}, {:.1}",
        ours[0], ours[1], plain[0], plain[1]
    );
    for passage in &passages {
        let (gold, found) = (by(&passage.gold), found(passage, &GroupOptions::new()));
        let shown = |groups: &Groups| -> Vec<Vec<&str>> {
            let names = |group: &BTreeSet<usize>| {
                group.iter().map(|&at| passage.entities[at].text.as_str()).collect()
            };
            groups.iter().filter(|group| group.len() > 1).map(names).collect()
        };
        let (a, b): (BTreeSet<_>, BTreeSet<_>) =
            (gold.iter().cloned().collect(), found.iter().cloned().collect());
        if a != b {
            println!("{}:\n  gold  {:?}\n  found {:?}", passage.domain, shown(&gold), shown(&found));
        }
    }
    assert!(ours[0] >= 90.0 && ours[1] >= 90.0, "{ours:?}");
    assert!(ours[0] > plain[0] + 3.0 && ours[1] > plain[1] + 3.0, "{ours:?} {plain:?}");
}

/// Each rule, switched off, leaves mentions apart that it joined.
#[test]
fn every_rule_has_an_effect() {
    let passages = passages();
    let all = scores(&passages, |passage| found(passage, &GroupOptions::new()));
    for options in [
        GroupOptions::new().variants(false),
        GroupOptions::new().parts(false),
        GroupOptions::new().acronyms(false),
        GroupOptions::new().alternatives(false),
    ] {
        let without = scores(&passages, |passage| found(passage, &options));
        assert!(without[0] < all[0], "{options:?}: {without:?}, with it {all:?}");
    }
}

#[test]
fn entities_may_be_in_any_order() {
    for passage in passages() {
        let sorted = groups(&passage.text, &passage.entities, &GroupOptions::new());
        let reversed: Vec<Entity> = passage.entities.iter().rev().cloned().collect();
        let mut found = groups(&passage.text, &reversed, &GroupOptions::new());
        for mention in found.iter_mut().flat_map(|group| &mut group.mentions) {
            *mention = reversed.len() - 1 - *mention;
        }
        assert_eq!(found, sorted);
    }
}

#[test]
fn groups_have_names_and_weights() {
    let text = "Volcano wakes\n\nThe Icelandic government closed Reykjavik's airport. Iceland is used to it, said Jón Helgason. \
                Helgason lives in Reykjavik; his brother Ari Helgason does not.";
    let mut from = 0;
    let entities: Vec<Entity> = [
        ("MISC", "Icelandic"),
        ("LOC", "Reykjavik"),
        ("LOC", "Iceland"),
        ("PER", "Jón Helgason"),
        ("PER", "Helgason"),
        ("LOC", "Reykjavik"),
        ("PER", "Ari Helgason"),
    ]
    .into_iter()
    .map(|(label, name)| {
        let start = from + text[from..].find(name).expect("it should be in the text");
        from = start + name.len();
        Entity::new(label, text, Span::from_bytes(text, start..from).expect("it should fit"), 0.9)
    })
    .collect();
    let groups = groups(text, &entities, &GroupOptions::new());
    let names: Vec<(&str, &[usize])> =
        groups.iter().map(|group| (group.name.as_str(), group.mentions.as_slice())).collect();
    let expected: [(&str, &[usize]); 5] = [
        ("Reykjavik", &[1, 5]),
        ("Jón Helgason", &[3, 4]),
        ("Icelandic", &[0]),
        ("Iceland", &[2]),
        ("Ari Helgason", &[6]),
    ];
    assert_eq!(names, expected);
    assert_eq!(groups[2].country, Some(3));
    assert!((groups.iter().map(|group| group.salience).sum::<f32>() - 1.0).abs() < 1e-5);
    assert!(entopic::groups("", &[], &GroupOptions::new()).is_empty());
}

/// A document of as many lines as `names`, each an entity.
fn listed(label: &str, names: &[String]) -> (String, Vec<Entity>) {
    let text = names.join("\n");
    let mut start = 0;
    let entity = |name: &String| {
        let place = start..start + name.len();
        start = place.end + 1;
        Entity::new(label, &text, Span { bytes: place.clone(), chars: place }, 0.9)
    };
    let entities = names.iter().map(entity).collect();
    (text, entities)
}

/// A word identifies a name unless more than 200 names have it.
#[test]
fn words_of_very_many_names_identify_none() {
    for (others, is_known) in [(199, true), (200, false)] {
        let mut names: Vec<String> = (0..others).map(|at| format!("Ada Lovelace{at}")).collect();
        names.push("Ada".to_owned());
        let (text, entities) = listed("PER", &names);
        let groups = groups(&text, &entities, &GroupOptions::new());
        let of_the_last = groups.iter().find(|group| group.mentions.contains(&others));
        let shared = of_the_last.is_some_and(|group| group.mentions.len() == 2);
        // The name itself is one of those with the word.
        assert_eq!(shared, is_known, "{others}");
    }
}

/// Makes the name with a number.
type Naming = fn(usize) -> String;

/// Names that share words or letters are not compared with all others, which would be billions of comparisons here.
#[test]
fn very_many_names_are_grouped() {
    let kinds: [(&str, Naming); 3] = [
        ("PER", |at| match at % 4 {
            0 => "Ada".to_owned(),
            1 => format!("Ada Lovelace{at}"),
            2 => format!("Ada {at} Lovelace"),
            _ => format!("A. Babbage{at}"),
        }),
        ("ORG", |at| format!("Bank {at} Corporation of {}", at / 2)),
        ("ORG", |at| match at % 2 {
            0 => format!("WHO{at}"),
            _ => format!("World{at} Health Organization"),
        }),
    ];
    for (label, name) in kinds {
        let names: Vec<String> = (0..60_000).map(name).collect();
        let (text, entities) = listed(label, &names);
        let groups = groups(&text, &entities, &GroupOptions::new());
        assert_eq!(groups.iter().map(|group| group.mentions.len()).sum::<usize>(), entities.len());
    }
}
