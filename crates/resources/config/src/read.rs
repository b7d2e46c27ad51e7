//! Walks the parsed file, reads each section and setting, and notes every mistake with its place.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::mistake::{Mistake, did_you_mean};
use crate::schema::{Need, Places, Section, Setting, Shape};
use crate::value::{Value, quoted};

/// What is known of the file while it is read.
pub(crate) struct Reader<'s> {
    source: &'s str,
    sections: Vec<Section>,
    noted: RefCell<Vec<Mistake>>,
    places: RefCell<Places>,
}

/// One table of the file, or its absence.
pub(crate) struct Scope<'r, 's> {
    reader: &'r Reader<'s>,
    /// `smtp`, `gate.tests.rdns`.
    pub(crate) path: String,
    table: Option<&'r DeTable<'s>>,
    span: Range<usize>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(source: &'s str, sections: Vec<Section>) -> Self {
        Self { source, sections, noted: RefCell::default(), places: RefCell::default() }
    }

    /// Notes a mistake at a byte range.
    pub(crate) fn note(&self, span: &Range<usize>, key: &str, message: impl Into<String>) {
        let mistake = Mistake::at(self.source, span, key, message.into());
        self.noted.borrow_mut().push(mistake);
    }

    /// Notes a mistake about a setting, at its place in the file, or at the start when it is not there.
    /// A setting that already has a mistake gets no second one.
    pub(crate) fn note_setting(&self, key: &str, message: impl Into<String>) {
        let known = self.noted.borrow().iter().any(|mistake| mistake.key == key);
        if !known {
            let place = self.places.borrow().get(key).cloned().unwrap_or(0..0);
            self.note(&place, key, message);
        }
    }

    /// Whether a mistake in the setting was noted.
    pub(crate) fn is_wrong(&self, key: &str) -> bool {
        self.noted.borrow().iter().any(|mistake| mistake.key == key)
    }

    /// Whether the setting stands in the file.
    pub(crate) fn is_written(&self, key: &str) -> bool {
        self.places.borrow().contains_key(key)
    }

    /// All mistakes in the order of the file, and where each setting stands.
    pub(crate) fn finish(self) -> (Vec<Mistake>, Places) {
        let mut noted = self.noted.into_inner();
        noted.sort();
        (noted, self.places.into_inner())
    }

    /// The table at `path`, or its absence; a value that is no table is a mistake.
    pub(crate) fn scope<'r>(&'r self, root: &'r DeTable<'s>, path: &str) -> Scope<'r, 's> {
        let mut scope = Scope { reader: self, path: path.into(), table: Some(root), span: 0..0 };
        let mut walked = String::new();
        for name in path.split('.') {
            walked = join(&walked, name);
            let Some((key, value)) = scope.table.and_then(|table| table.get_key_value(name)) else {
                return Scope { table: None, ..scope };
            };
            scope.span = key.span();
            scope.table = value.get_ref().as_table();
            if scope.table.is_none() {
                // The section above notes it once, whichever section below is asked for.
                if !self.is_wrong(&walked) {
                    let named = |section: &Section| section.path == walked && section.shape == Shape::Named;
                    let name = if self.sections.iter().any(named) { ".NAME" } else { "" };
                    self.note(&value.span(), &walked, format!("this is a section: write [{walked}{name}]"));
                }
                return scope;
            }
        }
        scope
    }

    /// Every key of `table` that is neither a setting nor a section is a mistake; goes down into
    /// tables that are only the way to sections.
    pub(crate) fn refuse_unknown_sections(&self, root: &DeTable<'s>) {
        for (key, value) in root {
            let name = key.get_ref().as_ref();
            if self.sections.iter().any(|section| first(section.path) == name) {
                continue;
            }
            let message = match value.get_ref() {
                DeValue::Table(_) | DeValue::Array(_) => self.unknown_section(name),
                _ => self.unknown_setting("", name, &mut std::iter::empty()),
            };
            self.note(&key.span(), name, message);
        }
    }

    fn unknown_section(&self, name: &str) -> String {
        let names = self.sections.iter().map(|section| section.path);
        match did_you_mean(name, names) {
            Some(near) => format!("there is no such section; did you mean [{near}]?"),
            None => {
                let mut names: Vec<&str> = self.sections.iter().map(|s| first(s.path)).collect();
                names.dedup();
                format!("there is no such section; the sections are {}", names.join(", "))
            }
        }
    }

    /// The sentence for an unknown key: the nearest name of its section, or the same name in another.
    fn unknown_setting(&self, section: &str, name: &str, own: &mut dyn Iterator<Item = &str>) -> String {
        if let Some(near) = did_you_mean(name, own) {
            return format!("unknown setting; did you mean `{near}`?");
        }
        let elsewhere = self
            .sections
            .iter()
            .filter(|other| other.path != section)
            .find(|other| other.settings.iter().any(|setting| setting.name == name));
        match elsewhere {
            Some(other) => format!("unknown setting; did you mean `{name}` in [{}]?", other.path),
            None if section.is_empty() => "unknown setting; every setting stands in a section".into(),
            None => format!("unknown setting; `postern config explain {section}` lists those of [{section}]"),
        }
    }

    fn places(&self) -> std::cell::RefMut<'_, Places> {
        self.places.borrow_mut()
    }
}

impl<'r, 's> Scope<'r, 's> {
    /// Notes every key of the table that is no setting of `section` and no section below it.
    pub(crate) fn refuse_unknown(&self, section: &Section) {
        let below = self.reader.sections.iter().filter_map(|other| {
            let rest = other.path.strip_prefix(section.path)?.strip_prefix('.')?;
            (section.shape == Shape::Table).then(|| first(rest))
        });
        let below: Vec<&str> = below.collect();
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if section.settings.iter().any(|setting| setting.name == name) || below.contains(&name) {
                continue;
            }
            let mut own = section.settings.iter().map(|setting| setting.name).chain(below.iter().copied());
            let message = self.reader.unknown_setting(section.path, name, &mut own);
            self.reader.note(&key.span(), &join(&self.path, name), message);
        }
    }

    /// Reads one setting, or takes its default. After a mistake the default stands in, so that
    /// reading goes on; the mistake is noted.
    pub(crate) fn setting<T: Value>(&self, setting: &Setting) -> Option<T> {
        let key = join(&self.path, setting.name);
        let found = self.table.and_then(|table| table.get_key_value(setting.name));
        let Some((name, value)) = found else {
            if setting.need == Need::Required {
                let message = format!("this setting is required: write {}", (setting.kind)());
                self.reader.note(&self.span, &key, message);
            }
            return fallback(setting);
        };
        self.reader.places().insert(key.clone(), name.span());
        let mut wrong = Vec::new();
        let read = T::read(value, &mut wrong);
        for (span, message) in wrong {
            self.reader.note(&span, &key, message);
        }
        read.or_else(|| fallback(setting))
    }

    /// Holds a value against its bounds.
    pub(crate) fn within<T: Value + PartialOrd>(
        &self,
        value: Option<T>,
        setting: &Setting,
        min: &str,
        max: &str,
    ) -> Option<T> {
        let value = value?;
        if setting.need == Need::Optional && !self.has(setting.name) {
            return Some(value);
        }
        let (Some(smallest), Some(largest)) = (parse::<T>(min), parse::<T>(max)) else { return Some(value) };
        if value < smallest || value > largest {
            let key = join(&self.path, setting.name);
            let span = self.table.and_then(|table| table.get(setting.name)).map_or(0..0, Spanned::span);
            self.reader.note(&span, &key, format!("must lie between {min} and {max}"));
        }
        Some(value)
    }

    /// The tables one level below, by name: `[gate.tests.NAME]`.
    pub(crate) fn named(&self) -> Vec<(String, Scope<'r, 's>)> {
        let mut scopes = Vec::new();
        for (key, value) in self.table.into_iter().flatten() {
            let name = key.get_ref().to_string();
            let path = join(&self.path, &name);
            self.reader.places().insert(path.clone(), key.span());
            match value.get_ref().as_table() {
                Some(table) => scopes
                    .push((name, Scope { reader: self.reader, path, table: Some(table), span: key.span() })),
                None => {
                    self.reader.note(&value.span(), &path, format!("this is a section: write [{path}]"));
                }
            }
        }
        // In the order of the file, so that of two sections the later one is the second.
        scopes.sort_by_key(|(_, scope)| scope.span.start);
        scopes
    }

    /// Whether the setting is written.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(name))
    }

    /// Notes a mistake at the table's own name.
    pub(crate) fn note(&self, message: impl Into<String>) {
        self.reader.note(&self.span, &self.path, message);
    }
}

fn first(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

/// `path.name`, with the name in quotes where TOML needs them.
pub(crate) fn join(path: &str, name: &str) -> String {
    let bare = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let name = if bare && !name.is_empty() { name.into() } else { quoted(name) };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

fn fallback<T: Value>(setting: &Setting) -> Option<T> {
    match &setting.need {
        Need::Required => None,
        Need::Optional => T::absent(),
        Need::Default(text) => parse(text),
    }
}

/// Reads one TOML value on its own.
pub(crate) fn parse<T: Value>(text: &str) -> Option<T> {
    T::read(&DeValue::parse(text).ok()?, &mut Vec::new())
}

/// A TOML value in the canonical form of its kind.
pub(crate) fn canonical<T: Value>(text: &str) -> Option<String> {
    parse::<T>(text).map(|value| value.write())
}
