//! Labels on the command line: lists and maps.

use std::str::FromStr;

/// The parts of a list such as `economy, sport`, trimmed; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelList(pub(crate) Vec<String>);

/// A map such as `person=PER,product=`, which renames labels, or drops them where nothing follows the sign.
/// Labels that it does not name stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelMap(Vec<(String, Option<String>)>);

impl FromStr for LabelList {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let labels: Vec<String> = parts(list).map(str::to_owned).collect();
        if labels.is_empty() {
            return Err("the list is empty; name at least one label, such as economy,sport".into());
        }
        Ok(Self(labels))
    }
}

impl FromStr for LabelMap {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let mut map = Self::default();
        for part in parts(list) {
            let Some((from, to)) = part.split_once('=') else {
                return Err(format!("{part:?} has no \"=\"; write from=to, or from= to drop the label"));
            };
            let (from, to) = (from.trim(), to.trim());
            if from.is_empty() {
                return Err(format!("{part:?} names no label before \"=\""));
            }
            if map.names().any(|name| name == from) {
                return Err(format!("{from:?} is named twice"));
            }
            map.0.push((from.to_owned(), (!to.is_empty()).then(|| to.to_owned())));
        }
        Ok(map)
    }
}

impl LabelMap {
    /// The new name of `label`, or `None` if it is dropped.
    pub(crate) fn apply<'l>(&'l self, label: &'l str) -> Option<&'l str> {
        match self.0.iter().find(|(from, _)| from == label) {
            Some((_, to)) => to.as_deref(),
            None => Some(label),
        }
    }

    /// The labels that the map renames or drops.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(from, _)| from.as_str())
    }
}

fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{LabelList, LabelMap};

    #[test]
    fn lists_are_trimmed_and_never_empty() {
        let list: LabelList = " economy ,,world politics,".parse().expect("there should be two labels");
        assert_eq!(list.0, ["economy", "world politics"]);
        for empty in ["", " ", ",", " , ,"] {
            assert!(empty.parse::<LabelList>().is_err(), "{empty:?}");
        }
    }

    #[test]
    fn maps_rename_and_drop() {
        let map: LabelMap =
            "alt.atheism = atheism, misc=,a=b=c".parse().expect("there should be three entries");
        assert_eq!(map.apply("alt.atheism"), Some("atheism"));
        assert_eq!(map.apply("misc"), None);
        assert_eq!(map.apply("a"), Some("b=c"));
        assert_eq!(map.apply("sport"), Some("sport"));
    }

    #[test]
    fn broken_maps_are_refused() {
        for (broken, reason) in [("person", "no \"=\""), ("=PER", "no label"), ("a=b,a=c", "twice")] {
            let message = broken.parse::<LabelMap>().expect_err("it should fail: it is broken");
            assert!(message.contains(reason), "{message}");
        }
    }
}
