//! What memory allows: nothing that reads or writes as many bytes is faster.

use crate::work::LARGE;
use rayon::prelude::*;
use std::hint::black_box;

/// One pass over 64 MiB in each direction that the name says, and the bytes that it moves.
pub(crate) fn find(name: &str) -> Option<(Box<dyn FnMut()>, usize)> {
    let part = LARGE / rayon::current_num_threads();
    match name {
        "bounds/read" => {
            let source = vec![1.0_f32; LARGE];
            let sum = |part: &[f32]| {
                let mut lanes = [0.0_f32; 64];
                for chunk in part.chunks_exact(64) {
                    lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += x);
                }
                // All of them: what no one asks for would not be read.
                lanes.iter().sum::<f32>()
            };
            let pass = move || _ = black_box(source.par_chunks(part).map(sum).sum::<f32>());
            Some((Box::new(pass), 4 * LARGE))
        }
        "bounds/copy" => {
            let (source, mut target) = (vec![1.0_f32; LARGE], vec![0.0_f32; LARGE]);
            let pass = move || {
                let parts = target.par_chunks_mut(part).zip(source.par_chunks(part));
                parts.for_each(|(to, from)| to.copy_from_slice(from));
                black_box(&mut target);
            };
            Some((Box::new(pass), 8 * LARGE))
        }
        _ => None,
    }
}
