//! `printf` of kernels: a format and its arguments as device code sends them.
//!
//! Clang sends every argument in 8 bytes: integers extended, floating-point numbers as f64, strings inline with
//! their NUL and zeros up to the next multiple of 8 (LLVM, AMDGPUEmitPrintf).

use std::{
    ffi::{CString, c_char, c_int},
    sync::{Mutex, PoisonError},
};

/// Where a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    Out,
    Error,
}

/// Messages of the process are printed one after the other.
static TURN: Mutex<()> = Mutex::new(());

unsafe extern "C" {
    /// The C library's streams: a kernel's text keeps its place among the program's own.
    static stdout: *mut libc::FILE;
    static stderr: *mut libc::FILE;
}

/// Prints `arguments` through `format`; yields the number of bytes, −1 when the C library fails.
pub(crate) fn print(target: Target, format: &[u8], arguments: &[u8]) -> i64 {
    let text = formatted(format, arguments);
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the C library's streams exist as long as the process; `text` has its own length of bytes.
    let written = unsafe {
        let file = match target {
            Target::Out => stdout,
            Target::Error => stderr,
        };
        libc::fwrite(text.as_ptr().cast(), 1, text.len(), file)
    };
    if written == text.len() { text.len() as i64 } else { -1 }
}

/// Hands what was printed to the operating system, as the end of a kernel does.
pub(crate) fn flush() {
    // SAFETY: as in `print`.
    unsafe {
        libc::fflush(stdout);
        libc::fflush(stderr);
    }
}

/// The text of a message. A conversion without an argument prints nothing; `%n` prints and stores nothing.
fn formatted(format: &[u8], arguments: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut arguments = Arguments { rest: arguments };
    let mut rest = format;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let Some((conversion, length)) = Conversion::parse(rest) else {
            // An incomplete conversion at the end is text.
            break;
        };
        rest = &rest[length..];
        conversion.print(&mut arguments, &mut out);
    }
    out.extend_from_slice(rest);
    out
}

/// The arguments that no conversion has taken yet.
struct Arguments<'a> {
    rest: &'a [u8],
}

impl<'a> Arguments<'a> {
    fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*word))
    }

    /// A string without its NUL.
    fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let text = &self.rest[..end];
        self.rest = self.rest.get((end + 1).next_multiple_of(8)..).unwrap_or(&[]);
        Some(text)
    }
}

/// One `%…` of a format.
struct Conversion {
    flags: Vec<u8>,
    width: Count,
    precision: Count,
    /// `h`, `hh`, `l`, `ll`, `j`, `z`, `t`.
    length: Vec<u8>,
    kind: u8,
}

/// A width or precision.
#[derive(Clone, Copy)]
enum Count {
    None,
    Given(u32),
    /// `*`: in an argument.
    Argument,
}

/// Longer fields are cut: a kernel's mistake must not exhaust the host.
const MOST_DIGITS: u32 = 4096;

impl Conversion {
    /// The conversion at the start of `text`, which begins with `%`, and its length.
    fn parse(text: &[u8]) -> Option<(Conversion, usize)> {
        let mut at = 1;
        let mut take = |accept: &dyn Fn(u8) -> bool| {
            let start = at;
            while text.get(at).copied().is_some_and(accept) {
                at += 1;
            }
            text[start..at].to_vec()
        };
        let flags = take(&|byte| b"-+ #0".contains(&byte));
        let width = count(&take(&|byte| byte == b'*' || byte.is_ascii_digit()));
        let precision = match take(&|byte| byte == b'.').is_empty() {
            true => Count::None,
            false => match take(&|byte| byte == b'*' || byte.is_ascii_digit()) {
                digits if digits.is_empty() => Count::Given(0),
                digits => count(&digits),
            },
        };
        let length = take(&|byte| b"hlqjztL".contains(&byte));
        let kind = *text.get(at)?;
        Some((Conversion { flags, width, precision, length, kind }, at + 1))
    }

    fn print(&self, arguments: &mut Arguments<'_>, out: &mut Vec<u8>) {
        if self.kind == b'%' {
            return out.push(b'%');
        }
        let mut star = |count| match count {
            Count::None => None,
            Count::Given(count) => Some(count as i32),
            Count::Argument => arguments.word().map(|word| word as i32),
        };
        let (width, precision) = (star(self.width), star(self.precision));
        let most = MOST_DIGITS as i32;
        let mut spec = vec![b'%'];
        spec.extend_from_slice(&self.flags);
        if let Some(width) = width {
            spec.extend_from_slice(width.clamp(-most, most).to_string().as_bytes());
        }
        // A negative precision counts as none (C standard, fprintf).
        if let Some(precision) = precision.filter(|precision| *precision >= 0) {
            spec.extend_from_slice(format!(".{}", precision.min(most)).as_bytes());
        }
        let mut finish = |length: &[u8], kind: u8| {
            spec.extend_from_slice(length);
            spec.push(kind);
            CString::new(std::mem::take(&mut spec)).unwrap_or_default()
        };
        match self.kind {
            b's' => {
                let Some(text) = arguments.text() else { return };
                let text = CString::new(text).unwrap_or_default();
                append(out, &finish(b"", b's'), Value::Text(text));
            }
            b'd' | b'i' | b'u' | b'o' | b'x' | b'X' => {
                let Some(word) = arguments.word() else { return };
                // Extended to the whole word by the length that the format says, then printed as one.
                let value = narrow(word, &self.length, matches!(self.kind, b'd' | b'i'));
                append(out, &finish(b"ll", self.kind), Value::Word(value));
            }
            b'c' => {
                let Some(word) = arguments.word() else { return };
                append(out, &finish(b"", b'c'), Value::Int(word as u8 as c_int));
            }
            b'p' => {
                let Some(word) = arguments.word() else { return };
                append(out, &finish(b"", b'p'), Value::Word(word));
            }
            b'f' | b'F' | b'e' | b'E' | b'g' | b'G' | b'a' | b'A' => {
                let Some(word) = arguments.word() else { return };
                append(out, &finish(b"", self.kind), Value::Float(f64::from_bits(word)));
            }
            b'n' => {
                let _address = arguments.word();
            }
            // Not a conversion of C: its text.
            other => {
                out.extend_from_slice(finish(&self.length, b'%').to_bytes());
                out.pop();
                out.push(other);
            }
        }
    }
}

fn count(digits: &[u8]) -> Count {
    match digits {
        [] => Count::None,
        [b'*', ..] => Count::Argument,
        digits => {
            let value = digits.iter().fold(0u32, |value, digit| {
                value.saturating_mul(10).saturating_add((digit.wrapping_sub(b'0') as u32).min(9))
            });
            Count::Given(value.min(MOST_DIGITS))
        }
    }
}

/// The low bytes that a length modifier means, extended.
fn narrow(word: u64, length: &[u8], signed: bool) -> u64 {
    match (length, signed) {
        (b"hh", true) => word as i8 as u64,
        (b"hh", false) => word as u8 as u64,
        (b"h", true) => word as i16 as u64,
        (b"h", false) => word as u16 as u64,
        (b"", true) => word as i32 as u64,
        (b"", false) => word as u32 as u64,
        _ => word,
    }
}

enum Value {
    Word(u64),
    Int(c_int),
    Float(f64),
    Text(CString),
}

/// Appends one value as the C library prints it.
fn append(out: &mut Vec<u8>, spec: &CString, value: Value) {
    let mut buffer = vec![0u8; 512];
    for _ in 0..2 {
        let (target, room) = (buffer.as_mut_ptr().cast::<c_char>(), buffer.len());
        let spec = spec.as_ptr();
        // SAFETY: the buffer has `room` bytes, the specification is NUL-terminated and has one conversion, whose
        // argument has the type that follows: `Conversion::print` chose both together.
        let length = unsafe {
            match &value {
                Value::Word(word) => libc::snprintf(target, room, spec, *word),
                Value::Int(int) => libc::snprintf(target, room, spec, *int),
                Value::Float(float) => libc::snprintf(target, room, spec, *float),
                Value::Text(text) => libc::snprintf(target, room, spec, text.as_ptr()),
            }
        };
        let Ok(length) = usize::try_from(length) else { return };
        if length < room {
            out.extend_from_slice(&buffer[..length]);
            return;
        }
        buffer.resize(length + 1, 0);
    }
}
