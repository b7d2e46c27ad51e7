//! Settings that take one of a few words.

use crate::mistake::did_you_mean;

/// Defines an enum whose variants are words in the file:
/// `choice! { /// What … pub enum Format { /// Lines … Text = "text", … } }`.
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal),+ $(,)? }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[doc = $doc])+ $variant),+ }

        impl $name {
            /// The word in the file.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl $crate::value::Value for $name {
            fn kind() -> String {
                let words = [$(($word, concat!($($doc),+))),+];
                let words: Vec<String> =
                    words.iter().map(|(word, doc)| format!("`\"{word}\"` ({})", doc.trim())).collect();
                format!("one of {}", words.join(", "))
            }
            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                wrong: &mut Vec<$crate::value::Wrong>,
            ) -> Option<Self> {
                $crate::value::from_text(value, wrong, |text| match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::choice::not_among(text, &[$($word),+])),
                })
            }
            fn write(&self) -> String {
                format!("\"{}\"", self.word())
            }
        }
    };
}
pub(crate) use choice;

pub(crate) fn not_among(text: &str, words: &[&str]) -> String {
    let hint = did_you_mean(text, words.iter().copied());
    let hint = hint.map_or_else(String::new, |word| format!("; did you mean \"{word}\"?"));
    format!("`{text}` is not one of {}{hint}", words.join(", "))
}
