//! Every seed, among them every input that was once read wrong, and inputs made from them at random.

use std::fs;
use std::path::Path;

use entopic_fuzz::TARGETS;

/// The inputs that are made from each seed.
const VARIANTS: usize = 4;

#[test]
fn no_seed_is_read_wrong() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    // Knuth's MMIX generator: the same inputs each time.
    let mut state = 1_u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end.max(1)
    };
    let programs = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("targets"));
    assert_eq!(programs.expect("the programs should be there").count(), TARGETS.len());
    for (name, target) in TARGETS {
        let mut paths: Vec<_> = fs::read_dir(seeds.join(name))
            .unwrap_or_else(|error| panic!("{name} should have seeds: {error}"))
            .map(|entry| entry.expect("the folder should be readable").path())
            .collect();
        paths.sort_unstable();
        assert!(!paths.is_empty(), "{name} should have seeds");
        for path in paths {
            println!("{}", path.display());
            let seed = fs::read(&path).expect("the seed should be readable");
            target(&seed);
            for _ in 0..VARIANTS {
                let mut variant = seed.clone();
                for _ in 0..1 + below(4) {
                    let at = below(variant.len());
                    match below(3) {
                        0 if !variant.is_empty() => variant[at] = below(256) as u8,
                        1 => variant.insert(at, below(256) as u8),
                        _ if !variant.is_empty() => drop(variant.remove(at)),
                        _ => {}
                    }
                }
                target(&variant);
            }
        }
    }
}
