//! What many who ask at the same time have read once.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Mutex;

/// The last that was read, or why it could not be. Nobody gets what was begun before they asked.
#[derive(Debug)]
pub(super) struct Shared<T, E> {
    /// How many were begun. Who asks while one is read waits for the next one, and shares it.
    begun: AtomicU64,
    /// The number of the last one, and what came of it.
    last: Mutex<Option<(u64, Told<T, E>)>>,
}

type Told<T, E> = Result<Arc<T>, Arc<E>>;

impl<T, E> Default for Shared<T, E> {
    fn default() -> Self {
        Self { begun: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T, E> Shared<T, E> {
    /// What `read` gives, or what another's gave that was begun after this was called. A failure is shared as well: it
    /// may have taken long, and who waited for it would wait as long again.
    pub(super) async fn get(&self, read: impl Future<Output = Result<T, E>>) -> Told<T, E> {
        let begun = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some((number, told)) = &*last
            && *number > begun
        {
            return told.clone();
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let told = read.await.map(Arc::new).map_err(Arc::new);
        *last = Some((number, told.clone()));
        told
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::future::{join, join_all};
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn who_asks_while_one_is_read_shares_the_next_one_even_if_that_fails() {
        for fails in [false, true] {
            let (shared, gate, reads) = (Shared::default(), Notify::new(), Cell::new(0));
            let ask = async || {
                let read = async {
                    reads.set(reads.get() + 1);
                    if reads.get() < 3 {
                        gate.notified().await;
                    }
                    if fails { Err(reads.get()) } else { Ok(reads.get()) }
                };
                let told = shared.get(read).await;
                assert_eq!(told.is_err(), fails);
                *told.unwrap_or_else(|failed| failed)
            };
            let open = async {
                // All have asked by now.
                gate.notify_one();
                tokio::task::yield_now().await;
                gate.notify_one();
            };
            let (told, ()) = join(join_all((0..5).map(|_| ask())), open).await;
            assert_eq!(told, [1, 2, 2, 2, 2], "what the first one reads was begun before the others asked");
            assert_eq!(ask().await, 3, "nobody gets what was begun before");
        }
    }
}
