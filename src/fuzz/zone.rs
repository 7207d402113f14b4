//! Names of time zones.

use jiff::Timestamp;

use crate::domain::zone as zones;

/// Reads the name of a zone.
///
/// - What is none is told with an example of each kind.
/// - One that is taken is the same in any case, and knows its name by IANA, which is that of the same zone.
/// - It knows the time at any instant.
pub fn zone(bytes: &[u8]) {
    let Ok(name) = str::from_utf8(bytes) else { return };
    let read = zones::parse(name);
    for other in [name.to_ascii_uppercase(), name.to_ascii_lowercase()] {
        assert_eq!(zones::parse(&other), read, "{name:?} as {other:?}");
    }
    match read {
        Ok(zone) => {
            let own = zone.iana_name().unwrap_or_default();
            assert_eq!(zones::parse(own).as_ref(), Ok(&zone), "{name:?} is {own:?}");
            for instant in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
                let local = zone.to_datetime(instant);
                assert!(zone.to_ambiguous_timestamp(local).earlier().is_ok(), "{own}: {local}");
            }
        }
        Err(error) => assert!(error.remedy.contains("IANA") && error.remedy.contains("Windows"), "{name:?}"),
    }
}
