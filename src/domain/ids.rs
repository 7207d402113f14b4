//! Ids of operations and of their attempts.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Id of an operation: a UUID version 7, so that it sorts by the instant it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(Uuid);

impl OperationId {
    /// A new id for an operation that is opened `now`.
    pub fn at(now: Timestamp) -> Self {
        let since_epoch = std::time::Duration::try_from(now.as_duration()).unwrap_or_default();
        let at =
            uuid::Timestamp::from_unix(uuid::NoContext, since_epoch.as_secs(), since_epoch.subsec_nanos());
        Self(Uuid::new_v7(at))
    }

    /// The instant that is written in the id: when it was opened.
    pub fn opened(&self) -> Timestamp {
        let (seconds, nanos) = self.0.get_timestamp().map_or((0, 0), |at| at.to_unix());
        i64::try_from(seconds)
            .ok()
            .and_then(|seconds| Timestamp::new(seconds, i32::try_from(nanos).unwrap_or_default()).ok())
            .unwrap_or_default()
    }

    /// The month that is written in the id, as `yyyymm` (UTC).
    pub fn month(&self) -> String {
        self.opened().to_zoned(TimeZone::UTC).strftime("%Y%m").to_string()
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The text is not the id of an operation.
#[derive(Debug, thiserror::Error)]
#[error("not an operation id: expected a UUID of version 7, such as the `id` in the answer to a start")]
pub struct NotAnOperationId;

impl FromStr for OperationId {
    type Err = NotAnOperationId;

    /// Takes the hyphenated form only, so that one operation has one name in records and links.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = Uuid::try_parse(text).map_err(|_| NotAnOperationId)?;
        let canonical = id.hyphenated().to_string() == text;
        if canonical && id.get_version_num() == 7 { Ok(Self(id)) } else { Err(NotAnOperationId) }
    }
}

/// Id of one attempt to start; also sent to Azure Resource Manager as `x-ms-client-request-id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(Uuid);

impl AttemptId {
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_id_knows_its_month_and_survives_its_text_form() {
        let now: Timestamp = "2026-11-30T23:59:59Z".parse().unwrap();
        let id = OperationId::at(now);
        assert_eq!(id.month(), "202611");
        assert_eq!(id.to_string().parse::<OperationId>().unwrap(), id);
    }

    #[test]
    fn only_the_canonical_text_of_a_version_7_uuid_is_an_operation_id() {
        let id = OperationId::at("2026-11-30T00:00:00Z".parse().unwrap()).to_string();
        let bad = [
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            AttemptId::random().to_string(),
            "../x".to_owned(),
        ];
        for text in bad {
            assert!(text.parse::<OperationId>().is_err(), "{text}");
        }
    }
}
