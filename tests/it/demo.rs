//! The demo, as a newcomer starts it: in an empty folder, without an environment.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
};

use crate::process::send;

/// A demo, its folder, and where it may put what it needs for a while.
struct Demo {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    text: String,
    folder: TempDir,
    temporary: TempDir,
}

impl Demo {
    fn start() -> Self {
        let (folder, temporary) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_apim-dr"));
        // A setting of whoever tries the demo is not the demo's.
        command.arg("demo").env_clear().env("TMPDIR", temporary.path()).env("APIM_DR_KEYS", "status=k");
        command.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, text: String::new(), folder, temporary }
    }

    /// Reads until a line has these words, and gives it.
    async fn read_to(&mut self, words: &str) -> String {
        loop {
            let line = self.lines.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("no line with {words}:\n{}", self.text));
            self.text += &line;
            self.text.push('\n');
            if line.contains(words) {
                return line;
            }
        }
    }

    async fn app(&mut self) -> String {
        let line = self.read_to("the app  http://").await;
        line.split(['/', ',']).nth(2).unwrap().to_owned()
    }

    /// That it ended so, and nothing of it is left.
    async fn ended(self, code: i32, app: &str) {
        let Self { child, lines, text, folder, temporary } = self;
        drop(lines);
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}{said}");
        assert!(TcpStream::connect(app).await.is_err(), "the app still answers");
        for place in [folder, temporary] {
            assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "{text}{said}");
        }
    }
}

#[tokio::test]
async fn the_demo_kills_the_app_in_the_middle_and_leaves_nothing() {
    let mut demo = Demo::start();
    let app = demo.app().await;
    for words in [
        "202 Accepted",
        "kill -9 ",
        "GET Location -> no answer",
        "apim-dr serve --listen ",
        "GET Location -> 200  Completed",
        "Azure saw 1 POST of a backup",
        "GET Location -> 200  Completed: succeeded; verified",
        "GET Location -> 200  Completed: succeeded; verified",
        "apim-dr list",
        "RESTORABLE UNTIL",
        "no policy",
        "1 of 3 would go; nothing was deleted",
        "deleted: no rule keeps it",
        "1 of 3 deleted",
        "GET Location -> 200  Completed",
        "Azure saw 3 backups and 1 restore",
        "apim-dr settings",
    ] {
        demo.read_to(words).await;
    }
    demo.ended(0, &app).await;
}

#[tokio::test]
async fn a_demo_that_is_interrupted_leaves_nothing() {
    let mut demo = Demo::start();
    let app = demo.app().await;
    demo.read_to("202 Accepted").await;
    send("-INT", &demo.child).await;
    // What it was about to say it may still say: a reader that goes away is another story.
    while demo.lines.next_line().await.unwrap().is_some() {}
    demo.ended(130, &app).await;
}

#[tokio::test]
async fn a_demo_that_nobody_reads_any_more_leaves_nothing() {
    let mut demo = Demo::start();
    let app = demo.app().await;
    demo.ended(1, &app).await;
}
