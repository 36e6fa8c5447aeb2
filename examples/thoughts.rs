//! Why no explicit softmax: it keeps the order of the logits, and `CrossEntropyLoss` applies it itself.
use downhill::prelude::*;
use functional::{cross_entropy, nll_loss};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manual_seed(std::env::args().nth(1).map_or(Ok(0), |s| s.parse::<i128>())? as u64);

    let logits = Linear::new(2, 3)?.forward(&randn([10, 2])?)?.detach();
    let y = Tensor::from([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    let probs = logits.softmax(1)?;
    let squashed = logits.sigmoid();
    println!("{logits}");
    println!("{probs}");
    println!("{}", probs.sum_dim(1, false)?);
    println!("{squashed}");
    println!("{}", squashed.sum_dim(1, false)?);
    let best = logits.argmax(1, false)?;
    println!("{best}");
    let same = |x: &Tensor| Ok::<_, Error>(if x.argmax(1, false)? == best { "True" } else { "False" });
    println!("{} {}", same(&probs)?, same(&squashed)?);
    println!("accuracy: {:?}", best.eq(&y)?.to_dtype(DType::F32).mean()?.item::<f64>()?);
    println!("cross_entropy: {:?}", cross_entropy(&logits, &y)?.item::<f64>()?);
    println!("nll of log_softmax: {:?}", nll_loss(&logits.log_softmax(1)?, &y)?.item::<f64>()?);
    let chosen = probs.index(&[arange(0, 10, 1)?, y])?;
    println!("by hand: {:?}", chosen.log().mean()?.neg()?.item::<f64>()?);
    Ok(())
}
