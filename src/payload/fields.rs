//! Takes the fields out of an object one by one, and notes every problem on the way.

use std::str::FromStr;

use super::{
    Problem,
    json::{Entries, Json},
};
use crate::domain::{InvalidName, Secret};

/// A value, unless a problem was noted in its place.
pub(super) type Read<T> = Result<T, Noted>;

/// The problem is among [`Fields::problems`]; whoever meets this need not say anything more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted;

/// The fields of an object. What nobody took in the end is not known.
pub(super) struct Fields {
    /// Stands before the names in problems.
    path: &'static str,
    entries: Entries,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Fields {
    pub(super) fn new(path: &'static str, entries: Entries) -> Self {
        Self { path, entries, problems: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn note(&mut self, name: &str, detail: &str, remedy: &str) -> Noted {
        let field = Some(format!("{}{name}", self.path));
        self.problems.push(Problem { field, detail: detail.to_owned(), remedy: remedy.to_owned() });
        Noted
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// The field, whatever its case; null is as good as absent.
    fn take(&mut self, name: &str) -> Read<Option<Json>> {
        let mut found: Entries =
            self.entries.extract_if(.., |(given, _)| given.eq_ignore_ascii_case(name)).collect();
        let last = found.pop();
        if !found.is_empty() {
            return Err(self.note(name, "given more than once", "leave one; case does not tell names apart"));
        }
        Ok(last.map(|(_, value)| value).filter(|value| !matches!(value, Json::Null)))
    }

    fn misfit<T>(&mut self, name: &str, found: &Json, wanted: &str, remedy: &str) -> Read<T> {
        Err(self.note(name, &format!("{} where {wanted} belongs", found.what()), remedy))
    }

    fn verbatim(&mut self, name: &str) -> Read<Option<String>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(other) => self.misfit(name, &other, "a text", "write it in quotes, as one text"),
        }
    }

    /// A secret, taken verbatim: white space may be part of it.
    pub(super) fn secret(&mut self, name: &str) -> Read<Option<Secret>> {
        Ok(self.verbatim(name)?.map(Secret::new))
    }

    pub(super) fn text(&mut self, name: &str) -> Read<Option<String>> {
        match self.verbatim(name)? {
            Some(text) if text.trim() != text => {
                Err(self.note(name, "begins or ends with white space", "remove the white space"))
            }
            text => Ok(text),
        }
    }

    /// A text that `parse` understands; else `remedy` says what it would.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Read<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| self.note(name, "not valid", remedy))
    }

    pub(super) fn optional<T: FromStr<Err = InvalidName>>(&mut self, name: &str) -> Read<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|InvalidName { remedy }| self.note(name, "not valid", remedy))
    }

    pub(super) fn required<T: FromStr<Err = InvalidName>>(&mut self, name: &str) -> Read<T> {
        match self.optional(name)? {
            Some(value) => Ok(value),
            None => "".parse().map_err(|InvalidName { remedy }| self.note(name, "missing or empty", remedy)),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Read<Option<bool>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(value)),
            Some(other) => self.misfit(name, &other, "true or false", "write true or false without quotes"),
        }
    }

    pub(super) fn count(&mut self, name: &str) -> Read<Option<u32>> {
        const REMEDY: &str = "write a whole number, 0 or more, without quotes";
        match self.take(name)? {
            None => Ok(None),
            Some(Json::Number(number)) => match number.and_then(|number| number.try_into().ok()) {
                Some(count) => Ok(Some(count)),
                None => Err(self.note(name, "not a count", REMEDY)),
            },
            Some(other) => self.misfit(name, &other, "a count", REMEDY),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Read<Option<Entries>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Json::Object(entries)) => Ok(Some(entries)),
            Some(other) => self.misfit(name, &other, "an object", "write an object in { }"),
        }
    }

    /// Whether the field is there and not empty, whatever its case and shape.
    pub(super) fn is_given(&self, name: &str) -> bool {
        let mut values = self.entries.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        values.any(|(_, value)| match value {
            Json::Null => false,
            Json::Text(text) => !text.is_empty(),
            _ => true,
        })
    }

    /// The names that nobody took, fit to be shown.
    pub(super) fn unknown(&self) -> impl Iterator<Item = String> {
        self.entries.iter().map(|(name, _)| shown(name))
    }
}

/// A name that somebody else chose, without what would disturb a terminal or fill a log.
fn shown(name: &str) -> String {
    let mut chars = name.chars();
    let mut shown: String = chars.by_ref().take(64).flat_map(char::escape_debug).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}
