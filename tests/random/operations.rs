//! Every operation.

use super::{Call, Case, calls};
use downhill::random::Generator;
use downhill::{Combine, DType, Rounding, Tensor, Unique, arange, eye, full, linspace, zeros};

pub(crate) fn operations() -> Vec<(&'static str, Call)> {
    let one = calls!(|c|
        add: c.a.add(&c.b)?; sub: c.a.sub(&c.b)?; mul: c.a.mul(&c.b)?; div: c.a.div(&c.b)?;
        add_number: c.a.add(c.x)?; sub_int: c.a.sub(c.at)?; mul_bool: c.a.mul(c.flag)?; div_number: c.a.div(c.x)?;
        add_scaled: c.a.add_scaled(&c.b, c.x)?; sub_scaled: c.a.sub_scaled(&c.b, c.at)?;
        div_trunc: c.a.div_rounded(&c.b, Rounding::Trunc)?; div_floor: c.a.div_rounded(&c.b, Rounding::Floor)?;
        pow: c.a.pow(&c.b)?; pow_number: c.a.pow(c.x)?; pow_int: c.a.pow(c.at)?; rpow: c.a.rpow(c.x)?;
        maximum: c.a.maximum(&c.b)?; minimum: c.a.minimum(&c.b)?;
        eq: c.a.eq(&c.b)?; ne: c.a.ne(&c.b)?; lt: c.a.lt(c.x)?; le: c.a.le(&c.b)?; gt: c.a.gt(&c.b)?; ge: c.a.ge(c.at)?;
        where_: Tensor::where_(&c.c, &c.a, &c.b)?; where_number: Tensor::where_(&c.a.gt(0)?, &c.b, c.x)?;
        masked_fill: c.a.masked_fill(&c.b, c.x)?; masked_fill_tensor: c.a.masked_fill(&c.b.gt(0)?, &c.c)?;
        clamp: c.a.clamp(c.x, c.y)?; clamp_tensors: c.a.clamp(&c.b, &c.c)?; clamp_min: c.a.clamp_min(&c.b)?;
        clamp_max: c.a.clamp_max(c.at)?; isnan: c.a.try_isnan()?; isinf: c.a.try_isinf()?; logical_not: c.a.try_logical_not()?;
        neg: c.a.neg()?; abs: c.a.try_abs()?; square: c.a.try_square()?; sign: c.a.try_sign()?; floor: c.a.try_floor()?; ceil: c.a.try_ceil()?;
        round: c.a.try_round()?; round_decimals: c.a.round_decimals(c.at as i32)?; trunc: c.a.try_trunc()?;
        reciprocal: c.a.try_reciprocal()?; exp: c.a.try_exp()?; expm1: c.a.try_expm1()?; log: c.a.try_log()?; log1p: c.a.try_log1p()?;
        log2: c.a.try_log2()?; sqrt: c.a.try_sqrt()?; rsqrt: c.a.try_rsqrt()?; sin: c.a.try_sin()?; cos: c.a.try_cos()?; tanh: c.a.try_tanh()?;
        sigmoid: c.a.try_sigmoid()?; erf: c.a.try_erf()?; relu: c.a.try_relu()?; log_sigmoid: c.a.try_log_sigmoid()?;
        sum: c.a.try_sum()?; sum_dim: c.a.sum_dim(&c.dims[..], c.flag)?; mean: c.a.mean()?;
        mean_dim: c.a.mean_dim(&c.dims[..], c.flag)?; prod: c.a.try_prod()?; prod_dim: c.a.prod_dim(c.dim, c.flag)?;
        max: c.a.max()?; min: c.a.min()?; amax: c.a.amax(&c.dims[..], c.flag)?; amin: c.a.amin(&c.dims[..], c.flag)?;
        argmax: c.a.argmax(c.dim, c.flag)?; argmin: c.a.argmin(None, c.flag)?; median: c.a.median()?;
        var: c.a.var()?; var_dim: c.a.var_dim(&c.dims[..], c.x, c.flag)?; std: c.a.std()?;
        std_dim: c.a.std_dim(&c.dims[..], 1.0, c.flag)?; norm: c.a.norm(c.x)?;
        norm_dim: c.a.norm_dim(c.x, &c.dims[..], c.flag)?; logsumexp: c.a.logsumexp(&c.dims[..], c.flag)?;
        cumsum: c.a.cumsum(c.dim)?; softmax: c.a.softmax(c.dim)?; log_softmax: c.a.log_softmax(c.dim)?;
        mm: c.a.mm(&c.b)?; mm_t: c.a.mm(&c.a.t()?)?; bmm: c.a.bmm(&c.b)?; mv: c.a.mv(&c.b)?; dot: c.a.dot(&c.b)?;
        matmul: c.a.matmul(&c.b)?; matmul_t: c.a.matmul(&c.a.transpose(-1, -2)?)?;
        addmm: c.a.addmm(&c.b, &c.c, c.x, c.y)?; addmm_t: c.c.addmm(&c.a, &c.a.t()?, c.at, 1)?;
        linear: c.a.linear(&c.b, &c.c)?;
        tril: c.a.tril(c.at)?; triu: c.a.triu(c.at)?;
        reshape: c.a.reshape(&c.sizes[..])?; view: c.a.view(&c.sizes[..])?; flatten: c.a.flatten(c.dim, c.at as isize)?;
        transpose: c.a.transpose(c.dim, c.at as isize)?; t: c.a.t()?; permute: c.a.permute(&c.dims[..])?;
        squeeze: c.a.squeeze(); squeeze_dim: c.a.squeeze_dim(&c.dims[..])?; unsqueeze: c.a.unsqueeze(c.dim)?;
        expand: c.a.expand(&c.sizes[..])?; broadcast_to: c.a.broadcast_to(&c.sizes[..])?;
        narrow: c.a.narrow(c.dim, c.at, c.count)?; select: c.a.select(c.dim, c.at)?; contiguous: c.a.try_contiguous()?;
        to_int: c.a.try_to_dtype(DType::I64)?; to_f64: c.a.try_to_dtype(DType::F64)?; to_bool: c.a.try_to_dtype(DType::Bool)?;
        cat: Tensor::cat(&[&c.a, &c.b, &c.c], c.dim)?; stack: Tensor::stack(&[&c.a, &c.b], c.dim)?;
        repeat_interleave: c.a.repeat_interleave(c.count, c.dim)?; flip: c.a.flip(&c.dims[..])?;
        repeat: c.a.repeat(&[c.count, 2])?;
        index_select: c.a.index_select(c.dim, &c.b)?; gather: c.a.gather(c.dim, &c.b)?;
        gather_small: c.a.gather(c.dim, &c.b.try_to_dtype(DType::Bool)?.try_to_dtype(DType::I64)?)?;
        scatter: c.a.scatter(c.dim, &c.b, &c.c)?; scatter_number: c.a.scatter(c.dim, &c.b.try_ones_like()?, c.x)?;
        scatter_add: c.a.scatter_add(c.dim, &c.b.try_to_dtype(DType::Bool)?.try_to_dtype(DType::I64)?, &c.c)?;
        masked_select: c.a.masked_select(&c.b)?; masked_select_some: c.a.masked_select(&c.b.gt(0)?)?;
        nonzero: c.a.try_nonzero()?; one_hot: c.a.clamp(-1, 5)?.one_hot(c.count)?;
        index: c.a.index([&c.b, &c.c])?; argsort: c.a.argsort(c.dim, c.flag)?;
        and: c.a.logical_and(&c.b)?; or: c.a.logical_or(c.x)?; xor: c.a.logical_xor(&c.b)?;
        bit_and: c.a.bitwise_and(&c.b)?; bit_or: c.a.bitwise_or(c.at)?; bit_xor: c.a.bitwise_xor(c.flag)?; bit_not: c.a.bitwise_not()?;
        any: c.a.try_any()?; all: c.a.try_all()?; any_dim: c.a.any_dim(&c.dims[..], c.flag)?; all_dim: c.a.all_dim(c.dim, c.flag)?;
        isfinite: c.a.try_isfinite()?; cumprod: c.a.cumprod(c.dim)?;
        remainder: c.a.remainder(&c.b)?; remainder_number: c.a.remainder(c.x)?; remainder_int: c.a.remainder(c.at)?;
        cdist: c.a.cdist(&c.b, c.x)?; cdist_2: c.a.cdist(&c.b, c.count as f64)?; cdist_inf: c.a.cdist(&c.a, f64::INFINITY)?;
        index_put: c.a.index_put([&c.b], &c.c, c.flag)?; index_put_number: c.a.index_put([None, Some(&c.b)], c.x, c.flag)?;
        index_put_mask: c.a.index_put([&c.a.gt(0)?], c.at, c.flag)?;
        slice_scatter: c.a.slice_scatter((1.., c.at), &c.c)?; slice_scatter_number: c.a.slice_scatter(c.at.., c.x)?;
        index_add: c.a.index_add(c.dim, &c.b, &c.c)?;
        index_add_small: c.a.index_add(c.dim, &c.b.try_to_dtype(DType::Bool)?.try_to_dtype(DType::I64)?, &c.a)?;
        index_add_scaled: c.a.index_add_scaled(c.dim, &c.b, &c.c, c.x)?;
        einsum: Tensor::einsum("ij,jk->ik", &c.a, &c.b)?; einsum_t: Tensor::einsum("ij,kj", &c.a, &c.a)?;
        einsum_rest: Tensor::einsum("...i,...i", &c.a, &c.b)?; einsum_mul: Tensor::einsum("...,...->...", &c.a, &c.b)?;
        einsum_diagonal: Tensor::einsum("ii,j->", &c.a, &c.b)?; einsum_outer: Tensor::einsum("i...,j->ij...", &c.a, &c.b)?;
        einsum_any: Tensor::einsum(["", ",", "->", "i,i->ii", "a,b->c", "i.,j", "....,i", "é,i"][c.count % 8], &c.a, &c.b)?;
        lerp: c.a.lerp(&c.b, c.x)?; lerp_tensor: c.a.lerp(&c.b, &c.c)?; outer: c.a.outer(&c.b)?; roll: c.a.roll(c.at, c.dim)?; diag: c.a.diag(c.at)?;
        nanmean: c.a.nanmean()?; nanmean_dim: c.a.nanmean_dim(&c.dims[..], c.flag)?;
        quantile: c.a.quantile(c.x)?; quantile_half: c.a.quantile(0.5)?; quantile_dim: c.a.quantile_dim(c.x.abs() / 4.0, c.dim, c.flag)?;
        bincount: c.a.bincount(c.flag.then_some(&c.b), c.count)?; bincount_small: c.a.clamp(-1, 9)?.bincount(None, 3)?;
        scatter_combined: c.a.scatter_combined(c.dim, &c.b, &c.c, Combine::Multiply)?;
        scatter_multiplied: c.a.scatter_combined(c.dim, &c.b.try_to_dtype(DType::Bool)?.try_to_dtype(DType::I64)?, &c.c, Combine::Multiply)?;
        tan: c.a.try_tan()?; log10: c.a.try_log10()?; slice: c.a.slice((c.at.., .., 1))?;
        multinomial: Generator::seeded(7_i64).multinomial(&c.a, c.count, c.flag)?;
        bernoulli: Generator::seeded(7_i64).bernoulli(&c.a)?; normal: Generator::seeded(7_i64).normal(c.x, c.y, c.count, DType::F32)?;
        uniform: Generator::seeded(7_i64).uniform(c.x, c.y, [2, c.count], DType::F64)?;
        randint: Generator::seeded(7_i64).randint(c.at, c.sizes.len() as i64, c.count, DType::I64)?; randperm: Generator::seeded(7_i64).randperm(c.count)?;
        zeros: zeros([c.count, 2])?; full: full([2, c.count, c.count], c.x)?; eye: eye(c.count)?;
        arange: arange(0, c.at, c.sizes.len() as i64)?; arange_float: arange(c.x, c.y, 0.25)?; linspace: linspace(c.x as f32, c.y as f32, c.count)?;
        zeros_like: c.a.try_zeros_like()?; full_like: c.a.try_full_like(c.x)?; detach: c.a.detach();
    );
    let several: [(&str, Call); 10] = [
        ("unique", |c| c.a.unique().map(|Unique { values, inverse, counts }| vec![values, inverse, counts])),
        ("max_dim", |c| c.a.max_dim(c.dim, c.flag).map(|(v, i)| vec![v, i])),
        ("min_dim", |c| c.a.min_dim(c.dim, c.flag).map(|(v, i)| vec![v, i])),
        ("median_dim", |c| c.a.median_dim(c.dim, c.flag).map(|(v, i)| vec![v, i])),
        ("sort", |c| c.a.sort(c.dim, c.flag).map(|(v, i)| vec![v, i])),
        ("topk", |c| c.a.topk(c.count, c.dim, c.flag).map(|(v, i)| vec![v, i])),
        ("split", |c| c.a.split(c.count, c.dim)),
        ("chunk", |c| c.a.chunk(c.count, c.dim)),
        ("unbind", |c| c.a.unbind(c.dim)),
        ("iter", |c| if c.a.dim() == 0 { Ok(vec![]) } else { Ok(c.a.iter().collect()) }),
    ];
    one.into_iter().chain(several).collect()
}
