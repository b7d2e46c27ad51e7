//! Header fields as signatures see them: each octet as it stands, from the bottom up, canonicalised
//! (RFC 6376 §3.4, §5.4.2).

use std::collections::HashMap;

/// One field with its folds, without its final line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawField<'a> {
    /// Everything, name and colon included.
    pub(crate) raw: &'a [u8],
    /// Where the colon is.
    colon: usize,
}

impl<'a> RawField<'a> {
    pub(crate) fn name(&self) -> &'a [u8] {
        self.raw[..self.colon].trim_ascii_end()
    }

    pub(crate) fn value(&self) -> &'a [u8] {
        &self.raw[self.colon + 1..]
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }
}

/// How header and body are made the same before they are hashed (RFC 6376 §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Canonical {
    Simple,
    Relaxed,
}

/// The fields of a header from the top. A line without a colon that begins one is passed over.
pub(crate) fn fields(header: &[u8]) -> Vec<RawField<'_>> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < header.len() {
        let end = field_end(header, at);
        let raw = without_line_end(&header[at..end]);
        at = end;
        if raw.is_empty() {
            break;
        }
        if let Some(colon) = memchr::memchr(b':', raw) {
            fields.push(RawField { raw, colon });
        }
    }
    fields
}

/// Behind the line end that no white space follows.
pub(crate) fn field_end(header: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(line) = memchr::memchr(b'\n', &header[at..]) {
        at += line + 1;
        // An empty line is no field that could go on.
        let empty = without_line_end(&header[from..at]).is_empty();
        if empty || !matches!(header.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
    header.len()
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// rfc6376 §5.4.2: the fields that `names` name, each name the next one up from the bottom, then none.
pub(crate) fn signed<'a>(fields: &[RawField<'a>], names: &[String]) -> Vec<RawField<'a>> {
    let mut by_name: HashMap<Vec<u8>, Vec<RawField<'a>>> = HashMap::new();
    for field in fields {
        by_name.entry(field.name().to_ascii_lowercase()).or_default().push(*field);
    }
    names.iter().filter_map(|name| by_name.get_mut(name.to_ascii_lowercase().as_bytes())?.pop()).collect()
}

/// Writes a field without its final line end.
pub(crate) fn write(field: RawField<'_>, how: Canonical, out: &mut Vec<u8>) {
    match how {
        Canonical::Simple => out.extend_from_slice(field.raw),
        Canonical::Relaxed => {
            // rfc6376 §3.4.2
            out.extend(field.name().iter().map(u8::to_ascii_lowercase));
            out.push(b':');
            write_relaxed(field.value(), out);
        }
    }
}

fn write_relaxed(value: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    let mut space = false;
    for &byte in value {
        match byte {
            b' ' | b'\t' => space = true,
            b'\r' | b'\n' => {}
            byte => {
                if space && out.len() > begin {
                    out.push(b' ');
                }
                space = false;
                out.push(byte);
            }
        }
    }
}

/// Writes the field that holds the signature: the value of `b=` taken out (RFC 6376 §3.7).
pub(crate) fn write_unsigned(field: RawField<'_>, how: Canonical, out: &mut Vec<u8>) {
    let mut raw = field.raw[..=field.colon].to_vec();
    for (at, tag) in field.value().split(|byte| *byte == b';').enumerate() {
        if at > 0 {
            raw.push(b';');
        }
        match memchr::memchr(b'=', tag) {
            Some(equals) if tag[..equals].trim_ascii() == b"b" => raw.extend_from_slice(&tag[..=equals]),
            _ => raw.extend_from_slice(tag),
        }
    }
    write(RawField { raw: &raw, colon: field.colon }, how, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"A: X\r\nB : Y\t\r\n\tZ  \r\nno field\r\nA: last\r\n\r\nC: body\r\n";

    fn canonical(field: RawField<'_>, how: Canonical) -> String {
        let mut out = Vec::new();
        write(field, how, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The example of RFC 6376 §3.4.5.
    #[test]
    fn fields_are_canonicalised() {
        let fields = fields(HEADER);
        assert_eq!(fields.len(), 3);
        let relaxed: Vec<_> = fields.iter().map(|field| canonical(*field, Canonical::Relaxed)).collect();
        assert_eq!(relaxed, ["a:X", "b:Y Z", "a:last"]);
        assert_eq!(canonical(fields[1], Canonical::Simple), "B : Y\t\r\n\tZ  ");
    }

    #[test]
    fn the_lowest_field_is_signed_first() {
        let fields = fields(HEADER);
        let names = ["a", "A", "a", "C"].map(str::to_owned);
        let values: Vec<_> = signed(&fields, &names).iter().map(|field| field.value().trim_ascii()).collect();
        assert_eq!(values, [&b"last"[..], b"X"]);
    }

    #[test]
    fn only_the_signature_is_taken_out() {
        let fields = fields(b"S: a=b; bh=B=; b=SIG\r\n NATURE== ; c=d\r\n");
        let mut out = Vec::new();
        write_unsigned(fields[0], Canonical::Simple, &mut out);
        assert_eq!(out, b"S: a=b; bh=B=; b=; c=d");
    }
}
