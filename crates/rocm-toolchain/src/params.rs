//! `kernels/<op>/params.h`: the kernel-argument structs, one truth for C++ and Rust.
//!
//! The header is ordinary C++ to the compiler, and a restricted grammar to this parser, so that both sides
//! lay the struct out alike without a C++ front end in the build:
//!
//! ```text
//! header  = { directive | comment | struct }
//! struct  = "struct" Name "{" { field } "}" ";"
//! field   = [ "const" ] type [ "*" ] name [ "[" number "]" ] ";"
//! type    = "float" | "double" | "int8_t" … "uint64_t"      (or any name, when a pointer)
//! ```
//!
//! `///` comments become Rust documentation. Padding must be spelled out as a field: then every byte of the
//! struct is a field's, and the Rust struct can be copied as bytes.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::{Error, Result};

/// The structs of one `params.h`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// In file order.
    pub structs: Vec<Struct>,
}

/// One kernel-argument struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struct {
    /// Name, the same in both languages.
    pub name: String,
    /// Documentation lines.
    pub docs: Vec<String>,
    /// In layout order.
    pub fields: Vec<Field>,
    /// Bytes.
    pub size: usize,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, the same in both languages.
    pub name: String,
    /// Documentation lines.
    pub docs: Vec<String>,
    /// Type of one element.
    pub ty: FieldType,
    /// Elements, when an array.
    pub array: Option<usize>,
    /// Bytes from the start of the struct.
    pub offset: usize,
}

/// A type with the same size and alignment in C++ for the GPU and in Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A number; holds Rust's name for it.
    Number(&'static str),
    /// A device pointer; holds the C++ spelling.
    Pointer(String),
}

/// C++ name, Rust name, bytes.
const NUMBERS: [(&str, &str, usize); 10] = [
    ("int8_t", "i8", 1),
    ("uint8_t", "u8", 1),
    ("int16_t", "i16", 2),
    ("uint16_t", "u16", 2),
    ("int32_t", "i32", 4),
    ("uint32_t", "u32", 4),
    ("float", "f32", 4),
    ("int64_t", "i64", 8),
    ("uint64_t", "u64", 8),
    ("double", "f64", 8),
];

impl FieldType {
    /// Rust's type; a device pointer is its address, which no host code can dereference by mistake.
    #[must_use]
    pub fn rust(&self) -> &'static str {
        match self {
            Self::Number(name) => name,
            Self::Pointer(_) => "u64",
        }
    }

    fn size(&self) -> usize {
        NUMBERS.iter().find(|n| n.1 == self.rust()).map_or(8, |n| n.2)
    }
}

impl Params {
    /// Reads `file`.
    ///
    /// # Errors
    /// [`Error::Params`] with the line.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).map_err(|e| Error::read(file, e))?;
        Self::parse(&text).map_err(|(line, what)| Error::Params { file: file.into(), line, what })
    }

    /// Parses the text of a `params.h`.
    ///
    /// # Errors
    /// One-based line, and what is wrong.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0 };
        let mut structs: Vec<Struct> = Vec::new();
        while parser.peek().is_some() {
            let parsed = parser.structure()?;
            if structs.iter().any(|s| s.name == parsed.name) {
                return Err((parser.line(), format!("struct {} is defined twice", parsed.name)));
            }
            structs.push(parsed);
        }
        Ok(Self { structs })
    }

    /// The struct of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Struct> {
        self.structs.iter().find(|s| s.name == name)
    }

    /// The structs as Rust source.
    #[must_use]
    pub fn to_rust(&self) -> String {
        let mut out = String::new();
        for s in &self.structs {
            s.write_rust(&mut out).expect("writing to a String cannot fail");
        }
        out
    }
}

impl Struct {
    fn write_rust(&self, out: &mut String) -> std::fmt::Result {
        for doc in &self.docs {
            writeln!(out, "/// {doc}")?;
        }
        writeln!(out, "#[repr(C)]")?;
        writeln!(
            out,
            "#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]"
        )?;
        writeln!(out, "pub struct {} {{", self.name)?;
        for field in &self.fields {
            for doc in &field.docs {
                writeln!(out, "    /// {doc}")?;
            }
            if let FieldType::Pointer(spelling) = &field.ty {
                writeln!(out, "    ///\n    /// Device address of `{spelling}`.")?;
            }
            match field.array {
                Some(n) => writeln!(out, "    pub {}: [{}; {n}],", field.name, field.ty.rust())?,
                None => writeln!(out, "    pub {}: {},", field.name, field.ty.rust())?,
            }
        }
        writeln!(out, "}}\nconst _: () = {{")?;
        writeln!(out, "    assert!(core::mem::size_of::<{}>() == {});", self.name, self.size)?;
        for field in &self.fields {
            let Field { name, offset, .. } = field;
            writeln!(out, "    assert!(core::mem::offset_of!({}, {name}) == {offset});", self.name)?;
        }
        writeln!(out, "}};")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Doc(String),
    Word(String),
    Sign(char),
}

/// Tokens with their lines. Directives, plain comments and static assertions are the compiler's business.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, (usize, String)> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(i, l)| (i + 1, l)) {
        let trimmed = line.trim();
        if trimmed.starts_with('#') || trimmed.starts_with("static_assert") {
            if trimmed.ends_with('\\') || (trimmed.starts_with("static_assert") && !trimmed.ends_with(';')) {
                return Err((number, "directives and static_assert must stay on one line".into()));
            }
            continue;
        }
        let (code, comment) = line.split_once("//").map_or((line, None), |(code, c)| (code, Some(c)));
        let mut rest = code.trim_start();
        while let Some(c) = rest.chars().next() {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (token, end) = match end {
                0 if "{};*[]".contains(c) => (Token::Sign(c), 1),
                0 => {
                    return Err((
                        number,
                        format!("unexpected '{c}'; only structs of plain fields are shared with Rust"),
                    ));
                }
                end => (Token::Word(rest[..end].to_owned()), end),
            };
            tokens.push((number, token));
            rest = rest[end..].trim_start();
        }
        if let Some(doc) = comment.and_then(|c| c.strip_prefix('/')) {
            if !code.trim().is_empty() {
                return Err((number, "a /// comment stands on its own line, above what it describes".into()));
            }
            tokens.push((number, Token::Doc(doc.trim().to_owned())));
        }
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.1)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at.min(self.tokens.len().saturating_sub(1))).map_or(1, |t| t.0)
    }

    fn fail<T>(&self, expected: &str) -> Result<T, (usize, String)> {
        let found = match self.peek() {
            None => "the end of the file".to_owned(),
            Some(Token::Doc(_)) => "a /// comment".to_owned(),
            Some(Token::Word(w)) => format!("\"{w}\""),
            Some(Token::Sign(c)) => format!("'{c}'"),
        };
        Err((self.line(), format!("expected {expected}, found {found}")))
    }

    fn docs(&mut self) -> Vec<String> {
        let mut docs = Vec::new();
        while let Some(Token::Doc(line)) = self.peek() {
            docs.push(line.clone());
            self.at += 1;
        }
        docs
    }

    fn word(&mut self, expected: &str) -> Result<String, (usize, String)> {
        match self.peek() {
            Some(Token::Word(w)) => {
                let word = w.clone();
                self.at += 1;
                Ok(word)
            }
            _ => self.fail(expected),
        }
    }

    fn accept(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: char) -> Result<(), (usize, String)> {
        if self.accept(sign) { Ok(()) } else { self.fail(&format!("'{sign}'")) }
    }

    fn structure(&mut self) -> Result<Struct, (usize, String)> {
        let docs = self.docs();
        let line = self.line();
        if self.word("\"struct\"")? != "struct" {
            self.at -= 1;
            return self.fail("\"struct\"");
        }
        let name = self.word("the struct's name")?;
        if docs.is_empty() {
            return Err((line, format!("struct {name} has no /// comment")));
        }
        self.expect('{')?;
        let (mut fields, mut offset, mut alignment) = (Vec::<Field>::new(), 0_usize, 1_usize);
        while !self.accept('}') {
            let field = self.field(&name, offset)?;
            if fields.iter().any(|f| f.name == field.name) {
                return Err((self.line(), format!("{name} has two fields named {}", field.name)));
            }
            alignment = alignment.max(field.ty.size());
            offset += field.ty.size() * field.array.unwrap_or(1);
            fields.push(field);
        }
        if fields.is_empty() {
            return Err((self.line(), format!("struct {name} has no fields")));
        }
        if !offset.is_multiple_of(alignment) {
            let missing = offset.next_multiple_of(alignment) - offset;
            return Err((
                self.line(),
                format!("{name} ends with {missing} bytes of implicit padding: {}", spell_out(missing)),
            ));
        }
        self.expect(';')?;
        Ok(Struct { name, docs, fields, size: offset })
    }

    fn field(&mut self, owner: &str, offset: usize) -> Result<Field, (usize, String)> {
        let docs = self.docs();
        let line = self.line();
        let mut spelling = self.word("a field's type or '}'")?;
        if spelling == "const" {
            spelling = format!("const {}", self.word("a type")?);
        }
        let ty = if self.accept('*') {
            FieldType::Pointer(spelling)
        } else {
            match NUMBERS.iter().find(|n| n.0 == spelling) {
                Some(number) => FieldType::Number(number.1),
                None => {
                    let known = NUMBERS.map(|n| n.0).join(", ");
                    return Err((
                        line,
                        format!("type \"{spelling}\" is not shared with Rust; use {known} or a pointer"),
                    ));
                }
            }
        };
        let name = self.word("the field's name")?;
        if docs.is_empty() {
            return Err((line, format!("{owner}::{name} has no /// comment")));
        }
        if RUST_KEYWORDS.contains(&name.as_str()) {
            return Err((line, format!("{owner}::{name} is a Rust keyword")));
        }
        let array = if self.accept('[') {
            let length = self.word("the array's length")?;
            let parsed = length.parse().ok().filter(|n| (1..=32).contains(n));
            self.expect(']')?;
            Some(parsed.ok_or((line, format!("array length \"{length}\" is not a number from 1 to 32")))?)
        } else {
            None
        };
        let missing = offset.next_multiple_of(ty.size()) - offset;
        if missing != 0 {
            return Err((
                line,
                format!("{missing} bytes of implicit padding before {owner}::{name}: {}", spell_out(missing)),
            ));
        }
        self.expect(';')?;
        Ok(Field { name, docs, ty, array, offset })
    }
}

const RUST_KEYWORDS: [&str; 12] =
    ["as", "box", "dyn", "fn", "in", "loop", "match", "mod", "move", "ref", "type", "where"];

fn spell_out(missing: usize) -> String {
    match missing {
        4 => "declare a uint32_t field for it".to_owned(),
        n => format!("declare uint8_t padding[{n}] for it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "// plain\n#pragma once\n#include <stdint.h>\n\n/// Copies.\nstruct Copy {\n  /// From.\n  const uint8_t* from;\n  \
                        /// Rows.\n  uint32_t rows; // note\n  /// Unused.\n  uint32_t padding[1];\n};\nstatic_assert(sizeof(Copy) == 16);\n";

    #[test]
    fn a_struct_keeps_its_layout_and_docs() {
        let params = Params::parse(GOOD).unwrap();
        let copy = params.get("Copy").unwrap();
        assert_eq!((copy.size, copy.docs.as_slice()), (16, &["Copies.".to_owned()][..]));
        let offsets: Vec<_> = copy.fields.iter().map(|f| (f.name.as_str(), f.offset, f.array)).collect();
        assert_eq!(offsets, [("from", 0, None), ("rows", 8, None), ("padding", 12, Some(1))]);
        let rust = params.to_rust();
        assert!(rust.contains("/// Device address of `const uint8_t`.\n    pub from: u64,"), "{rust}");
        assert!(rust.contains("pub padding: [u32; 1],"), "{rust}");
        assert!(rust.contains("size_of::<Copy>() == 16"), "{rust}");
    }

    #[test]
    fn each_mistake_has_its_line() {
        let cases = [
            (GOOD.replace("uint32_t rows", "size_t rows"), 10, "type \"size_t\" is not shared"),
            (
                GOOD.replace("uint32_t padding[1]", "uint64_t after"),
                12,
                "4 bytes of implicit padding before Copy::after",
            ),
            (GOOD.replace("padding[1]", "padding[2]"), 13, "ends with 4 bytes of implicit padding"),
            (GOOD.replace("padding[1]", "padding[N]"), 12, "is not a number from 1 to 32"),
            (GOOD.replace("  /// Rows.\n", ""), 9, "Copy::rows has no /// comment"),
            (GOOD.replace("rows;", "rows, columns;"), 10, "unexpected ','"),
            (GOOD.replace("rows;", "type;"), 10, "Rust keyword"),
            (GOOD.replace("struct Copy {", "class Copy {"), 6, "expected \"struct\", found \"class\""),
            (GOOD.replace("};", "}"), 13, "expected ';', found the end of the file"),
            (format!("{GOOD}{GOOD}"), 27, "defined twice"),
            ("/// Empty.\nstruct E {\n};\n".into(), 3, "has no fields"),
        ];
        for (text, line, expected) in cases {
            let (found_line, what) = Params::parse(&text).unwrap_err();
            assert!(what.contains(expected), "{what:?} lacks {expected:?}");
            assert_eq!(found_line, line, "{what}");
        }
    }
}
