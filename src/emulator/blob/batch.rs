//! Blob Batch: several deletes in one `multipart/mixed` request, the only way in which
//! `object_store` deletes.

use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};

use jiff::Timestamp;

use super::error::{BlobError, INVALID};
use super::{Answer, delete};
use crate::emulator::call::Call;
use crate::emulator::reply;
use crate::emulator::storage::Container;

/// A batch holds at most this many requests, by the service's documentation.
const MOST: usize = 256;

/// Deletes every blob named in the batch; each part has its own status: 202, or an error.
pub(super) fn answer(blobs: &mut Container, call: &Call, account: &str, container: &str) -> Answer {
    let kind = call.header("content-type").unwrap_or_default();
    let boundary = kind.strip_prefix("multipart/mixed; boundary=").ok_or(INVALID)?;
    let body = std::str::from_utf8(&call.body).map_err(|_| INVALID)?;
    let delimiter = format!("--{boundary}");
    let parts = body.split(&delimiter).skip(1).take_while(|part| !part.starts_with("--"));
    let deletes =
        parts.map(|part| read_delete(part, account, container)).collect::<Option<Vec<_>>>().ok_or(INVALID)?;
    if deletes.is_empty() || deletes.len() > MOST {
        return Err(INVALID);
    }
    let mut answers = Vec::with_capacity(deletes.len() + 1);
    for part in deletes {
        let status = status(part.carry_out(blobs, call.at));
        let id = part.id;
        let head = "Content-Type: application/http\r\nContent-ID";
        answers.push(format!(
            "--{boundary}\r\n{head}: {id}\r\n\r\nHTTP/1.1 {status}x-ms-version: 2023-11-03\r\n\r\n"
        ));
    }
    answers.push(format!("--{boundary}--\r\n"));
    let mut response = reply::text_of(StatusCode::ACCEPTED, "multipart/mixed", answers.concat());
    let kind = HeaderValue::from_str(kind).map_err(|_| INVALID)?;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// One part of a batch.
struct Delete {
    /// Its `Content-ID`.
    id: u32,
    name: String,
    headers: Vec<(String, String)>,
}

impl Delete {
    fn carry_out(&self, blobs: &mut Container, at: Timestamp) -> Result<(), BlobError> {
        let header = |name: &'static str| {
            let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        delete(blobs, &self.name, header, at)
    }
}

/// Status line, and the code of an error as a header.
fn status(deleted: Result<(), BlobError>) -> String {
    match deleted {
        Ok(()) => "202 Accepted\r\n".to_owned(),
        Err(BlobError(status, code, message)) => {
            format!("{} {message}\r\nx-ms-error-code: {code}\r\n", status.as_u16())
        }
    }
}

/// Reads one part: headers, an empty line, then a whole `DELETE` request.
fn read_delete(part: &str, account: &str, container: &str) -> Option<Delete> {
    let part = part.strip_prefix("\r\n")?.as_bytes();
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let httparse::Status::Complete((length, headers)) = httparse::parse_headers(part, &mut headers).ok()?
    else {
        return None;
    };
    let id = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-id"))?;
    let id = std::str::from_utf8(id.value).ok()?.parse().ok()?;
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    if request.parse(part.get(length..)?).ok()?.is_partial() || request.method != Some("DELETE") {
        return None;
    }
    let path = request.path?.split('?').next()?.trim_start_matches('/');
    // With the account in the path, a client may name it here or not.
    let path = path.strip_prefix("blob/").unwrap_or(path);
    let path = path.strip_prefix(account).and_then(|path| path.strip_prefix('/')).unwrap_or(path);
    let name = path.strip_prefix(container)?.strip_prefix('/')?;
    let name = urlencoding::decode(name).ok()?.into_owned();
    let text = |value: &[u8]| std::str::from_utf8(value).map(str::to_owned).ok();
    let headers = request.headers.iter().map(|header| Some((header.name.to_owned(), text(header.value)?)));
    Some(Delete { id, name, headers: headers.collect::<Option<_>>()? })
}
