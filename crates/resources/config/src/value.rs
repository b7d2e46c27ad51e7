//! How one setting's value is read from TOML and written back: the trait and the plain kinds.
//! Kinds with units are in `units`, kinds with names in `names`, fixed words in `choice`.

use std::ops::Range;
use std::path::PathBuf;

use postern_types::Secret;
use toml::Spanned;
use toml::de::DeValue;

/// What is wrong with a value, and where: a byte range of the file and a sentence.
pub(crate) type Wrong = (Range<usize>, String);

/// A kind of value that a setting can have.
pub(crate) trait Value: Sized {
    /// What to write, in words with an example: ``a size such as `"50 MB"` ``.
    fn kind() -> String;

    /// Reads the value; every mistake in it goes to `wrong`.
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self>;

    /// The one way to write this value in TOML; equal values give equal text. Secrets give `"***"`.
    fn write(&self) -> String;

    /// As [`Value::write`] with secrets in clear, for the configuration's hash only.
    fn canonical(&self) -> String {
        self.write()
    }

    /// The value when the setting is not written and has no default.
    fn absent() -> Option<Self> {
        None
    }
}

/// Reads a string and hands it to `parse`; anything else is a mistake that says what to write.
pub(crate) fn from_text<T: Value>(
    value: &Spanned<DeValue<'_>>,
    wrong: &mut Vec<Wrong>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let result = match value.get_ref().as_str() {
        Some(text) => parse(text),
        None => Err(not_a::<T>(value.get_ref())),
    };
    result.map_err(|why| wrong.push((value.span(), why))).ok()
}

/// `expected a size such as "50 MB", found a boolean`.
pub(crate) fn not_a<T: Value>(found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("expected {}, found {found}", T::kind())
}

/// A whole number as TOML writes it; the radix and sign are TOML's.
pub(crate) fn integer(value: &DeValue<'_>) -> Option<i128> {
    let number = value.as_integer()?;
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Text in TOML's quotes, for whoever writes a file.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn kind() -> String {
                "a whole number".into()
            }
            fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
                let number = integer(value.get_ref());
                let fits = number.and_then(|number| <$type>::try_from(number).ok());
                if fits.is_none() {
                    let why = match number {
                        Some(_) => format!("the number must lie between {} and {}", <$type>::MIN, <$type>::MAX),
                        None => not_a::<Self>(value.get_ref()),
                    };
                    wrong.push((value.span(), why));
                }
                fits
            }
            fn write(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
whole_numbers!(u8, u16, u32, u64);

impl Value for bool {
    fn kind() -> String {
        "`true` or `false`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        let read = value.get_ref().as_bool();
        if read.is_none() {
            wrong.push((value.span(), not_a::<Self>(value.get_ref())));
        }
        read
    }
    fn write(&self) -> String {
        self.to_string()
    }
}

/// A line of text: no control characters.
impl Value for String {
    fn kind() -> String {
        "text in quotes".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        from_text(value, wrong, |text| match text {
            "" => Err("the text is empty; leave the setting out instead".into()),
            _ if text.chars().any(char::is_control) => Err("the text must be one line".into()),
            _ => Ok(text.to_owned()),
        })
    }
    fn write(&self) -> String {
        quoted(self)
    }
}

impl Value for PathBuf {
    fn kind() -> String {
        "a path in quotes".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        from_text(value, wrong, |text| match text {
            "" => Err("the path is empty".into()),
            _ if text.contains('\0') => Err("a path cannot hold a zero character".into()),
            _ => Ok(PathBuf::from(text)),
        })
    }
    fn write(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

/// A value that is never shown.
impl Value for Secret<String> {
    fn kind() -> String {
        "secret text in quotes".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        match value.get_ref().as_str() {
            Some(_) => String::read(value, wrong).map(Secret::new),
            // The found value must not stand in the message, and does not.
            None => {
                wrong.push((value.span(), not_a::<Self>(value.get_ref())));
                None
            }
        }
    }
    fn write(&self) -> String {
        "\"***\"".into()
    }
    fn canonical(&self) -> String {
        quoted(self.expose())
    }
}

/// A setting that may be left out.
impl<T: Value> Value for Option<T> {
    fn kind() -> String {
        T::kind()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        T::read(value, wrong).map(Some)
    }
    fn write(&self) -> String {
        self.as_ref().map_or_else(String::new, Value::write)
    }
    fn canonical(&self) -> String {
        self.as_ref().map_or_else(String::new, Value::canonical)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Value> Value for Vec<T> {
    fn kind() -> String {
        format!("a list, each entry {}", T::kind())
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        let Some(entries) = value.get_ref().as_array() else {
            wrong.push((value.span(), not_a::<Self>(value.get_ref())));
            return None;
        };
        // Every entry is read, so that every wrong one is reported.
        let read: Vec<Option<T>> = entries.iter().map(|entry| T::read(entry, wrong)).collect();
        read.into_iter().collect()
    }
    fn write(&self) -> String {
        let entries: Vec<String> = self.iter().map(Value::write).collect();
        format!("[{}]", entries.join(", "))
    }
    fn canonical(&self) -> String {
        let entries: Vec<String> = self.iter().map(Value::canonical).collect();
        format!("[{}]", entries.join(", "))
    }
}
