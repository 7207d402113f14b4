//! Names that other tools gave to backups: so that a listing can tell whose one is. Nothing is decided by it.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use super::ServiceName;

/// What a name tells of the tool that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign<'a> {
    /// In a few words, for people.
    pub producer: &'static str,
    /// What is left without the time, the number and the ending.
    pub base: &'a str,
    pub at: Option<Told>,
}

/// When a backup was made, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// In a zone that the name does not tell.
    Date(Date),
    /// Likewise.
    Local(DateTime),
    Instant(Timestamp),
}

/// What a tool writes behind the base: a time, by its format.
#[derive(Clone, Copy)]
enum Stamp {
    Date(&'static str),
    Local(&'static str),
    Utc(&'static str),
}

struct Pattern {
    producer: &'static str,
    /// The only base that this tool has; `None`: its user chose one.
    base: Option<&'static str>,
    between: &'static str,
    stamp: Stamp,
    ending: &'static str,
}

const fn pattern(
    producer: &'static str,
    base: Option<&'static str>,
    between: &'static str,
    stamp: Stamp,
    ending: &'static str,
) -> Pattern {
    Pattern { producer, base, between, stamp, ending }
}

/// No name fits two of these.
const DATED: [Pattern; 9] = [
    pattern("Logic App", None, "_", Stamp::Date("%Y%m%d"), ""),
    pattern("Logic App of a Bicep module", Some("apim"), "-", Stamp::Date("%Y%m%d"), ""),
    pattern("PowerShell default", None, "-", Stamp::Local("%Y-%m-%d-%H-%M"), ".apimbackup"),
    pattern("PowerShell with a date", None, "-", Stamp::Local("%Y%m%d-%H%M%S"), ".apimbackup"),
    pattern("GitHub workflow", None, "-", Stamp::Utc("%Y%m%dT%H%M%SZ"), ".apimbackup"),
    pattern("Automation runbook", None, "_", Stamp::Local("%Y%m%d%H%M"), ".bak"),
    pattern("Python script", Some("apimbackup"), "-", Stamp::Local("%m%d%y%H%M%S"), ""),
    pattern("C# function", Some("apim_backup"), " - ", Stamp::Date("%d/%m/%Y"), ""),
    pattern("Backup-APIM.ps1", Some("backup"), "-", Stamp::Local("%Y%m%d-%H%M%S"), ""),
];

/// Whose name it looks like; the most specific pattern counts: one with a date before `backup-<epoch>-<instance>`, that
/// before a run's number, and last a bare `<base>.apimbackup`.
///
/// Our own `date` looks like the Logic App's, on purpose. A name without date, number and ending, which the Logic App
/// gives too, could be anybody's, and is nobody's here.
pub fn recognise(name: &str) -> Option<Foreign<'_>> {
    let dated = DATED.iter().find_map(|pattern| pattern.read(name));
    dated.or_else(|| epoch(name)).or_else(|| run(name)).or_else(|| documented(name))
}

impl Pattern {
    fn read<'a>(&self, name: &'a str) -> Option<Foreign<'a>> {
        let rest = name.strip_suffix(self.ending)?;
        let (rest, stamp) = rest.split_at_checked(rest.len().checked_sub(self.stamp.len())?)?;
        let base = rest.strip_suffix(self.between).filter(|base| !base.is_empty())?;
        if self.base.is_some_and(|only| only != base) {
            return None;
        }
        Some(Foreign { producer: self.producer, base, at: Some(self.stamp.read(stamp)?) })
    }
}

impl Stamp {
    fn format(self) -> &'static str {
        match self {
            Self::Date(format) | Self::Local(format) | Self::Utc(format) => format,
        }
    }

    /// In bytes: every number has all of its digits.
    fn len(self) -> usize {
        DateTime::default().strftime(self.format()).to_string().len()
    }

    fn read(self, text: &str) -> Option<Told> {
        let format = self.format();
        let (told, local) = match self {
            Self::Date(_) => {
                let date = Date::strptime(format, text).ok()?;
                (Told::Date(date), date.into())
            }
            Self::Local(_) => {
                let local = DateTime::strptime(format, text).ok()?;
                (Told::Local(local), local)
            }
            Self::Utc(_) => {
                let utc = DateTime::strptime(format, text).ok()?;
                (Told::Instant(TimeZone::UTC.to_timestamp(utc).ok()?), utc)
            }
        };
        // Reading is lenient: blanks, signs, a leap second.
        (local.strftime(format).to_string() == text).then_some(told)
    }
}

/// `backup-<epoch seconds>-<instance>`
fn epoch(name: &str) -> Option<Foreign<'_>> {
    let (second, base) = name.strip_prefix("backup-")?.split_once('-')?;
    base.parse::<ServiceName>().ok()?;
    // Ten digits: from 2001 to 2286.
    let second = Some(second).filter(|second| second.len() == 10 && is_number(second))?.parse().ok()?;
    let at = Timestamp::from_second(second).ok()?;
    Some(Foreign { producer: "shell script", base, at: Some(Told::Instant(at)) })
}

/// `<base>-<run number>`. A number that is as long as a date, or that follows another, is rather part of a date.
fn run(name: &str) -> Option<Foreign<'_>> {
    let (base, number) = name.rsplit_once('-')?;
    let is_run = (1..=7).contains(&number.len()) && is_number(number);
    let before = base.rsplit('-').next().unwrap_or(base);
    let is_base = before.bytes().any(|byte| !byte.is_ascii_digit());
    (is_run && is_base).then_some(Foreign { producer: "pipeline run", base, at: None })
}

/// `ContosoBackup.apimbackup`. With digits it could be a date that is none.
fn documented(name: &str) -> Option<Foreign<'_>> {
    let base = name.strip_suffix(".apimbackup")?;
    let is_word = !base.is_empty() && !base.contains(|c: char| c.is_ascii_digit());
    is_word.then_some(Foreign { producer: "documentation's example", base, at: None })
}

fn is_number(text: &str) -> bool {
    !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Told {
        Told::Date(text.parse().unwrap())
    }

    fn local(text: &str) -> Told {
        Told::Local(text.parse().unwrap())
    }

    fn instant(text: &str) -> Told {
        Told::Instant(text.parse().unwrap())
    }

    #[test]
    fn every_tools_names_are_told_apart() {
        let dated = [
            ("apimbackup_20261121", "Logic App", "apimbackup", date("2026-11-21")),
            ("a/b_c_20240229", "Logic App", "a/b_c", date("2024-02-29")),
            ("ü_20261121", "Logic App", "ü", date("2026-11-21")),
            ("apim_20261121", "Logic App", "apim", date("2026-11-21")),
            ("apim-20261121", "Logic App of a Bicep module", "apim", date("2026-11-21")),
            (
                "sample-apim-2026-11-21-01-02.apimbackup",
                "PowerShell default",
                "sample-apim",
                local("2026-11-21T01:02"),
            ),
            (
                "nightly-20261121-010203.apimbackup",
                "PowerShell with a date",
                "nightly",
                local("2026-11-21T01:02:03"),
            ),
            (
                "backup-20261121-010203.apimbackup",
                "PowerShell with a date",
                "backup",
                local("2026-11-21T01:02:03"),
            ),
            (
                "sample-apim-20261121T010203Z.apimbackup",
                "GitHub workflow",
                "sample-apim",
                instant("2026-11-21T01:02:03Z"),
            ),
            ("apim_202611210102.bak", "Automation runbook", "apim", local("2026-11-21T01:02")),
            ("my_prefix_202611212359.bak", "Automation runbook", "my_prefix", local("2026-11-21T23:59")),
            ("apimbackup-112126010203", "Python script", "apimbackup", local("2026-11-21T01:02:03")),
            ("apim_backup - 21/11/2026", "C# function", "apim_backup", date("2026-11-21")),
            ("backup-20261121-010203", "Backup-APIM.ps1", "backup", local("2026-11-21T01:02:03")),
            ("backup-1795222923-sample-apim", "shell script", "sample-apim", instant("2026-11-21T01:02:03Z")),
        ];
        let undated = [
            ("nightly-1", "pipeline run", "nightly"),
            ("nightly-prod-1234567", "pipeline run", "nightly-prod"),
            // Not quite another's.
            ("apimbackup-112126", "pipeline run", "apimbackup"),
            ("apim2-7", "pipeline run", "apim2"),
            ("ContosoBackup.apimbackup", "documentation's example", "ContosoBackup"),
            ("backups/Contoso-Backup.apimbackup", "documentation's example", "backups/Contoso-Backup"),
        ];
        let dated = dated.map(|(name, producer, base, at)| (name, producer, base, Some(at)));
        let undated = undated.map(|(name, producer, base)| (name, producer, base, None));
        for (name, producer, base, at) in dated.into_iter().chain(undated) {
            assert_eq!(recognise(name), Some(Foreign { producer, base, at }), "{name}");
        }
    }

    #[test]
    fn near_misses_and_impossible_dates_are_nobodys() {
        let rows = [
            "",
            "apimbackup",
            "_20261121",
            "-20261121",
            "apimbackup20261121",
            "apimbackup_2026112",
            "apimbackup_202611210",
            "apimbackup_20261321",
            "apimbackup_20260229",
            "apimbackup_20261100",
            "apimbackup_+2026112",
            "apimbackup_2026 121",
            "apimbackup_2026112ü",
            // Ours.
            "apimbackup_20261121T010203",
            "apimbackup_20261121T010203Z",
            "apim-20261321",
            "other-20261121",
            "apim-20261121.bak",
            "sampleapim-2026-11-21-01-60.apimbackup",
            "sampleapim-2026-11-21-24-00.apimbackup",
            "sampleapim-2026-11-21-1-2.apimbackup",
            "sampleapim-2026-11-21.apimbackup",
            "-2026-11-21-01-02.apimbackup",
            "nightly-20261121-010260.apimbackup",
            "nightly-20260931-010203.apimbackup",
            "nightly-20261121T010203.apimbackup",
            "nightly-20261321T010203Z.apimbackup",
            "nightly-20261121T010203z.apimbackup",
            "apim_20261121.bak",
            "apim_202611210160.bak",
            "apim-202611210102.bak",
            "apimbackup-132126010203",
            "apimbackup-211126010203",
            "other-112126010203",
            "apim_backup - 11/21/2026",
            "apim_backup - 31/11/2026",
            "apim_backup - 1/11/2026",
            "apim_backup-21/11/2026",
            "my_backup - 21/11/2026",
            "backup-20261321-010203",
            "nightly-20261121-010203",
            "nightly-20261121-110203",
            "backup-20261321-110203",
            "backup-1795222923-7",
            "nightly-2026-11-21",
            "backup-179522292-sampleapim",
            "backup-17952229231-sampleapim",
            "backup-0795222923-sampleapim",
            "backup-1795222923-sample_apim",
            "backup-1795222923-",
            "nightly-0",
            "nightly-007",
            "nightly-12345678",
            "nightly-1a",
            "nightly-",
            "-7",
            ".apimbackup",
            "Contoso2.apimbackup",
            "ContosoBackup.APIMBACKUP",
            "ContosoBackup.apimbackup.tmp",
        ];
        for name in rows {
            assert_eq!(recognise(name), None, "{name}");
        }
    }

    #[test]
    fn no_name_fits_two_dated_patterns() {
        for (place, pattern) in DATED.iter().enumerate() {
            let base = pattern.base.unwrap_or("apim");
            let moment = jiff::civil::date(2012, 11, 10).at(9, 8, 7, 0);
            let stamp = moment.strftime(pattern.stamp.format());
            let name = format!("{base}{}{stamp}{}", pattern.between, pattern.ending);
            let fits: Vec<_> = (0..DATED.len()).filter(|other| DATED[*other].read(&name).is_some()).collect();
            assert_eq!(fits, [place], "{name}");
        }
    }
}
