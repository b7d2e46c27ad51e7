//! What a setting is: the descriptions from which reading, checking, `explain` and the
//! reference page all follow, and the macro in which each setting is written once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::read::Scope;

/// What happens when the setting is not in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be written.
    Required,
    /// It may be left out; its documentation says what that means.
    Optional,
    /// This value, in TOML.
    Default(Cow<'static, str>),
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name within the section.
    pub name: &'static str,
    /// What it is for, in Markdown, from its doc comment.
    pub about: Cow<'static, str>,
    /// What to write, in words.
    pub kind: fn() -> String,
    /// What happens when it is left out.
    pub need: Need,
    /// Smallest and largest value, in TOML.
    pub bounds: Option<(&'static str, &'static str)>,
    /// A TOML value in its one canonical form; `None` when it cannot be read.
    pub(crate) canonical: fn(&str) -> Option<String>,
}

/// How a section stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `[smtp]`, once.
    Table,
    /// `[gate.tests.NAME]`, once for each name.
    Named,
}

/// One section.
#[derive(Clone, Debug)]
pub struct Section {
    /// `smtp`, `gate.dnsbl`.
    pub path: &'static str,
    /// What it is about, in Markdown.
    pub about: &'static str,
    /// How it stands in the file.
    pub shape: Shape,
    /// Its settings, in the order of the reference page.
    pub settings: &'static [Setting],
}

/// A section's type.
pub(crate) trait Table: Sized {
    /// Its description.
    const SECTION: Section;

    /// Reads it; mistakes are noted in the scope.
    fn read(scope: &Scope<'_, '_>) -> Option<Self>;

    /// Each setting's value, in the order of `SECTION.settings`.
    fn values(&self) -> Vec<Written>;
}

/// A setting's value as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// For people: secrets hidden; empty when the setting is absent.
    pub(crate) shown: String,
    /// For the hash: secrets in clear.
    pub(crate) canonical: String,
}

/// Where each setting of the file stands: the bytes of its name.
pub(crate) type Places = BTreeMap<String, std::ops::Range<usize>>;

/// Defines a section: its struct, and everything else that is said of its settings.
///
/// ```text
/// settings! {
///     /// What the section is about.
///     pub struct Smtp in Table("smtp") {
///         /// What the setting is for. Units, what larger and smaller mean.
///         message_size: Size = "50 MB", "64 KB" ..= "2 GB";
///         hostname: Domain = required;
///         banner: Option<String> = optional;
///     }
/// }
/// ```
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident in $shape:ident($path:literal) {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $need:tt $(, $min:literal ..= $max:literal)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl $crate::schema::Table for $name {
            const SECTION: $crate::schema::Section = $crate::schema::Section {
                path: $path,
                about: concat!($($about, "\n"),+),
                shape: $crate::schema::Shape::$shape,
                settings: &[$($crate::schema::Setting {
                    name: stringify!($field),
                    about: std::borrow::Cow::Borrowed(concat!($($doc, "\n"),+)),
                    kind: <$type as $crate::value::Value>::kind,
                    need: $crate::schema::need!($need),
                    bounds: $crate::schema::bounds!($($min, $max)?),
                    canonical: $crate::read::canonical::<$type>,
                }),+],
            };

            fn read(scope: &$crate::read::Scope<'_, '_>) -> Option<Self> {
                scope.refuse_unknown(&Self::SECTION);
                let mut settings = Self::SECTION.settings.iter();
                $(
                    let setting = settings.next()?;
                    let $field = scope.setting::<$type>(setting);
                    $(let $field = scope.within($field, setting, stringify!($min), stringify!($max));)?
                )+
                Some(Self { $($field: $field?),+ })
            }

            fn values(&self) -> Vec<$crate::schema::Written> {
                use $crate::value::Value;
                vec![$($crate::schema::Written {
                    shown: self.$field.write(),
                    canonical: self.$field.canonical(),
                }),+]
            }
        }
    };
}

macro_rules! need {
    (required) => {
        $crate::schema::Need::Required
    };
    (optional) => {
        $crate::schema::Need::Optional
    };
    ($default:tt) => {
        $crate::schema::Need::Default(std::borrow::Cow::Borrowed(stringify!($default)))
    };
}

macro_rules! bounds {
    () => {
        None
    };
    ($min:literal, $max:literal) => {
        Some((stringify!($min), stringify!($max)))
    };
}

pub(crate) use {bounds, need, settings};
