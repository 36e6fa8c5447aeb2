//! What would take more memory than there is: an error or, where none can be returned, a panic with its text; and nothing has changed.
//! One test, because the counters are of the whole process.

use downhill_tensor::random::Generator;
use downhill_tensor::{DType, Error, Result, Tensor, memory};
use std::panic::{AssertUnwindSafe, catch_unwind};

const HUGE: usize = 1 << 40;

/// A view of one number, so often.
fn view(times: usize) -> Result<Tensor> {
    Tensor::from([1.5_f32]).requires_grad_()?.expand([times])
}

fn refused<T>(what: &str, call: impl FnOnce() -> Result<T>) {
    match call() {
        Ok(_) => panic!("{what}: there is no such memory"),
        Err(Error::Memory { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
    }
}

fn panics<T>(call: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(call)).err().expect("there is no such memory");
    payload.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn what_is_larger_than_memory_is_refused_and_changes_nothing() -> Result<()> {
    let kept = downhill_tensor::zeros([1 << 20])?;
    drop(downhill_tensor::zeros([1 << 18])?);
    let before = memory::stats();
    assert!(before.cached > 0 && before.live == kept.numel() * 4, "{before:?}");

    let error = downhill_tensor::zeros([HUGE]).unwrap_err();
    let text = "zeros: cannot allocate 4398046511104 bytes for a tensor of shape [1099511627776]";
    assert_eq!(error.to_string(), text);
    let error = memory::vec("op", 0_i64, HUGE).unwrap_err();
    assert_eq!(error.to_string(), "op: cannot allocate 8796093022208 bytes");

    // The sizes at which bytes, shelves of the pool and isize end.
    for bits in [40, 44, 49, 50, 51, 52, 53, 57] {
        for size in [(1_usize << bits) - 1, 1 << bits, (1 << bits) + 1] {
            refused("zeros", || downhill_tensor::zeros([size]));
            refused("full", || downhill_tensor::full([size], true));
            refused("build", || Tensor::build([1, size], |_: &mut [f64]| ()));
            refused("sum_dim", || downhill_tensor::zeros([size, 0])?.sum_dim(1, false));
            refused("unbind", || view(size)?.unbind(0));
        }
    }
    refused("eye", || downhill_tensor::eye(1 << 25));
    refused("arange", || downhill_tensor::arange(0.0, 1.0, 1e-15));
    refused("arange", || downhill_tensor::arange(0, 1_i64 << 40, 1));
    refused("linspace", || downhill_tensor::linspace(0.0, 1.0, HUGE));
    refused("rand", || downhill_tensor::rand([HUGE]));
    refused("randn", || downhill_tensor::randn([HUGE]));
    refused("randint", || downhill_tensor::randint(0, 10, [HUGE]));
    refused("randperm", || downhill_tensor::randperm(HUGE));
    refused("bernoulli", || downhill_tensor::bernoulli(&view(HUGE)?));
    refused("one_hot", || Tensor::from([1]).one_hot(HUGE));
    refused("repeat", || Tensor::from([1]).repeat(&[HUGE]));
    refused("repeat_interleave", || Tensor::from([1]).repeat_interleave(HUGE, 0));
    let empty = downhill_tensor::zeros([1 << 25, 0])?;
    refused("mm", || empty.mm(&empty.t()?));
    refused("bmm", || empty.unsqueeze(0)?.bmm(&empty.t()?.unsqueeze(0)?));
    refused("matmul", || empty.expand([1 << 30, 1 << 25, 0])?.matmul(&downhill_tensor::zeros([0])?));
    refused("linear", || empty.linear(&empty, &Tensor::from([0.0_f32])));
    for (what, parts) in [
        ("split", view(HUGE)?.split(1, 0)),
        ("chunk", view(HUGE)?.chunk(HUGE, 0)),
        ("chunk", downhill_tensor::zeros([0])?.chunk(HUGE, 0)),
        ("unbind", downhill_tensor::zeros([HUGE, 0])?.unbind(0)),
    ] {
        refused(what, || parts);
    }

    // Whatever computes from a view that repeats one element.
    type Operation = fn(&Tensor) -> Result<Tensor>;
    let operations: [(&str, Operation); 25] = [
        ("try_contiguous", Tensor::try_contiguous),
        ("try_exp", Tensor::try_exp),
        ("try_relu", Tensor::try_relu),
        ("try_isnan", Tensor::try_isnan),
        ("try_nonzero", Tensor::try_nonzero),
        ("try_zeros_like", Tensor::try_zeros_like),
        ("try_to_dtype", |x| x.try_to_dtype(DType::F64)),
        ("neg", Tensor::neg),
        ("add", |x| x.add(x)),
        ("mul", |x| x.mul(2.0)),
        ("pow", |x| x.pow(3.0)),
        ("eq", |x| x.eq(x)),
        ("where", |x| Tensor::where_(&Tensor::from(true), x, 0.0)),
        ("clamp", |x| x.clamp(0.0, 1.0)),
        ("masked_select", |x| x.masked_select(&Tensor::from([true]))),
        ("softmax", |x| x.softmax(0)),
        ("cumsum", |x| x.cumsum(0)),
        ("sort", |x| Ok(x.sort(0, false)?.0)),
        ("median", Tensor::median),
        ("std", Tensor::std),
        ("flip", |x| x.flip(0)),
        ("cat", |x| Tensor::cat(&[x, x], 0)),
        ("reshape", |_| Tensor::from([1, 2]).expand([HUGE, 2])?.reshape([2 * HUGE])),
        ("tril", |x| x.unsqueeze(0)?.tril(0)),
        ("to_vec", |x| x.to_vec::<f32>().map(Tensor::from)),
    ];
    for (what, operation) in operations {
        let x = view(HUGE)?;
        refused(what, || operation(&x));
    }

    // What cannot return an error panics with its text.
    let text =
        |op| format!("{op}: cannot allocate 4398046511104 bytes for a tensor of shape [1099511627776]");
    let x = view(HUGE)?;
    assert_eq!(panics(|| x.contiguous()), text("contiguous"));
    assert_eq!(panics(|| x.exp()), text("exp"));
    assert_eq!(panics(|| &x + 1.0), text("add"));
    assert_eq!(panics(|| x.ones_like()), text("ones_like"));

    // A derivative without memory: the leaf has no gradient, as before.
    let leaf = Tensor::from([2.0_f32]).requires_grad_()?;
    refused("backward", || leaf.expand([HUGE])?.amax(0, false)?.backward());
    assert!(leaf.grad().is_none());
    // A draw without memory draws nothing.
    let mut generator = Generator::seeded(3);
    refused("randn", || generator.randn([HUGE], DType::F32));
    assert_eq!(generator, Generator::seeded(3));

    // So many products of nothing are nothing.
    let (a, b) = (downhill_tensor::zeros([HUGE, 0, 3])?, downhill_tensor::zeros([HUGE, 3, 0])?);
    assert_eq!(a.bmm(&b)?.shape(), &[HUGE, 0, 0]);

    // What reads a part of a large view needs memory for the part alone.
    assert_eq!(view(HUGE)?.index_select(0, &Tensor::from([0]))?.detach(), Tensor::from([1.5_f32]));

    assert_eq!(memory::stats(), before);
    Ok(())
}
