//! Threads that load batches ahead.

use crate::{Batch, Dataset, Error, Result};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Batches that each thread has under way or done, so that none waits for who takes them.
const AHEAD: usize = 2;

/// A batch to load, and where it goes: results wait in the order in which they were asked for, whoever is first.
struct Task<B> {
    indices: Vec<usize>,
    result: SyncSender<Result<B>>,
}

/// The threads of one epoch.
pub(crate) struct Workers<B> {
    /// Gone when they have to stop.
    tasks: Option<Sender<Task<B>>>,
    coming: VecDeque<Receiver<Result<B>>>,
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts the threads of an epoch.
#[inline]
pub(crate) fn start<D>(dataset: &Arc<D>, n: usize) -> Result<Workers<Batch<D>>>
where
    D: Dataset + Send + Sync + 'static,
    Batch<D>: Send + 'static,
{
    let (sender, tasks) = channel();
    let (tasks, stopped) = (Arc::new(Mutex::new(tasks)), Arc::new(AtomicBool::new(false)));
    let mut workers = Workers { tasks: Some(sender), coming: VecDeque::new(), stopped, threads: Vec::new() };
    for i in 0..n {
        let (dataset, tasks, stopped) = (dataset.clone(), tasks.clone(), workers.stopped.clone());
        let load = move || work(&*dataset, &tasks, &stopped);
        workers.threads.push(Builder::new().name(format!("loader {i}")).spawn(load)?);
    }
    Ok(workers)
}

impl<B> Workers<B> {
    /// The next batch, after as many more have been asked for as may be under way.
    #[inline]
    pub(crate) fn next(&mut self, order: &mut impl Iterator<Item = Result<Vec<usize>>>) -> Option<Result<B>> {
        while self.coming.len() < AHEAD * self.threads.len() {
            let Some(indices) = order.next() else { break };
            let (result, coming) = sync_channel(1);
            self.coming.push_back(coming);
            // Where it cannot be sent, nothing will come.
            let _ = match (indices, &self.tasks) {
                (Ok(indices), Some(tasks)) => tasks.send(Task { indices, result }).is_ok(),
                (Ok(_), None) => false,
                (Err(error), _) => result.send(Err(error)).is_ok(),
            };
        }
        let lost = || Error::Panic { message: "the thread ended".into() };
        self.coming.pop_front().map(|coming| coming.recv().unwrap_or_else(|_| Err(lost())))
    }
}

/// Loads one batch after the other until there are no more tasks, or nobody waits for them.
#[inline]
fn work<D: Dataset>(dataset: &D, tasks: &Mutex<Receiver<Task<Batch<D>>>>, stopped: &AtomicBool) {
    loop {
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Task { indices, result }) = task else { return };
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        let batch = catch_unwind(AssertUnwindSafe(|| dataset.batch(&indices)));
        // Nobody receives it after the epoch was dropped.
        let _ = result.send(batch.unwrap_or_else(|panic| Err(Error::Panic { message: text(&*panic) })));
    }
}

#[inline]
fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(|text| &text[..]));
    text.unwrap_or("it says no more").into()
}

impl<B> Drop for Workers<B> {
    #[inline]
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.tasks = None;
        for thread in self.threads.drain(..) {
            // It catches panics, and has nothing else to say.
            let _ = thread.join();
        }
    }
}
