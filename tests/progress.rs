//! What a terminal shows of a training.

use downhill::log::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, TermLike};
use std::io;
use std::sync::{Arc, Mutex};

/// A terminal that keeps what is written.
#[derive(Clone, Debug, Default)]
struct Paper(Arc<Mutex<String>>);

impl TermLike for Paper {
    fn width(&self) -> u16 {
        100
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap().push_str(text);
        Ok(())
    }
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_terminal_sees_epoch_step_loss_rate_and_what_is_left() {
    let paper = Paper::default();
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(paper.clone()), 255);
    let bar = ProgressBar::with_draw_target(None, target);
    // A training that is resumed in its second epoch.
    let progress = Progress::with_bar(3, bar.clone());
    for epoch in 2..=3 {
        for i in progress.epoch(epoch, 0..4) {
            progress.loss(f64::from(i));
            bar.force_draw();
        }
    }
    assert_eq!(progress.steps(), 8);
    let text = paper.0.lock().unwrap().clone();
    for part in ["epoch 2/3 step 1/8", "epoch 3/3 step 8/8", "loss 3.0000,", "/s, ", " left"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}
