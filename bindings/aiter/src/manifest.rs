//! AITER's manifests: a CSV file per family, one row per kernel.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A manifest's rows, not yet typed.
#[derive(Debug)]
pub(crate) struct Manifest {
    path: PathBuf,
    columns: Vec<String>,
    rows: Vec<(usize, Vec<String>)>,
}

/// One row with its manifest, to read fields from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    manifest: &'a Manifest,
    line: usize,
    fields: &'a [String],
}

impl Manifest {
    /// Reads the text of a manifest; `path` is for messages.
    ///
    /// Comments are `/* … */`, lines that begin with `//`, `#` or `;`, and what follows `//`, `#`, or a `;`
    /// after a blank. A `//` after a colon is part of an address. The files have no quoted fields.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self> {
        let fail = |line, reason: String| Error::Manifest { path: path.to_owned(), line, reason };
        let text = without_blocks(text.trim_start_matches('\u{feff}'));
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, without_comment(line)))
            .filter(|(_, line)| !line.trim().is_empty());
        let (_, header) = lines.next().ok_or_else(|| fail(0, "has no header".to_owned()))?;
        let columns: Vec<String> = header.split(',').map(|name| name.trim().to_owned()).collect();
        let mut rows = Vec::new();
        for (line, text) in lines {
            let fields: Vec<String> = text.split(',').map(|field| field.trim().to_owned()).collect();
            if fields.len() > columns.len() {
                return Err(fail(line, format!("{} fields under {} columns", fields.len(), columns.len())));
            }
            rows.push((line, fields));
        }
        Ok(Self { path: path.to_owned(), columns, rows })
    }

    /// The rows, in the file's order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(line, fields)| Row { manifest: self, line: *line, fields })
    }
}

impl<'a> Row<'a> {
    /// A text field that must be there.
    pub(crate) fn text(&self, column: &str) -> Result<&'a str> {
        match self.field(column)? {
            "" => Err(self.fail(format!("{column} is empty"))),
            text => Ok(text),
        }
    }

    /// A number; an empty field is 0, as AITER reads it.
    pub(crate) fn number(&self, column: &str) -> Result<u32> {
        match self.field(column)? {
            "" => Ok(0),
            text => text.parse().map_err(|_| self.fail(format!("{column} is {text:?}, not a number"))),
        }
    }

    /// Whether the manifest has this column. AITER reads 0 where it has not.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.manifest.columns.iter().any(|name| name == column)
    }

    /// A number that is 0 or 1.
    pub(crate) fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.number(column)? != 0)
    }

    fn field(&self, column: &str) -> Result<&'a str> {
        let index = self.manifest.columns.iter().position(|name| name == column);
        let index = index.ok_or_else(|| self.fail(format!("the manifest has no column {column}")))?;
        Ok(self.fields.get(index).map_or("", String::as_str))
    }

    /// An error about this row.
    pub(crate) fn fail(&self, reason: String) -> Error {
        Error::Manifest { path: self.manifest.path.clone(), line: self.line, reason }
    }
}

/// The text without block comments; their line breaks stay, so that line numbers do.
fn without_blocks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once("/*") {
        let (comment, after) = inside.split_once("*/").unwrap_or((inside, ""));
        out.push_str(before);
        out.extend(comment.chars().filter(|&character| character == '\n'));
        rest = after;
    }
    out + rest
}

fn without_comment(line: &str) -> &str {
    let bytes = line.as_bytes();
    let before = |index: usize| index.checked_sub(1).map(|index| bytes[index]);
    let end = (0..bytes.len()).find(|&index| match bytes[index] {
        b'#' => true,
        b'/' => bytes.get(index + 1) == Some(&b'/') && before(index) != Some(b':'),
        b';' => line[..index].trim().is_empty() || matches!(before(index), Some(b' ' | b'\t')),
        _ => false,
    });
    line[..end.unwrap_or(line.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest> {
        Manifest::parse(Path::new("m.csv"), text)
    }

    #[test]
    fn comments_and_empty_fields() {
        let manifest = parse(
            "\u{feff}# first\ntile,knl_name, note\n/* 1,a,b\n2,c,d */\n16, k1 // why\n  ; no\n,k2,http://x ;y\n",
        )
        .unwrap();
        let rows: Vec<_> = manifest.rows().collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].number("tile").unwrap(), 16);
        assert_eq!(rows[0].text("knl_name").unwrap(), "k1");
        assert_eq!(rows[1].number("tile").unwrap(), 0);
        assert_eq!(rows[1].text("note").unwrap(), "http://x");
        assert!(!rows[1].flag("tile").unwrap());
    }

    #[test]
    fn errors_name_the_line_and_the_column() {
        let manifest = parse("tile,knl_name\n\nx,k1\n").unwrap();
        let row = manifest.rows().next().unwrap();
        let text = row.number("tile").unwrap_err().to_string();
        assert!(text.contains("m.csv, line 3") && text.contains("tile is \"x\""), "{text}");
        assert!(row.number("splitK").unwrap_err().to_string().contains("no column splitK"));
        assert!(parse("# nothing\n").unwrap_err().to_string().contains("no header"));
        assert!(parse("a,b\n1,2,3\n").unwrap_err().to_string().contains("3 fields under 2"));
        assert!(parse("a,b\n1\n").unwrap().rows().next().unwrap().text("b").is_err());
    }
}
