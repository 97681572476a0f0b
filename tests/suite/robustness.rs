//! The bundled entity model on news unlike its training texts: names of every continent, and headlines
//! in capitals.

use std::collections::BTreeMap;

use entopic::Ner;

/// `[Continent]`, followed by one name of a person per line.
const NAMES: &str = include_str!("../data/names.txt");

const SENTENCES: [&str; 12] = [
    "{} was elected president of the union on Sunday.",
    "The company named {} as its new chief executive.",
    "“We are not afraid of them,” said {} after the match.",
    "A court in London sentenced {} to five years in prison.",
    "The prize went to the novelist {} and two others.",
    "{} told reporters that the talks would continue next week.",
    "Protesters demanded the release of {}, a journalist.",
    "In a statement, {} thanked the rescue workers.",
    "Chelsea have signed {} from Porto for 20 million euros.",
    "Doctors say {} is recovering in hospital.",
    "Exports grew by four percent under {}.",
    "Shares fell after {} left the bank.",
];

/// Sentences where names of companies usually stand.
const OF_COMPANIES: [usize; 2] = [1, 10];

/// Headlines in capitals and the entities in them.
const HEADLINES: [(&str, &[(&str, &str)]); 12] = [
    ("PUTIN MEETS XI IN BEIJING", &[("PER", "PUTIN"), ("PER", "XI"), ("LOC", "BEIJING")]),
    ("APPLE SUES SAMSUNG IN CALIFORNIA", &[("ORG", "APPLE"), ("ORG", "SAMSUNG"), ("LOC", "CALIFORNIA")]),
    ("FLOODS KILL DOZENS IN PAKISTAN", &[("LOC", "PAKISTAN")]),
    ("MERKEL AND MACRON AGREE ON BUDGET", &[("PER", "MERKEL"), ("PER", "MACRON")]),
    ("BANK OF ENGLAND RAISES RATES", &[("ORG", "BANK OF ENGLAND")]),
    ("JUVENTUS BEAT AC MILAN IN TURIN", &[("ORG", "JUVENTUS"), ("ORG", "AC MILAN"), ("LOC", "TURIN")]),
    ("FRENCH FARMERS BLOCK ROADS TO PARIS", &[("MISC", "FRENCH"), ("LOC", "PARIS")]),
    ("SERENA WILLIAMS WINS IN MELBOURNE", &[("PER", "SERENA WILLIAMS"), ("LOC", "MELBOURNE")]),
    ("NATO SENDS TROOPS TO ESTONIA", &[("ORG", "NATO"), ("LOC", "ESTONIA")]),
    ("EARTHQUAKE SHAKES NORTHERN JAPAN", &[("LOC", "JAPAN")]),
    ("BOEING CUTS JOBS IN SEATTLE", &[("ORG", "BOEING"), ("LOC", "SEATTLE")]),
    ("BRITISH AIRWAYS CANCELS FLIGHTS FROM LONDON", &[("ORG", "BRITISH AIRWAYS"), ("LOC", "LONDON")]),
];

/// Reports whether `ner` finds exactly `name` in `text`, as `label`.
fn finds(ner: &Ner, text: &str, label: &str, name: &str) -> bool {
    let at = text.find(name).expect("the name should be in the text");
    ner.tag(text)
        .expect("the text should be tagged")
        .entities
        .iter()
        .any(|entity| entity.label == label && entity.span.bytes == (at..at + name.len()))
}

#[test]
fn names_of_every_continent_are_found() {
    let ner = Ner::bundled().expect("the model should be bundled");
    // The share of names that are found, per sentence and continent.
    let mut shares: Vec<BTreeMap<&str, f32>> = Vec::new();
    for sentence in SENTENCES {
        let mut tallies: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut continent = "";
        for line in NAMES.lines() {
            if let Some(header) = line.strip_prefix('[') {
                continent = header.trim_end_matches(']');
                continue;
            }
            let (found, all) = tallies.entry(continent).or_default();
            *found += usize::from(finds(&ner, &sentence.replace("{}", line), "PER", line));
            *all += 1;
        }
        let share = |(found, all): (usize, usize)| 100.0 * found as f32 / all as f32;
        shares.push(tallies.into_iter().map(|(continent, tally)| (continent, share(tally))).collect());
    }
    let mean = |kept: &dyn Fn(usize) -> bool| {
        let kept: Vec<_> = (0..SENTENCES.len()).filter(|&i| kept(i)).map(|i| &shares[i]).collect();
        let mean = |continent| kept.iter().map(|share| share[continent]).sum::<f32>() / kept.len() as f32;
        shares[0].keys().map(|&continent| (continent, mean(continent))).collect::<BTreeMap<_, _>>()
    };
    let (all, clear) = (mean(&|_| true), mean(&|i| !OF_COMPANIES.contains(&i)));
    for (sentence, share) in SENTENCES.iter().zip(&shares) {
        println!("{:5.1} % {sentence}", share.values().sum::<f32>() / share.len() as f32);
    }
    println!("people found, in percent: {all:.1?}; where no company would stand: {clear:.1?}");
    let least = |shares: &BTreeMap<&str, f32>| shares.values().copied().fold(f32::INFINITY, f32::min);
    let most = |shares: &BTreeMap<&str, f32>| shares.values().copied().fold(0.0, f32::max);
    assert_eq!(all.len(), 6);
    for shares in [&all, &clear] {
        assert!(most(shares) - least(shares) <= 3.0 && least(shares) >= 95.0, "{shares:?}");
    }
}

#[test]
fn headlines_in_capitals_are_read() {
    let ner = Ner::bundled().expect("the model should be bundled");
    let expected =
        HEADLINES.iter().flat_map(|(text, entities)| entities.iter().map(move |entity| (text, entity)));
    let missed: Vec<_> =
        expected.clone().filter(|(text, (label, name))| !finds(&ner, text, label, name)).collect();
    println!("headlines in capitals: {} of {} missed", missed.len(), expected.clone().count());
    assert!(10 * missed.len() <= expected.count(), "{missed:?}");
}
