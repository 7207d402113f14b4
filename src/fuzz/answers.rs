//! Answers of Azure Resource Manager.

use httparse::{EMPTY_HEADER, Response, Status};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::azure::lro_rules;

/// Reads an answer, as HTTP/1.1 has it, to a start and to looks at what runs.
pub fn answers(bytes: &[u8]) {
    let mut headers = [EMPTY_HEADER; 32];
    let mut answer = Response::new(&mut headers);
    let Ok(Status::Complete(length)) = answer.parse(bytes) else { return };
    let header = |header: &httparse::Header| {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(header.value).ok()?))
    };
    let headers: HeaderMap = answer.headers.iter().filter_map(header).collect();
    lro_rules::hold(answer.code.unwrap_or_default(), headers, &bytes[length..]);
}
