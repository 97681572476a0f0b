//! The structure of the source: folders depend only on those above them, and files do not depend on one another in a
//! circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// A module, such as `["ner", "options"]`; the crate's root is empty.
type Module = Vec<String>;

/// The modules of a crate in a build without tests, each with the modules that it names.
type Uses = BTreeMap<Module, BTreeSet<Module>>;

fn files(folder: &Path, module: &Module, found: &mut BTreeMap<Module, syn::File>) {
    for entry in fs::read_dir(folder).expect("the source should be readable") {
        let path = entry.expect("the source should be readable").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("names should be UTF-8");
        let root = module.is_empty() && ["lib", "main"].contains(&name);
        let child = if root { Module::new() } else { [&module[..], &[name.to_owned()]].concat() };
        if path.is_dir() {
            files(&path, &child, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("the source should be readable");
            found.insert(child, syn::parse_file(&text).expect("the source should be Rust"));
        }
    }
}

fn uses(folder: &str) -> Uses {
    let mut files_of = BTreeMap::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &Module::new(), &mut files_of);
    for (module, file) in files_of.clone() {
        for tests in declared(&file).filter(|child| is_test(&child.attrs)) {
            let tests = [&module[..], &[tests.ident.to_string()]].concat();
            files_of.retain(|module, _| !module.starts_with(&tests));
        }
    }
    let uses = files_of.iter().map(|(module, file)| {
        let mut paths = Paths { module, found: BTreeSet::new() };
        paths.visit_file(file);
        let home = |path: &Module| {
            let length = (0..=path.len()).rev().find(|&length| files_of.contains_key(&path[..length]));
            path[..length.expect("the crate should have a root")].to_vec()
        };
        (module.clone(), paths.found.iter().map(home).filter(|home| home != module).collect())
    });
    uses.collect()
}

/// The modules that `file` declares and that are in separate files.
fn declared(file: &syn::File) -> impl Iterator<Item = &ItemMod> {
    file.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    })
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// Collects the items that code other than tests names, as paths from the crate's root.
struct Paths<'a> {
    module: &'a Module,
    found: BTreeSet<Module>,
}

impl Paths<'_> {
    /// Adds a path; one of another crate becomes a name of this module that is no module.
    fn add(&mut self, path: &[String]) {
        let mut found = self.module.clone();
        for name in path {
            match name.as_str() {
                "crate" => found.clear(),
                "super" => drop(found.pop()),
                "self" => {}
                _ => found.push(name.clone()),
            }
        }
        self.found.insert(found);
    }

    fn add_tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(tree, before)),
            UseTree::Name(name) => self.add(&with(&name.ident)),
            UseTree::Rename(name) => self.add(&with(&name.ident)),
            UseTree::Glob(_) => self.add(before),
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(&names);
        visit::visit_path(self, path);
    }

    /// The contents of macros are not parsed, so paths from the root or the parent are read from the tokens.
    fn visit_macro(&mut self, item: &'ast Macro) {
        let tokens = item.tokens.to_string();
        let words: Vec<&str> = tokens.split_whitespace().collect();
        for start in (0..words.len()).filter(|&at| ["crate", "super"].contains(&words[at])) {
            let path = words[start..]
                .chunks(2)
                .take_while(|pair| pair.get(1) == Some(&"::"))
                .map(|pair| pair[0].to_owned());
            self.add(&path.collect::<Vec<String>>());
        }
        visit::visit_macro(self, item);
    }

    /// `pub(crate)` names nothing that the module needs.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// Modules that name one another in a circle, if there are any.
fn circle(mut uses: Uses) -> Option<Vec<String>> {
    // A module that names none of those that are left is in no circle.
    loop {
        let left: BTreeSet<Module> = uses.keys().cloned().collect();
        uses.retain(|_, named| !named.is_disjoint(&left));
        if uses.len() == left.len() {
            break;
        }
    }
    let mut way = vec![uses.keys().next()?];
    loop {
        let next = uses[way[way.len() - 1]].iter().find(|next| uses.contains_key(*next))?;
        if let Some(start) = way.iter().position(|module| *module == next) {
            return Some(way[start..].iter().map(|module| module.join("::")).collect());
        }
        way.push(next);
    }
}

#[test]
fn no_files_depend_on_one_another_in_a_circle() {
    for folder in ["src", "cli/src"] {
        assert_eq!(circle(uses(folder)), None, "in {folder}");
    }
    let name = |name: &str| vec![name.to_owned()];
    let circular = [("a", "b"), ("b", "c"), ("c", "b")];
    let circular = circular.map(|(from, to)| (name(from), BTreeSet::from([name(to)])));
    assert_eq!(circle(Uses::from(circular)), Some(vec!["b".to_owned(), "c".to_owned()]));
}

#[test]
fn rooms_depend_only_on_those_above_them() {
    let root = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"));
    let root = syn::parse_file(&root.expect("the source should be readable")).expect("it should be Rust");
    let rooms: Vec<String> = declared(&root).map(|room| room.ident.to_string()).collect();
    let place = |module: &Module| rooms.iter().position(|room| Some(room) == module.first());
    let mut checked = 0;
    for (module, named) in uses("src").iter().filter(|(module, _)| !module.is_empty()) {
        for other in named {
            assert!(place(other) <= place(module), "{} depends on {}", module.join("::"), other.join("::"));
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} dependencies were found");
}

/// A guide links to another by the name of its file. Its documentation on docs.rs needs a link to the module instead,
/// which `src/guides.rs` defines.
#[test]
fn links_between_guides_lead_to_modules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("the file should be readable");
    let guides = read("src/guides.rs");
    let mut checked = 0;
    for part in guides.split("pub mod ") {
        let Some((before, guide)) = part.split_once("#[doc = include_str!(\"../") else { continue };
        let guide = guide.split('"').next().expect("the name should end");
        let text = read(guide);
        assert!(!text.contains(".md)"), "{guide}: define links to guides at its end, as [words]: FILE");
        for line in text.lines().filter(|line| line.starts_with('[') && line.ends_with(".md")) {
            let (words, file) = line.split_once("]: ").expect("it should be a definition");
            let file =
                Path::new(file).file_stem().and_then(|name| name.to_str()).expect("it should be a name");
            let definition = format!("/// {words}]: {}\n", file.replace('-', "_"));
            assert!(before.contains(&definition), "src/guides.rs lacks, above {guide}: {definition}");
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} links were found");
}
