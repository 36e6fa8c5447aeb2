//! `#[derive(Module)]` for `downhill`.

#![cfg_attr(docsrs, feature(doc_cfg))]

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, Member, Path, Result, parse_macro_input, parse_quote};

/// Implements `Module` and `Display` for a struct from its fields; their names are those of its parameters.
///
/// Every field's type must implement `Field`: a type that could hide parameters and is neither a module nor plain data does
/// not compile. On a field, `#[module(skip)]` leaves it out. On the struct, `#[module(extra_repr = function)]` says what is
/// printed between its parentheses, and `#[module(crate = path)]` where the library is, if not in `::downhill::nn`.
///
/// ```text
/// #[derive(Module)]                 impl Module for SimpleNN {
/// struct SimpleNN {                     fn class_name(&self) -> &str { "SimpleNN" }
///     fc: Linear,                       fn members(&self, visit: &mut Visit<'_>) {
///     dropout: Dropout,                     Field::visit(&self.fc, "fc", visit);
/// }                                         Field::visit(&self.dropout, "dropout", visit);
///                                       }
///                                   }
/// ```
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "only a struct can be a module"));
    };
    let options = Options::read(input)?;
    let nn = &options.nn;
    let visits = visits(&data.fields, nn)?;
    let extra_repr = options.extra_repr.iter().map(|function| {
        quote! {
            fn extra_repr(&self) -> ::std::string::String {
                #function(self)
            }
        }
    });
    let (name, class) = (&input.ident, input.ident.to_string());
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics #nn::Module for #name #arguments #bounds {
            fn class_name(&self) -> &str {
                #class
            }
            fn members(&self, visit: &mut #nn::Visit<'_>) {
                #(#visits)*
                let _ = visit;
            }
            #(#extra_repr)*
        }

        #[automatically_derived]
        impl #generics ::std::fmt::Display for #name #arguments #bounds {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(&#nn::Module::repr(self))
            }
        }
    })
}

/// What `#[module(…)]` says on the struct.
struct Options {
    nn: Path,
    extra_repr: Option<Path>,
}

impl Options {
    fn read(input: &DeriveInput) -> Result<Self> {
        // Inside of its own package, tests and examples included, the library has no other name.
        let own = std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name == "downhill-nn");
        let nn = if own { parse_quote!(::downhill_nn) } else { parse_quote!(::downhill::nn) };
        let mut options = Self { nn, extra_repr: None };
        for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("module")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("crate") {
                    options.nn = meta.value()?.parse()?;
                } else if meta.path.is_ident("extra_repr") {
                    options.extra_repr = Some(meta.value()?.parse()?);
                } else {
                    return Err(meta.error("expected `extra_repr = function` or `crate = path`"));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}

/// A statement for each field that is not skipped.
fn visits(fields: &Fields, nn: &Path) -> Result<Vec<TokenStream>> {
    let mut statements = Vec::new();
    for (field, member) in fields.iter().zip(fields.members()) {
        if is_skipped(field)? {
            continue;
        }
        let name = match &member {
            Member::Named(name) => name.to_string().trim_start_matches("r#").to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        // The field's span, so that an error points at its type.
        let ty = &field.ty;
        statements
            .push(quote_spanned! {ty.span()=> <#ty as #nn::Field>::visit(&self.#member, #name, visit); });
    }
    Ok(statements)
}

fn is_skipped(field: &Field) -> Result<bool> {
    let mut skipped = false;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            skipped = meta.path.is_ident("skip");
            if skipped { Ok(()) } else { Err(meta.error("expected `skip`")) }
        })?;
    }
    Ok(skipped)
}
