//! How far a training is.

use indicatif::{ProgressBar, ProgressStyle};
use std::fmt;

/// A line that shows how far a training is: the epoch, the step, the last loss, steps a second, and the time that is left. Wants the feature
/// `progress`.
///
/// It is drawn on the standard error, and only if that is a terminal: in a file, a pipe or a service it is silent. What is printed
/// meanwhile goes through [`print`](Self::print), so that the line moves out of its way. It is removed when it is dropped.
///
/// # Examples
/// ```
/// use downhill::data::{DataLoader, TensorDataset};
/// use downhill::log::Progress;
/// use downhill::prelude::*;
///
/// let x = randn([100, 1])?;
/// let loader = DataLoader::new(TensorDataset::new((x.clone(), &x * 2.0))?).batch_size(10).shuffle(true);
/// let model = Linear::new(1, 1)?;
/// let mut optimizer = SGD::new(model.parameters(), SgdOptions { lr: 0.1, ..Default::default() })?;
///
/// let progress = Progress::new(3);
/// for epoch in 1..=3 {
///     for batch in progress.epoch(epoch, loader.iter()?) {
///         let (x, y) = batch?;
///         optimizer.zero_grad();
///         let loss = MSELoss::default().forward(&model.forward(&x)?, &y)?;
///         loss.backward()?;
///         optimizer.step()?;
///         progress.loss(loss.item()?);
///     }
///     progress.print(format!("epoch {epoch} is done"));
/// }
/// assert_eq!(progress.steps(), 30);
/// # Ok::<(), Error>(())
/// ```
///
/// # PyTorch
/// It has none; this has the place of [`tqdm`](https://tqdm.github.io).
#[doc(alias = "tqdm")]
pub struct Progress {
    bar: ProgressBar,
    epochs: u64,
}

impl fmt::Debug for Progress {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("epochs", &self.epochs)
            .field("steps", &self.steps())
            .finish_non_exhaustive()
    }
}

impl Progress {
    /// Of so many epochs.
    #[inline]
    pub fn new(epochs: usize) -> Self {
        Self::with_bar(epochs, ProgressBar::no_length())
    }

    /// As [`new`](Self::new), on a bar of one's own: one of several below each other, or of another terminal.
    #[inline]
    pub fn with_bar(epochs: usize, bar: ProgressBar) -> Self {
        let style = "{prefix}step {pos}/{len} {bar:25} {msg} {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: bar.with_style(style), epochs: epochs as u64 }
    }

    /// The steps of an epoch, counted from 1, which are counted as they come. How many steps are left of the training is told by how many
    /// this epoch has.
    #[inline]
    pub fn epoch<I: IntoIterator>(&self, epoch: usize, steps: I) -> impl Iterator<Item = I::Item> {
        let (steps, epoch) = (steps.into_iter(), epoch as u64);
        let (least, most) = steps.size_hint();
        let (n, left) = (most.unwrap_or(least) as u64, self.epochs.saturating_sub(epoch).saturating_add(1));
        self.bar.set_prefix(format!("epoch {epoch}/{} ", self.epochs));
        self.bar.set_length(self.steps().saturating_add(n.saturating_mul(left)));
        let bar = self.bar.clone();
        steps.inspect(move |_| bar.inc(1))
    }

    /// Shows this loss.
    #[inline]
    pub fn loss(&self, loss: f64) {
        self.bar.set_message(format!("loss {loss:.4},"));
    }

    /// Prints a line to the standard output, above the line that shows the progress.
    #[inline]
    pub fn print(&self, text: impl fmt::Display) {
        self.bar.suspend(|| println!("{text}"));
    }

    /// How many steps are done.
    #[inline]
    pub fn steps(&self) -> u64 {
        self.bar.position()
    }
}

impl Drop for Progress {
    #[inline]
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
