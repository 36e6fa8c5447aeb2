//! What the fields of a module may be.

use crate::module::{LIST, Member, Module, Visit};
use crate::{Buffer, KLDivReduction, Mode, Parameter, Reduction};
use downhill_tensor::{DType, Shape, Tensor};
use std::marker::PhantomData;

/// The type of a field of a struct that derives [`Module`]: a module, a [`Parameter`], a [`Buffer`], a [`Mode`], vectors,
/// arrays, options and tuples of these, or plain data such as numbers, strings and constant tensors.
///
/// A field of any other type does not compile unless it is marked: a parameter in it would silently never be trained.
///
/// ```compile_fail
/// use downhill::nn::{Linear, Module};
/// use std::collections::HashMap;
///
/// #[derive(Module)]
/// struct Net {
///     layers: HashMap<String, Linear>, // neither a module nor plain data
/// }
/// ```
///
/// ```
/// use downhill::nn::{Linear, Module};
/// use std::collections::HashMap;
///
/// #[derive(Module)]
/// struct Net {
///     layers: Vec<Linear>,
///     #[module(skip)]
///     index: HashMap<String, usize>,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a module nor a parameter nor plain data",
    label = "a field of this type could hide parameters from training",
    note = "derive `Module` for it, or mark the field `#[module(skip)]` if it holds none"
)]
pub trait Field {
    /// Whether there is nothing in it that training could need.
    const PLAIN: bool;
    /// Hands out what is in it, under this name.
    fn visit(&self, name: &str, visit: &mut Visit<'_>);
}

impl<M: Module> Field for M {
    const PLAIN: bool = false;
    fn visit(&self, name: &str, visit: &mut Visit<'_>) {
        visit(name, Member::Child(self));
    }
}

macro_rules! member {
    ($($type:ident),*) => {$(
        impl Field for $type {
            const PLAIN: bool = false;
            fn visit(&self, name: &str, visit: &mut Visit<'_>) {
                visit(name, Member::$type(self));
            }
        }
    )*};
}
member!(Parameter, Buffer, Mode);

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Field for $type {
            const PLAIN: bool = true;
            fn visit(&self, _: &str, _: &mut Visit<'_>) {}
        }
    )*};
}
plain!(bool, char, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);
plain!(String, &'static str, (), DType, Shape, Tensor, Reduction, KLDivReduction);

impl<T: ?Sized> Field for PhantomData<T> {
    const PLAIN: bool = true;
    fn visit(&self, _: &str, _: &mut Visit<'_>) {}
}

impl<F: Field> Field for Option<F> {
    const PLAIN: bool = F::PLAIN;
    fn visit(&self, name: &str, visit: &mut Visit<'_>) {
        if let Some(field) = self {
            field.visit(name, visit);
        }
    }
}

/// The items of a vector, an array or a tuple, as a module: `name.0`, `name.1` …
struct List<'a>(&'a (dyn Fn(&mut Visit<'_>) + Send + Sync));

impl Module for List<'_> {
    fn class_name(&self) -> &str {
        LIST
    }
    fn members(&self, visit: &mut Visit<'_>) {
        (self.0)(visit);
    }
}

fn visit_all<F: Field + Sync>(fields: &[F], name: &str, visit: &mut Visit<'_>) {
    if F::PLAIN {
        return;
    }
    let each = |visit: &mut Visit<'_>| {
        for (i, field) in fields.iter().enumerate() {
            field.visit(&i.to_string(), visit);
        }
    };
    visit(name, Member::Child(&List(&each)));
}

impl<F: Field + Sync> Field for Vec<F> {
    const PLAIN: bool = F::PLAIN;
    fn visit(&self, name: &str, visit: &mut Visit<'_>) {
        visit_all(self, name, visit);
    }
}

impl<F: Field + Sync, const N: usize> Field for [F; N] {
    const PLAIN: bool = F::PLAIN;
    fn visit(&self, name: &str, visit: &mut Visit<'_>) {
        visit_all(self, name, visit);
    }
}

macro_rules! tuple {
    ($($type:ident $index:tt),*) => {
        impl<$($type: Field + Sync),*> Field for ($($type,)*) {
            const PLAIN: bool = $($type::PLAIN)&&*;
            fn visit(&self, name: &str, visit: &mut Visit<'_>) {
                if !Self::PLAIN {
                    let each = |visit: &mut Visit<'_>| {
                        $(self.$index.visit(stringify!($index), visit);)*
                    };
                    visit(name, Member::Child(&List(&each)));
                }
            }
        }
    };
}
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
