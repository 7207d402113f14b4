//! Some trials of the crash test whose thousands are `examples/chaos.rs`.

#[path = "../chaos/mod.rs"]
mod trial;

use trial::{Tally, Way};

fn survives(seeds: std::ops::Range<u64>, way: &Way) {
    let mut all = Tally::default();
    for seed in seeds {
        match trial::run(seed, way) {
            Ok(tally) => all.add(tally),
            Err(broken) => panic!("{broken}"),
        }
    }
    // Or these trials show nothing.
    let struck: usize = all.faults.values().sum();
    assert!(all.kills > 0 && struck > 0 && all.taken > 0, "{all}");
}

#[test]
fn trials_of_crashes_keep_every_promise() {
    survives(1..26, &Way::Within);
}

#[test]
fn other_trials_of_crashes_keep_every_promise() {
    survives(26..51, &Way::Within);
}

#[test]
#[cfg(target_os = "linux")]
fn trials_of_killed_processes_keep_every_promise() {
    survives(1..3, &Way::Processes(env!("CARGO_BIN_EXE_apim-dr").into()));
}
