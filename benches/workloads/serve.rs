//! A network that serves requests from several threads of the user's at once: how long one takes, and how many there are in a second.

use crate::Outcome;
use crate::inputs::normals;
use crate::work::{magnitude, network};
use downhill::prelude::*;
use std::fmt::Write;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// How many threads call the network at once.
const USERS: [usize; 3] = [1, 2, 8];

/// What requests take while so many threads make them.
pub(crate) struct Served {
    users: usize,
    /// All latencies in ns, in order.
    latencies: Vec<f64>,
    /// Requests in a second.
    rate: f64,
}

impl Served {
    /// The latency that this part of the requests does not exceed.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        self.latencies[((self.latencies.len() - 1) as f64 * part) as usize]
    }

    pub(crate) fn requests(&self) -> usize {
        self.latencies.len()
    }
}

/// What JSON says of them.
pub(crate) fn json(all: &[Served]) -> Outcome<String> {
    let mut text = String::new();
    for (i, of) in all.iter().enumerate() {
        let (users, median, late, rate) = (of.users, of.quantile(0.5), of.quantile(0.99), of.rate);
        let comma = if i == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"users":{users},"median_ns":{median:.0},"p99_ns":{late:.0},"per_s":{rate:.1}}}"#
        )?;
    }
    Ok(text)
}

/// Requests of so many rows to a network of 784-256-128-10, without gradients; and Σ|x| of a result.
pub(crate) fn serve(rows: usize) -> Outcome<(Vec<Served>, f64)> {
    let seconds: f64 = std::env::var("BENCH_SECS").map_or(Ok(1.0), |text| text.parse())?;
    let (model, x) = (network(&[784, 256, 128, 10])?, normals(1, [rows, 784], 1.0)?);
    let checksum = magnitude(&no_grad(|| model.forward(&x))?)?;
    let served = USERS.map(|users| at_once(&model, &x, users, Duration::from_secs_f64(seconds)));
    Ok((served.into_iter().collect::<Result<_>>()?, checksum))
}

fn at_once(model: &Sequential, x: &Tensor, users: usize, time: Duration) -> Result<Served> {
    let barrier = Barrier::new(users);
    let user = || -> Result<(Vec<f64>, Duration)> {
        no_grad(|| {
            // A fifth of the time to warm up.
            barrier.wait();
            let start = Instant::now();
            while start.elapsed() < time / 5 {
                model.forward(x)?;
            }
            let (mut latencies, start) = (Vec::new(), Instant::now());
            while latencies.is_empty() || start.elapsed() < time {
                let request = Instant::now();
                std::hint::black_box(model.forward(x)?);
                latencies.push(request.elapsed().as_nanos() as f64);
            }
            Ok((latencies, start.elapsed()))
        })
    };
    let (mut latencies, mut rate) = (Vec::new(), 0.0);
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..users).map(|_| scope.spawn(user)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    for of in done {
        let (more, took) = of?;
        rate += more.len() as f64 / took.as_secs_f64();
        latencies.extend(more);
    }
    latencies.sort_by(f64::total_cmp);
    Ok(Served { users, latencies, rate })
}
