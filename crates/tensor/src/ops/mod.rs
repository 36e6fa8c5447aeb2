//! The operations. Each file holds the forward, the derivative and the documentation of its own; the loops are in
//! [`kernel`](crate::kernel).
//!
//! | file | operations |
//! | --- | --- |
//! | `arithmetic` | `add` `sub` `mul` `div` `pow`, `add_scaled` `sub_scaled`, `div_rounded`, `reciprocal` `rpow` |
//! | `operand` | what two operands may be, how they are promoted and broadcast, and the loop over both |
//! | `operators` | `+` `-` `*` `/` and negation, for tensors, references and numbers |
//! | `pointwise` | the table of functions of each element: `exp` `expm1` `log` `log1p` `log2` `sqrt` `rsqrt` `sin` `cos` `tan` `tanh` `sigmoid` `log_sigmoid` `erf`, `relu` `abs` `square` `sign` `floor` `ceil` `round` `trunc`; and `log10` `round_decimals` `neg` |
//! | `compare` | `lt` `le` `gt` `ge` `eq` `ne`, `isnan` `isinf` `logical_not`; what chooses: `where_` `masked_fill` `maximum` `minimum` `clamp` `clamp_min` `clamp_max` |
//! | `remainder` | `remainder` |
//! | `logic` | `logical_and` `logical_or` `logical_xor`, `bitwise_and` `bitwise_or` `bitwise_xor` `bitwise_not` and `&` `\|` `^` `!`; `any` `any_dim` `all` `all_dim`, `isfinite` |
//! | `reduce` | `sum` `sum_dim` `mean` `mean_dim`; `Plan`, which brings any reduction to outer × n × inner |
//! | `product` | `prod` `prod_dim`, `cumsum` `cumprod` |
//! | `extremes` | `max` `min` `max_dim` `min_dim` `amax` `amin` `argmax` `argmin` |
//! | `median` | `median` `median_dim` |
//! | `statistics` | `var` `var_dim` `std` `std_dim` `norm` `norm_dim` |
//! | `softmax` | `softmax` `log_softmax` `logsumexp` |
//! | `matmul` | `matmul` `mm` `bmm` `mv` `dot`, `addmm` `linear`; `tril` `triu` |
//! | `einsum` | `einsum` of two operands |
//! | `distance` | `cdist` |
//! | `view` | `reshape` `view` `flatten`, `transpose` `t` `permute`, `squeeze` `squeeze_dim` `unsqueeze`, `expand` `broadcast_to`, `narrow` `select`, `contiguous` `to_dtype` |
//! | `slicing` | `slice`, with `step`, and `iter` over the first dimension |
//! | `join` | `cat` `stack` `split` `chunk` `chunks` `unbind`, `repeat` `repeat_interleave` `flip` |
//! | `index` | rows that an index or a mask picks: `index_select` `index` `masked_select` `nonzero` `one_hot` |
//! | `scatter` | an index for each element: `gather` `scatter` `scatter_combined` `scatter_add` |
//! | `put` | copies with other elements in some places: `index_put` `slice_scatter` `index_add` `index_add_scaled` |
//! | `sort` | `sort` `argsort` `topk` |
//! | `composed` | what others make without a loop of its own: `lerp` `outer` `roll` `diag`, `nanmean` `nanmean_dim` `quantile` `quantile_dim`, `bincount` `unique` |
//! | `traced` | the reading of a formula in these operations, until `into_tensor` |

pub(crate) mod arithmetic;
pub(crate) mod compare;
pub(crate) mod composed;
pub(crate) mod distance;
pub(crate) mod einsum;
pub(crate) mod extremes;
pub(crate) mod index;
pub(crate) mod join;
pub(crate) mod logic;
pub(crate) mod matmul;
pub(crate) mod median;
pub(crate) mod operand;
pub(crate) mod operators;
pub mod pointwise;
pub(crate) mod product;
pub(crate) mod put;
pub(crate) mod reduce;
pub(crate) mod remainder;
pub(crate) mod scatter;
pub(crate) mod slicing;
pub(crate) mod softmax;
pub(crate) mod sort;
pub(crate) mod statistics;
pub(crate) mod traced;
pub(crate) mod view;
