//! The colours of both schemes against each other, as WCAG 2.2 measures it.

use std::collections::BTreeMap;

use super::STYLE;

/// The custom properties of each `:root` that are colours: light, then dark on top of it.
fn schemes() -> [BTreeMap<&'static str, [f64; 3]>; 2] {
    let blocks = STYLE.split(":root{").skip(1).map(|rest| rest.split('}').next().unwrap());
    let mut colours = blocks.map(|block| {
        let pairs = block.split(';').filter_map(|line| line.trim().split_once(":#"));
        pairs.map(|(name, hex)| (name, linear(hex))).collect::<BTreeMap<_, _>>()
    });
    let (light, dark) = (colours.next().unwrap(), colours.next().unwrap());
    assert_eq!(light.keys().collect::<Vec<_>>(), dark.keys().collect::<Vec<_>>());
    [light, dark]
}

fn linear(hex: &str) -> [f64; 3] {
    assert_eq!(hex.len(), 6, "{hex}");
    [0, 2, 4].map(|at| {
        let part = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    })
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let luminance = |[r, g, b]: [f64; 3]| 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

#[test]
fn contrast_is_as_the_standard_measures_it() {
    assert!((contrast(linear("ffffff"), linear("000000")) - 21.0).abs() < 0.01);
    assert!((contrast(linear("777777"), linear("ffffff")) - 4.48).abs() < 0.01);
}

#[test]
fn text_and_shapes_stand_out_in_both_schemes() {
    let mut weak = Vec::new();
    for (colours, scheme) in schemes().iter().zip(["light", "dark"]) {
        let mut check = |front: &str, back: &str, least: f64| {
            let found = contrast(colours[front], colours[back]);
            if found < least {
                weak.push(format!("{scheme}: {front} on {back}: {found:.2}, needs {least}"));
            }
        };
        for front in ["--text", "--muted", "--link", "--info", "--fail"] {
            for back in ["--bg", "--surface"] {
                check(front, back, 4.5);
            }
        }
        for tone in ["ok", "risk", "fail", "info", "off"] {
            check(&format!("--{tone}"), &format!("--{tone}-soft"), 4.5);
            for back in ["surface", "bg", "track"] {
                // A gauge is told by its filled part; marks that have none never lie on a track.
                if back != "track" {
                    check(&format!("--{tone}-mark"), &format!("--{back}"), 3.0);
                }
            }
            check(&format!("--{tone}-mark"), &format!("--{tone}-soft"), 3.0);
        }
    }
    assert_eq!(weak, Vec::<String>::new());
}
