//! The connections of the server: how many there may be, and how long a client may take to say what it wants.
//!
//! A client that says nothing, or a byte now and then, costs a connection. Where there are as many as there may be,
//! the one that has waited longest for its client gives way, so that silent ones keep nobody out. One whose body is on
//! its way does not; it has its time.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body};
use futures::{StreamExt as _, stream};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

/// The most connections at a time, where the process may open so many files.
const MOST: usize = 2_048;
/// Pause after the system gave no connection, as when too many files are open.
const PAUSE: Duration = Duration::from_secs(1);

/// What clients may take of the server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// For the head of a request, and for the silence before it. Longer than the hosts and proxies in front of us
    /// keep a connection that they do not use, so that it is they who close it.
    pub head: Duration,
    /// For the body.
    pub body: Duration,
}

impl Limits {
    /// As they suit a process that may open so many files.
    pub fn of_this_process() -> Self {
        Self { connections: connections(), head: Duration::from_mins(2), body: Duration::from_secs(30) }
    }
}

/// How many leave as many open files for the records and for Azure. A process may often have more than it has at first;
/// then it takes them.
#[cfg(target_os = "linux")]
fn connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // What it has at first will do, too.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files / 2).unwrap_or(MOST).clamp(1, MOST)
}

#[cfg(not(target_os = "linux"))]
fn connections() -> usize {
    MOST
}

/// Serves until `stopping`, and then until what is being answered is answered.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stopping: CancellationToken,
) -> io::Result<()> {
    let server = Server { router, limits, stopping: stopping.clone(), waiting: Arc::default() };
    let tasks = TaskTracker::new();
    tokio::select! {
        () = server.accept(&listener, &tasks) => {}
        () = stopping.cancelled() => {}
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
    Ok(())
}

#[derive(Clone)]
struct Server {
    router: Router,
    limits: Limits,
    stopping: CancellationToken,
    waiting: Arc<Waiting>,
}

impl Server {
    async fn accept(&self, listener: &TcpListener, tasks: &TaskTracker) {
        let free = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let Some(permit) = self.permit(&free).await else { return };
                    let server = self.clone();
                    tasks.spawn(async move {
                        server.attend(stream).await;
                        drop(permit);
                    });
                }
                // The client's own affair.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::error!(%error, "a connection cannot be accepted; trying again");
                    self.waiting.cut_longest();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The right to one connection; if there is none left, that of the one which has waited longest.
    async fn permit(&self, free: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = free.clone().try_acquire_owned() {
            return Some(permit);
        }
        let mut is_cut = self.waiting.cut_longest();
        let permit = free.clone().acquire_owned();
        tokio::pin!(permit);
        loop {
            tokio::select! {
                permit = &mut permit => return permit.ok(),
                // All were being answered.
                () = self.waiting.begun.notified(), if !is_cut => is_cut = self.waiting.cut_longest(),
            }
        }
    }

    /// One connection to its end.
    async fn attend(&self, stream: TcpStream) {
        let cut = CancellationToken::new();
        let turn = Mutex::new(Some(self.waiting.begin(&cut)));
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let (turn, cut) = (&turn, &cut);
            async move {
                *lock(turn) = None;
                let request = request.map(|body| in_time(Body::new(body), self.limits.body));
                let response = self.router.clone().oneshot(request).await;
                *lock(turn) = Some(self.waiting.begin(cut));
                Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
            }
        });
        let mut http = http1::Builder::new();
        let http = http.timer(TokioTimer::new()).header_read_timeout(self.limits.head);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            // What a client breaks off is its own affair.
            _ = &mut connection => return,
            () = cut.cancelled() => return,
            () = self.stopping.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection => {}
            () = cut.cancelled() => {}
        }
    }
}

/// A body that breaks off when its time is over.
fn in_time(body: Body, time: Duration) -> Body {
    let until = Instant::now() + time;
    let chunks = stream::unfold(Some(body.into_data_stream()), move |chunks| async move {
        let mut chunks = chunks?;
        match timeout_at(until, chunks.next()).await {
            Ok(chunk) => Some((chunk?.map_err(io::Error::other), Some(chunks))),
            Err(late) => Some((Err(late.into()), None)),
        }
    });
    Body::from_stream(chunks)
}

/// The connections that wait for their clients, in the order in which they began to.
#[derive(Default)]
struct Waiting {
    turns: Mutex<Turns>,
    /// Told whenever one begins to wait.
    begun: Notify,
}

#[derive(Default)]
struct Turns {
    last: u64,
    /// How each is cut off.
    waiting: BTreeMap<u64, CancellationToken>,
}

impl Waiting {
    fn begin(self: &Arc<Self>, cut: &CancellationToken) -> Turn {
        let mut turns = lock(&self.turns);
        turns.last += 1;
        let turn = turns.last;
        turns.waiting.insert(turn, cut.clone());
        drop(turns);
        self.begun.notify_one();
        Turn { waiting: self.clone(), turn }
    }

    /// Cuts off the connection that has waited longest; `false`: all are being answered.
    fn cut_longest(&self) -> bool {
        lock(&self.turns).waiting.pop_first().map(|(_, cut)| cut.cancel()).is_some()
    }
}

/// Waiting for a client, until this is dropped.
struct Turn {
    waiting: Arc<Waiting>,
    turn: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.waiting.turns).waiting.remove(&self.turn);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        task::JoinHandle,
    };

    use super::*;

    const LONG: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(50);

    struct Bed {
        listening: std::net::SocketAddr,
        /// Told by `GET /slow`, which then waits for the other.
        asked: Arc<Notify>,
        slow: Arc<Notify>,
        stopping: CancellationToken,
        server: JoinHandle<io::Result<()>>,
    }

    impl Bed {
        async fn start(connections: usize, head: Duration, body: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let listening = listener.local_addr().unwrap();
            let (asked, slow): (Arc<Notify>, Arc<Notify>) = Default::default();
            let (told, wait) = (asked.clone(), slow.clone());
            let stopping = CancellationToken::new();
            let router = Router::new()
                .route("/", get(|| async { "here" }))
                .route(
                    "/slow",
                    get(async move || {
                        told.notify_one();
                        wait.notified().await;
                    }),
                )
                .route("/body", post(|body: String| async { body }));
            let limits = Limits { connections, head, body };
            let server = tokio::spawn(serve(listener, router, limits, stopping.clone()));
            Self { listening, asked, slow, stopping, server }
        }

        async fn client(&self, says: &str) -> TcpStream {
            let mut client = TcpStream::connect(self.listening).await.unwrap();
            client.write_all(says.as_bytes()).await.unwrap();
            client
        }
    }

    /// What a client hears until it is cut off.
    async fn heard(mut client: TcpStream) -> String {
        let mut bytes = Vec::new();
        // A reset is an end, too.
        let _ = client.read_to_end(&mut bytes).await;
        String::from_utf8(bytes).unwrap()
    }

    async fn hears(client: &mut TcpStream, wished: &str) {
        let mut bytes = vec![0; wished.len()];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), wished);
    }

    #[tokio::test]
    async fn who_does_not_say_what_it_wants_is_cut_off() {
        let bed = Bed::start(10, SHORT, LONG).await;
        for says in ["", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
            assert_eq!(heard(bed.client(says).await).await, "", "{says}");
        }
        let kept = heard(bed.client("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
        assert!(kept.ends_with("here"), "{kept}");
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_in_time_breaks_off() {
        let bed = Bed::start(10, LONG, SHORT).await;
        let head = "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n";
        let late = heard(bed.client(&format!("{head}\r\nhalf")).await).await;
        assert!(late.starts_with("HTTP/1.1 400"), "{late}");
        let whole = heard(bed.client(&format!("{head}connection: close\r\n\r\nwhole")).await).await;
        assert!(whole.ends_with("whole"), "{whole}");
    }

    #[tokio::test]
    async fn where_there_are_too_many_the_one_that_waited_longest_gives_way() {
        let bed = Bed::start(2, LONG, LONG).await;
        let first = bed.client("GET / HTTP/1.1\r\n").await;
        let mut second = bed.client("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        hears(&mut second, "HTTP/1.1 200 OK").await;
        let third = bed.client("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(heard(third).await.ends_with("here"));
        assert_eq!(heard(first).await, "");
        second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        assert_eq!(heard(second).await.matches("here").count(), 2);
    }

    #[tokio::test]
    async fn who_is_being_answered_does_not_give_way() {
        let bed = Bed::start(1, LONG, LONG).await;
        let first = bed.client("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        bed.asked.notified().await;
        let second = bed.client("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        // Until it has been accepted, and has met that there is no room.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        bed.slow.notify_one();
        assert!(heard(second).await.ends_with("here"));
        assert!(heard(first).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_stop_lets_what_is_being_answered_be_answered() {
        let bed = Bed::start(10, LONG, LONG).await;
        let silent = bed.client("").await;
        let mut busy = bed.client("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        hears(&mut busy, "HTTP/1.1 200 OK").await;
        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        bed.asked.notified().await;
        bed.stopping.cancel();
        assert_eq!(heard(silent).await, "");
        bed.slow.notify_one();
        assert!(heard(busy).await.contains("HTTP/1.1 200"));
        bed.server.await.unwrap().unwrap();
    }
}
