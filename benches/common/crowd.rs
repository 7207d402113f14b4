//! Many clients at once that say the same, each on a connection of its own, and how it ends for them.

use std::{
    io::{self, ErrorKind},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::{interval, timeout},
};

/// For how long nobody comes to an end before the others are no longer waited for: in a flood the system turns
/// clients away, who try again seconds later.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often who is slow says a byte more.
const PACE: Duration = Duration::from_millis(100);

/// The clients, which have begun.
pub(crate) struct Crowd {
    ends: JoinSet<io::Result<Vec<u8>>>,
}

/// How it ended for how many.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) answered: usize,
    /// Without an answer.
    pub(crate) cut_off: usize,
    /// They still have their connections.
    pub(crate) waiting: usize,
    /// Anything else.
    pub(crate) failures: Vec<String>,
}

impl Crowd {
    /// Lets so many say this, all at once, and waits until they have; who is slow goes on with a byte now and then.
    pub(crate) async fn start(address: &str, clients: usize, says: &str, is_slow: bool) -> Self {
        let (begun, mut all_begun) = mpsc::channel::<()>(1);
        let mut ends = JoinSet::new();
        for _ in 0..clients {
            ends.spawn(heard(address.to_owned(), says.to_owned(), is_slow, begun.clone()));
        }
        drop(begun);
        // Closed as soon as each has dropped its own.
        all_begun.recv().await;
        Self { ends }
    }

    /// Ends all, as soon as none has come to an end for a while.
    pub(crate) async fn ends(mut self) -> Ends {
        let mut told = Ends::default();
        while let Ok(Some(end)) = timeout(PATIENCE, self.ends.join_next()).await {
            match end.unwrap() {
                Ok(heard) if heard.starts_with(b"HTTP/1.1 202") => told.answered += 1,
                Ok(heard) if heard.is_empty() => told.cut_off += 1,
                Ok(heard) => told.failures.push(String::from_utf8_lossy(&heard).into_owned()),
                Err(error) if is_cut_off(&error) => told.cut_off += 1,
                Err(error) => told.failures.push(error.to_string()),
            }
        }
        told.waiting = self.ends.len();
        self.ends.shutdown().await;
        told
    }
}

fn is_cut_off(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// What one client hears first; nothing when it is cut off.
async fn heard(address: String, says: String, is_slow: bool, begun: mpsc::Sender<()>) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(says.as_bytes()).await?;
    drop(begun);
    let mut tick = interval(PACE);
    let mut heard = Vec::new();
    loop {
        tokio::select! {
            read = stream.read_buf(&mut heard) => return read.map(|_| heard),
            _ = tick.tick(), if is_slow => stream.write_all(b"x").await?,
        }
    }
}
