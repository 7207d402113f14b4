//! What many who ask at the same time have read once.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Mutex;

/// The last that was read. Nobody gets what was begun before they asked.
#[derive(Debug)]
pub(super) struct Shared<T> {
    /// How many were begun. Who asks while one is read waits for the next one, and shares it.
    begun: AtomicU64,
    /// The number of the last that was read.
    last: Mutex<Option<(u64, Arc<T>)>>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { begun: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T> Shared<T> {
    /// What `read` gives, or what another's gave that was begun after this was called.
    pub(super) async fn get<E>(&self, read: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        let begun = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some((number, value)) = &*last
            && *number > begun
        {
            return Ok(value.clone());
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let value = Arc::new(read.await?);
        *last = Some((number, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, convert::Infallible};

    use futures::future::{join, join_all};
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn who_asks_while_one_is_read_shares_the_next_one() {
        let (shared, gate, reads) = (Shared::default(), Notify::new(), Cell::new(0));
        let ask = || {
            shared.get(async {
                reads.set(reads.get() + 1);
                gate.notified().await;
                Ok::<_, Infallible>(reads.get())
            })
        };
        let open = async {
            // All have asked by now.
            gate.notify_one();
            tokio::task::yield_now().await;
            gate.notify_one();
        };
        let (told, ()) = join(join_all((0..5).map(|_| ask())), open).await;
        let told: Vec<i32> = told.into_iter().map(|told| *told.unwrap()).collect();
        assert_eq!(told, [1, 2, 2, 2, 2], "what the first one reads was begun before the others asked");
        gate.notify_one();
        assert_eq!(*ask().await.unwrap(), 3, "nobody gets what was begun before");
    }

    #[tokio::test]
    async fn who_shared_nothing_because_it_failed_reads_for_themselves() {
        let shared = Shared::default();
        assert_eq!(shared.get(async { Err("down") }).await, Err("down"));
        assert_eq!(*shared.get(async { Ok::<_, &str>(7) }).await.unwrap(), 7);
    }
}
