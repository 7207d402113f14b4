//! A body as JSON that forgets nothing: a name which is given twice is there twice.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::Problem;

/// A JSON value. Without `Debug`: it may be a secret.
pub(super) enum Json {
    Null,
    Bool(bool),
    /// `None` when it is negative or has a fraction.
    Number(Option<u64>),
    Text(String),
    Array(Vec<Json>),
    Object(Entries),
}

pub(super) type Entries = Vec<(String, Json)>;

impl Json {
    /// As good as absent.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self, Self::Null) || matches!(self, Self::Text(text) if text.is_empty())
    }

    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads a body that has to be one JSON object.
pub(super) fn object(body: &[u8]) -> Result<Entries, Problem> {
    const SEND_ONE: &str = "send one JSON object; `apim-dr schema` prints its fields";
    match value(body, SEND_ONE)? {
        Json::Object(entries) => Ok(entries),
        other => Err(Problem::of_body(format!("the body is {}, not an object", other.what()), SEND_ONE)),
    }
}

/// Reads what has to be a JSON array.
pub(super) fn array(body: &[u8]) -> Result<Vec<Json>, Problem> {
    const GIVE_ONE: &str = "give a JSON array; `apim-dr schema --targets` prints its fields";
    match value(body, GIVE_ONE)? {
        Json::Array(items) => Ok(items),
        other => Err(Problem::of_body(format!("the body is {}, not an array", other.what()), GIVE_ONE)),
    }
}

fn value(body: &[u8], send_one: &str) -> Result<Json, Problem> {
    const BYTE_ORDER_MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    if body.trim_ascii().is_empty() {
        return Err(Problem::of_body("the body is empty", send_one));
    }
    if BYTE_ORDER_MARKS.iter().any(|mark| body.starts_with(mark)) {
        return Err(Problem::of_body(
            "the body begins with a byte order mark",
            "save it as UTF-8 without BOM",
        ));
    }
    // Every `Json` takes every JSON value, so an error is of the syntax and quotes nothing of the body.
    serde_json::from_slice(body).map_err(|error| {
        Problem::of_body(
            format!("the body is not JSON: {error}"),
            "mend it there; names and texts stand in double quotes",
        )
    })
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;

        impl<'de> Visitor<'de> for Values {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Number(Some(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Number(value.try_into().ok()))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Number(None))
            }

            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
                let mut array = Vec::new();
                while let Some(item) = items.next_element()? {
                    array.push(item);
                }
                Ok(Json::Array(array))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut entries = Entries::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Json::Object(entries))
            }
        }

        deserializer.deserialize_any(Values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_not_one_json_object_is_one_problem() {
        let rows: &[(&[u8], &str, &str)] = &[
            (b"", "empty", "apim-dr schema"),
            (b" \r\n\t", "empty", "apim-dr schema"),
            (b"\xef\xbb\xbf{}", "byte order mark", "without BOM"),
            (b"\xff\xfe{\0}\0", "byte order mark", "without BOM"),
            (b"\xfe\xff\0{\0}", "byte order mark", "without BOM"),
            (b"{\n  \"a\": \"b\",\n}", "at line 3 column 1", "double quotes"),
            (b"{'a': 'b'}", "at line 1 column 2", "double quotes"),
            (b"operation=backup", "at line 1 column 1", "double quotes"),
            (b"{\"a\": \"b\"", "at line 1 column 9", "double quotes"),
            (b"{\"a\": \"b\"} {}", "trailing characters at line 1 column 12", "double quotes"),
            (b"{\"a\": \"\xff\"}", "at line 1 column", "double quotes"),
            (b"{\"a\": \"\\ud800\"}", "at line 1 column", "double quotes"),
            (&br#"{"a":"#.repeat(1000), "recursion limit", "double quotes"),
            (b"[{}]", "an array, not an object", "one JSON object"),
            (b"\"text\"", "a text, not an object", "one JSON object"),
            (b"42", "a number, not an object", "one JSON object"),
            (b"-1.5", "a number, not an object", "one JSON object"),
            (b"true", "true or false, not an object", "one JSON object"),
            (b"null", "null, not an object", "one JSON object"),
        ];
        for (body, detail, remedy) in rows {
            let Err(problem) = object(body) else { panic!("should be refused: {body:?}") };
            assert_eq!(problem.field, None);
            assert!(problem.detail.contains(detail), "{detail:?} in {problem}");
            assert!(problem.remedy.contains(remedy), "{remedy:?} in {problem}");
        }
    }
}
