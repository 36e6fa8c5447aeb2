//! Compiles a loop several times, once per vector unit, and picks the widest at run time.
//!
//! Rust neither reorders floating-point operations nor contracts `a * b + c`, and `mul_add` rounds once
//! whether it is an instruction or a library call, so every version computes the same bits.
#![allow(
    unsafe_code,
    reason = "calling a function compiled for more features than the crate needs the caller's proof"
)]
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "other processors have one level here"))]

use crate::dtype::Element;

/// A vector unit a loop is compiled for, narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The features that every processor of the target has: SSE2 on x86-64, NEON on arm64.
    Baseline,
    /// AVX2 with fused multiply-add: 8 `f32` lanes.
    Avx2,
    /// AVX-512 F, VL, BW and DQ: 16 `f32` lanes.
    Avx512,
}

/// The widest level this processor has; one atomic load after the first call.
pub(crate) fn detected() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        static LEVEL: std::sync::LazyLock<Level> = std::sync::LazyLock::new(|| {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq");
            match (avx2, avx512) {
                (true, true) => Level::Avx512,
                (true, false) => Level::Avx2,
                (false, _) => Level::Baseline,
            }
        });
        *LEVEL
    }
    #[cfg(not(target_arch = "x86_64"))]
    Level::Baseline
}

#[cfg(not(test))]
#[inline]
fn level() -> Level {
    detected()
}

#[cfg(test)]
fn level() -> Level {
    forced::LIMIT.get().min(detected())
}

/// Runs `f` compiled for the widest vector unit of this processor. Call it through [`vectorize!`].
#[inline]
pub(crate) fn dispatch<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
        fn avx512<R>(f: impl FnOnce() -> R) -> R {
            f()
        }

        #[target_feature(enable = "avx2,fma")]
        fn avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }

        match level() {
            // SAFETY: `level` never exceeds `detected`, which saw each of these features on this processor.
            Level::Avx512 => return unsafe { avx512(f) },
            // SAFETY: as above.
            Level::Avx2 => return unsafe { avx2(f) },
            Level::Baseline => {}
        }
    }
    f()
}

/// [`dispatch`] to AVX2 at most, for loops that gain little from wider vectors: each version of a loop is a third of its build time.
#[inline]
pub(crate) fn dispatch_to_avx2<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }

        if level() >= Level::Avx2 {
            // SAFETY: `level` never exceeds `detected`, which saw each of these features on this processor.
            return unsafe { avx2(f) };
        }
    }
    f()
}

/// `vectorize!(expr)` evaluates `expr` compiled for the widest vector unit; `vectorize!(T: expr)` knows the type that the
/// loop computes in: wider than AVX2 only for `f32`; `vectorize!(memory: expr)` is for what waits for memory: never wider.
///
/// `#[inline(always)]` is the reason it is a macro: without it LLVM outlines a body too large to copy three
/// times, silently and for the baseline. Functions the body calls must be `#[inline(always)]` for the same reason.
macro_rules! vectorize {
    (memory: $body:expr) => {
        $crate::kernel::simd::dispatch_to_avx2(
            #[inline(always)]
            || $body,
        )
    };
    ($type:ident: $body:expr) => {
        if const { size_of::<$type>() == 4 } {
            $crate::kernel::simd::vectorize!($body)
        } else {
            $crate::kernel::simd::vectorize!(memory: $body)
        }
    };
    ($body:expr) => {
        $crate::kernel::simd::dispatch(
            #[inline(always)]
            || $body,
        )
    };
}
pub(crate) use vectorize;

/// `inlined!(|x| …)` is a closure that is inlined wherever it is called, and so compiled for the vector unit of the loop around it. Left
/// to itself the compiler calls larger ones, which are compiled for every processor of the target.
///
/// ```
/// use downhill::kernels::{inlined, map};
/// let mut out = [0.0_f32; 2];
/// map([&[3.0, 4.0]], &mut out, inlined!(|[x]| x * x));
/// assert_eq!(out, [9.0, 16.0]);
/// ```
#[macro_export]
macro_rules! inlined {
    ($closure:expr) => {
        #[inline(always)]
        $closure
    };
}
pub use inlined;

/// Prefetches `n` elements from `start` on, as far as there are any. The processor by itself reads ahead no further than a page.
#[inline(always)]
pub(crate) fn fetch<T: Element>(x: &[T], start: usize, n: usize) {
    let next = &x[start.min(x.len())..(start + n).min(x.len())];
    #[cfg(target_arch = "x86_64")]
    for line in next.chunks(64 / size_of::<T>()) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = next;
}

/// Non-temporal (streaming) stores, which bypass the caches: a line that is overwritten as a whole need not be read first.
///
/// Such stores are weakly ordered; dropping this makes them visible to other threads, like any other store.
#[derive(Debug)]
pub(crate) struct StreamingStores(());

impl StreamingStores {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Copies `from` to `to`, which have one length.
    #[inline(always)]
    #[allow(clippy::unused_self, reason = "whoever copies must drop this afterwards")]
    pub(crate) fn copy<T: Element>(&self, from: &[T], to: &mut [T]) {
        assert_eq!(from.len(), to.len(), "the caller has cut both alike");
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{__m128i, __m512i, _mm_loadu_si128, _mm_stream_si128};
            let lines = size_of_val(from) / size_of::<__m512i>();
            let whole = lines * size_of::<__m512i>() == size_of_val(from);
            if whole && to.as_ptr().cast::<__m512i>().is_aligned() && level() == Level::Avx512 {
                // SAFETY: both slices are `lines` vectors long, `to` is aligned to them, and elements have no padding.
                // `level` never exceeds `detected`, which saw AVX-512 on this processor.
                unsafe { copy_lines(from.as_ptr().cast(), to.as_mut_ptr().cast(), lines) };
                return;
            }
            let vectors = size_of_val(from) / size_of::<__m128i>();
            let whole = vectors * size_of::<__m128i>() == size_of_val(from);
            if whole && to.as_ptr().cast::<__m128i>().is_aligned() {
                let (from, to) = (from.as_ptr().cast::<__m128i>(), to.as_mut_ptr().cast::<__m128i>());
                for i in 0..vectors {
                    // SAFETY: both slices are `vectors` vectors long, `to` is aligned to them, and elements have no
                    // padding. SSE2 is part of x86-64.
                    unsafe { _mm_stream_si128(to.add(i), _mm_loadu_si128(from.add(i))) };
                }
                return;
            }
        }
        to.copy_from_slice(from);
    }
}

/// [`StreamingStores::copy`] of whole lines of the caches.
///
/// # Safety
/// `from` and `to` are `lines` vectors long, and `to` is aligned.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn copy_lines(
    from: *const std::arch::x86_64::__m512i,
    to: *mut std::arch::x86_64::__m512i,
    lines: usize,
) {
    use std::arch::x86_64::{_mm512_loadu_si512, _mm512_stream_si512};
    for i in 0..lines {
        // SAFETY: `i` is below the length that the caller vouches for.
        unsafe { _mm512_stream_si512(to.add(i), _mm512_loadu_si512(from.add(i))) };
    }
}

impl Drop for StreamingStores {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE is part of x86-64.
        unsafe {
            std::arch::x86_64::_mm_sfence();
        }
    }
}

/// Holds [`dispatch`] to a narrower level, on this thread, in tests.
#[cfg(test)]
pub(crate) mod forced {
    use super::{Level, detected};
    use std::cell::Cell;

    thread_local! {
        pub(super) static LIMIT: Cell<Level> = const { Cell::new(Level::Avx512) };
    }

    /// Runs `f` with [`super::dispatch`] held to at most `level` on this thread.
    pub(crate) fn at_most<R>(level: Level, f: impl FnOnce() -> R) -> R {
        struct Restore(Level);
        impl Drop for Restore {
            fn drop(&mut self) {
                LIMIT.set(self.0);
            }
        }
        let _restore = Restore(LIMIT.replace(level));
        f()
    }

    /// The levels this processor can run, narrowest first.
    pub(crate) fn levels() -> impl Iterator<Item = Level> {
        [Level::Baseline, Level::Avx2, Level::Avx512].into_iter().filter(|&l| l <= detected())
    }
}

#[cfg(test)]
mod tests {
    use super::forced::{at_most, levels};
    use super::*;

    /// A map with a contracted and an uncontracted product, and a sum over fixed lanes.
    fn map_and_sum(x: &[f32], out: &mut [f32]) -> f64 {
        vectorize!({
            let mut lanes = [0.0_f64; 16];
            for (o, x) in out.chunks_exact_mut(16).zip(x.chunks_exact(16)) {
                for ((o, &x), lane) in o.iter_mut().zip(x).zip(&mut lanes) {
                    *o = x.mul_add(x, 0.1).sqrt() * x + 1.0 / (x + 3.0);
                    *lane += f64::from(*o);
                }
            }
            lanes.iter().sum()
        })
    }

    #[test]
    fn every_level_computes_the_same_bits() {
        let x: Vec<f32> = (0_u16..4096).map(|i| (f32::from(i) * 0.7).sin() * 2.5).collect();
        let run = |level| {
            let mut out = vec![0.0; x.len()];
            let sum = at_most(level, || map_and_sum(&x, &mut out));
            (out.into_iter().map(f32::to_bits).collect::<Vec<_>>(), sum.to_bits())
        };
        let baseline = run(Level::Baseline);
        for level in levels() {
            assert!(run(level) == baseline, "{level:?} differs from the baseline");
        }
    }

    #[test]
    fn copies_past_the_caches_are_copies() {
        let from: Vec<f64> = (0..1000).map(f64::from).collect();
        for range in [0..1000, 0..2, 1..1000, 3..4, 5..5] {
            let mut to = vec![0.0; 1000];
            let past = StreamingStores::new();
            past.copy(&from[range.clone()], &mut to[range.clone()]);
            drop(past);
            assert!((0..1000).all(|i| to[i] == if range.contains(&i) { from[i] } else { 0.0 }), "{range:?}");
        }
    }

    #[test]
    fn a_forced_level_ends_with_its_closure() {
        at_most(Level::Baseline, || assert_eq!(level(), Level::Baseline));
        assert_eq!(level(), detected());
    }
}
