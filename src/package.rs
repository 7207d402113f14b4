//! The package that the Functions host runs: `host.json`, a folder for each function, and the program.
//!
//! [`build`] puts one together from what this program was compiled with; [`check()`] looks at one as the host would.

mod archive;
mod binary;
mod check;
mod secrets;

pub use archive::{Error, read, write_folder, zipped};
pub use check::{Checked, Fault, Linking, check};

/// What `host.json` starts.
const PROGRAM: &str = "apim-dr";
const HOST: &str = include_str!("../host.json");
const FUNCTIONS: [(&str, &str); 7] = [
    ("backup-trigger/function.json", include_str!("../backup-trigger/function.json")),
    ("health-trigger/function.json", include_str!("../health-trigger/function.json")),
    ("operations-trigger/function.json", include_str!("../operations-trigger/function.json")),
    ("restore-trigger/function.json", include_str!("../restore-trigger/function.json")),
    ("status-trigger/function.json", include_str!("../status-trigger/function.json")),
    ("sweep-trigger/function.json", include_str!("../sweep-trigger/function.json")),
    ("timer-trigger/function.json", include_str!("../timer-trigger/function.json")),
];
const FUNCTION: &str = "/function.json";

/// The argument of `serve` that takes the place of function keys.
pub const REQUIRE_PRINCIPAL: &str = "--require-principal";

/// Who lets callers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// The host, by its function keys.
    Keys,
    /// App Service authentication: the host lets everybody in, and the program whoever the platform signed in.
    EasyAuth,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// From the package's root, with `/`.
    pub path: String,
    /// Unix permissions; `None`: a zip that was not made for Unix.
    pub mode: Option<u32>,
    pub bytes: Vec<u8>,
}

impl File {
    fn new(path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.to_owned(), mode: Some(mode), bytes: bytes.into() }
    }
}

/// The files of a package, ordered by path. With `targets` it brings its `targets.json`.
pub fn build(program: Vec<u8>, auth: Auth, targets: Option<Vec<u8>>) -> Vec<File> {
    let mut files = vec![File::new(PROGRAM, 0o755, program)];
    files.extend(targets.map(|targets| File::new("targets.json", 0o644, targets)));
    let json = FUNCTIONS.into_iter().chain([("host.json", HOST)]);
    files.extend(json.map(|(path, text)| File::new(path, 0o644, for_auth(text, auth))));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn for_auth(text: &str, auth: Auth) -> String {
    match auth {
        Auth::Keys => text.to_owned(),
        // The host asks for keys as well unless a function is anonymous.
        Auth::EasyAuth => text
            .replace(r#""authLevel": "function""#, r#""authLevel": "anonymous""#)
            .replace(r#""serve""#, &format!(r#""serve", "{REQUIRE_PRINCIPAL}""#)),
    }
}
