//! A loss of your own: two formulas, and it is fused, parallel, reduced and twice differentiable like the others.
use downhill::nn::loss::{Loss, Pointwise, Reduction, pointwise};
use downhill::real::Real;
use downhill::{Result, Tensor, check, randn};

/// Quantile regression: a prediction that is too low costs `q` a unit, one that is too high `1 − q`. What minimises it
/// is the value that a share `q` of the targets stays below (Koenker and Bassett, *Regression Quantiles*, 1978).
#[derive(Clone)]
struct QuantileLoss {
    q: f64,
    reduction: Reduction,
}

impl Pointwise<2> for QuantileLoss {
    const OP: &'static str = "quantile_loss";
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        let d = t - x;
        (R::lit(self.q) * d.clone()).max(R::lit(self.q - 1.0) * d)
    }
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        let slope = R::select(x.lt(&t), R::lit(-self.q), R::lit(1.0 - self.q));
        [slope.clone(), -slope]
    }
}

impl Loss for QuantileLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        pointwise(self, [input, target], self.reduction)
    }
}

fn main() -> Result<()> {
    downhill::random::manual_seed(0);
    let criterion = QuantileLoss { q: 0.9, reduction: Reduction::Mean };

    // Its gradient and second derivative, by finite differences.
    let x = [Tensor::from([0.3, -1.2, 2.0]).requires_grad_()?];
    let t = Tensor::from([0.0, 0.5, 4.0]);
    check::gradcheck(|x| criterion.forward(&x[0], &t), &x)?;
    check::gradgradcheck(|x| criterion.forward(&x[0], &t), &x)?;
    println!("derivatives agree with differences");

    // One number that 9 of 10 standard normal numbers stay below: 1.28.
    let targets = randn([10_000])?;
    let mut guess = Tensor::from(0.0_f32).requires_grad_()?;
    for step in 0..400 {
        let loss = criterion.forward(&guess, &targets)?;
        if step % 100 == 0 {
            println!("step {step:3}: guess {:.4}, loss {:.4}", guess.item::<f32>()?, loss.item::<f32>()?);
        }
        loss.backward()?;
        let slope = guess.grad().expect("filled by backward");
        guess = (guess.detach() - slope * 0.5).requires_grad_()?;
    }
    let below = targets.lt(&guess)?.sum().item::<f64>()? / targets.numel() as f64;
    println!("learned {:.4}; {:.1} % of the targets are below", guess.item::<f32>()?, 100.0 * below);
    Ok(())
}
