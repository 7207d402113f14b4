//! Takes the fields out of an object one by one, and notes every problem on the way.

use std::str::FromStr;

use super::{
    Problem,
    json::{Entries, Json},
};
use crate::domain::{InvalidName, Secret};

/// What to do about a Key Vault reference that the platform handed over as it was.
pub const KEY_VAULT_REMEDY: &str =
    "let the app's identity read that vault, check the names in the reference, and restart the app";

/// A value, unless a problem was noted in its place.
pub(super) type Read<T> = Result<T, Noted>;

/// The problem is among [`Fields::problems`]; whoever meets this need not say anything more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted;

/// The value of a variable of the environment.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<Secret>;

/// The fields of an object. What nobody took in the end is not known.
pub(super) struct Fields<'a> {
    /// Stands before the names in problems.
    path: &'static str,
    entries: Entries,
    /// Where secrets may be named instead of given: a caller over HTTP must not read our environment.
    variables: Option<Variables<'a>>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(path: &'static str, entries: Entries) -> Self {
        Self { path, entries, variables: None, problems: Vec::new(), warnings: Vec::new() }
    }

    /// With secrets by reference.
    pub(super) fn referring(entries: Entries, variables: Variables<'a>) -> Self {
        Self { variables: Some(variables), ..Self::new("", entries) }
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
        let Some(secret) = self.verbatim(name)?.map(Secret::new) else { return Ok(None) };
        let Some(variables) = self.variables else { return Ok(Some(secret)) };
        if secret.is_unresolved_reference() {
            return Err(self.note(
                name,
                "a Key Vault reference, and the platform resolves only those that are a whole app setting",
                "make it an app setting of its own, and write env:<name of that setting> here",
            ));
        }
        let Some(variable) = secret.expose().strip_prefix("env:") else {
            self.warn(format!(
                "{name}: a secret in plain text; better give it to a variable, and write env:<name of it> here"
            ));
            return Ok(Some(secret));
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if variable.is_empty() || !variable.chars().all(is_name) {
            let remedy = "write env: and the name: letters, digits and _";
            return Err(self.note(name, "refers to no variable", remedy));
        }
        let (detail, remedy) = match variables(variable) {
            Some(value) if !value.is_unresolved_reference() => return Ok(Some(value)),
            Some(_) => ("holds a Key Vault reference that was not resolved", KEY_VAULT_REMEDY),
            None => ("is not set", "set it, or name another"),
        };
        Err(self.note(name, &format!("the variable {variable} {detail}"), remedy))
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
        self.checked(name, str::parse)
    }

    /// A text that `check` takes; else its error says what it would.
    pub(super) fn checked<T>(
        &mut self,
        name: &str,
        check: impl FnOnce(&str) -> Result<T, InvalidName>,
    ) -> Read<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        check(&text).map(Some).map_err(|InvalidName { remedy }| self.note(name, "not valid", remedy))
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

    /// An array of texts, each of which has to be a `T`.
    pub(super) fn all<T: FromStr<Err = InvalidName>>(&mut self, name: &str) -> Read<Option<Vec<T>>> {
        let items = match self.take(name)? {
            None => return Ok(None),
            Some(Json::Array(items)) => items,
            Some(other) => return self.misfit(name, &other, "an array", "write an array in [ ]"),
        };
        let mut all = Vec::new();
        for item in items {
            let Json::Text(text) = item else {
                return self.misfit(name, &item, "a text", "write each in quotes, as one text");
            };
            match text.parse() {
                Ok(value) => all.push(value),
                Err(InvalidName { remedy }) => {
                    return Err(self.note(name, "has one that is not valid", remedy));
                }
            }
        }
        Ok(Some(all))
    }

    pub(super) fn object(&mut self, name: &str) -> Read<Option<Entries>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Json::Object(entries)) => Ok(Some(entries)),
            Some(other) => self.misfit(name, &other, "an object", "write an object in { }"),
        }
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Json> {
        self.entries.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The text of a field that nobody took yet.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        self.named(name).find_map(|value| match value {
            Json::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether the field says something: null and the empty text do not.
    pub(super) fn gives(&self, name: &str) -> bool {
        self.named(name).any(|value| !value.is_blank())
    }

    /// Whether the field says nothing else than `value`.
    pub(super) fn agrees(&self, name: &str, value: &str) -> bool {
        let same = |given: &Json| matches!(given, Json::Text(text) if text.eq_ignore_ascii_case(value));
        self.named(name).all(|given| given.is_blank() || same(given))
    }

    /// Gives the field a value if it has none. What is given twice stays so: that is a problem.
    pub(super) fn fill(&mut self, name: &str, value: &str) {
        if !self.gives(name) && self.named(name).count() <= 1 {
            self.entries.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
            self.entries.push((name.to_owned(), Json::Text(value.to_owned())));
        }
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
