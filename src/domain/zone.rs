//! Time zones by the names that people have for them: IANA's, and those of Windows.

use jiff::tz::TimeZone;
use windows_timezones::WindowsTimezone;

use super::InvalidName;

/// The zone of a name, in any case. It knows its own by IANA.
pub fn parse(name: &str) -> Result<TimeZone, InvalidName> {
    let iana = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown());
    iana.or_else(|| windows(name)).ok_or(InvalidName {
        remedy: "give an IANA name such as Pacific/Auckland, or a name that Windows has today such as New Zealand Standard Time",
    })
}

fn windows(name: &str) -> Option<TimeZone> {
    let spellings = [name.to_owned(), capitalised(name, true), capitalised(name, false)];
    let zone = spellings.iter().find_map(|name| name.parse::<WindowsTimezone>().ok())?;
    TimeZone::get(zone.tzdb_id()).ok()
}

/// As Windows writes it, with or without `acronyms`: it has both `AUS Central` and `Aus Central W.`.
fn capitalised(name: &str, acronyms: bool) -> String {
    const ACRONYMS: [&str; 7] = ["aus", "fle", "gmt", "gtb", "sa", "se", "us"];
    let mut spelt = String::new();
    for word in name.to_ascii_lowercase().split_inclusive([' ', '(']) {
        let upper = word.starts_with("utc") || (acronyms && ACRONYMS.contains(&word.trim_end()));
        let capitals = if upper { word.len() } else { word.chars().next().map_or(0, char::len_utf8) };
        let (head, tail) = word.split_at(capitals);
        spelt.extend([&head.to_ascii_uppercase(), tail]);
    }
    spelt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_its_name_by_iana_or_by_windows_in_any_case() {
        let rows = [
            ("Pacific/Auckland", "Pacific/Auckland"),
            ("pacific/auckland", "Pacific/Auckland"),
            ("UTC", "UTC"),
            ("utc", "UTC"),
            ("Etc/UTC", "Etc/UTC"),
            ("NZ", "NZ"),
            ("New Zealand Standard Time", "Pacific/Auckland"),
            ("NEW ZEALAND standard time", "Pacific/Auckland"),
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("w. europe standard time", "Europe/Berlin"),
            ("Central Standard Time (Mexico)", "America/Mexico_City"),
            ("central standard time (mexico)", "America/Mexico_City"),
            ("AUS Central Standard Time", "Australia/Darwin"),
            ("aus central standard time", "Australia/Darwin"),
            ("Aus Central W. Standard Time", "Australia/Eucla"),
            ("aus central w. standard time", "Australia/Eucla"),
            ("pacific sa standard time", "America/Santiago"),
            ("us mountain standard time", "America/Phoenix"),
            ("se asia standard time", "Asia/Bangkok"),
            ("gmt standard time", "Europe/London"),
            ("fle standard time", "Europe/Kiev"),
            ("gtb standard time", "Europe/Bucharest"),
            ("russia time zone 11", "Asia/Kamchatka"),
            ("utc-11", "Etc/GMT+11"),
            ("UTC+13", "Etc/GMT-13"),
        ];
        for (name, expected) in rows {
            assert_eq!(parse(name).unwrap().iana_name(), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_wrong_name_is_refused_with_an_example_of_both_kinds() {
        let wrong = [
            "",
            "Auckland",
            "Pacific/Aukland",
            "NZDT",
            "+13:00",
            "UTC+5",
            "Etc/Unknown",
            "New Zealand Daylight Time",
            "(UTC+12:00) Auckland, Wellington",
            // Windows gave them up.
            "Kamchatka Standard Time",
            "Mid-Atlantic Standard Time",
            "ünbekannt (ß",
        ];
        for name in wrong {
            let remedy = parse(name).unwrap_err().remedy;
            assert!(
                remedy.contains("Pacific/Auckland") && remedy.contains("New Zealand Standard Time"),
                "{name}"
            );
        }
    }
}
