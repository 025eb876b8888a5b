//! A kernel argument as a person writes it.
//!
//! | text | argument |
//! | --- | --- |
//! | `u32=7`, `f32=-1.5`, `bf16=0x3f80` | a value; hexadecimal digits are its bits |
//! | `f32x256=normal` | the address of a buffer of 256 elements |
//! | `f32x256,out` | the same, poisoned before, shown afterwards; `,out:FILE` writes it to a file |
//! | `hex=00ff` | a struct by value, byte by byte |
//! | `_` | zeros, for padding that the metadata lists |
//!
//! A buffer's contents: `zeros`, `poison` (0xa5 bytes), `index` (0, 1, 2 …), `normal` (deviates), `bits` (any bytes),
//! `@FILE`, or one value for all.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use crate::check::inputs::Source;
use crate::dtype::Dtype;
use crate::{Error, Result};

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A number.
    Value {
        /// Its type.
        dtype: Dtype,
        /// Its bits.
        code: u64,
    },
    /// A struct by value.
    Bytes(Vec<u8>),
    /// The address of device memory.
    Buffer(Buffer),
    /// Zeros, as many as the parameter has bytes.
    Zeros,
}

/// Device memory that a kernel gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Type of its elements.
    pub dtype: Dtype,
    /// How many; they fill whole bytes.
    pub count: usize,
    /// What it holds before.
    pub fill: Fill,
    /// Whether its contents are a result.
    pub output: bool,
    /// The file that gets them.
    pub dump: Option<PathBuf>,
}

/// What a buffer holds before the launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Zero bytes.
    Zeros,
    /// Bytes 0xa5.
    Poison,
    /// Element i is the number i, or the nearest or largest that the type has.
    Index,
    /// Normal deviates; for floats.
    Normal,
    /// Random bytes.
    Bits,
    /// The same element everywhere.
    Value(u64),
    /// The file's bytes.
    File(PathBuf),
}

const POISON: u8 = 0xa5;

impl Buffer {
    /// Its contents before the launch.
    ///
    /// # Errors
    /// [`Error::Read`] of the file, [`Error::Option`] when it has another size or the buffer does not fit into this
    /// machine's memory.
    pub fn image(&self, source: &mut Source) -> Result<Vec<u8>> {
        let Self { dtype, count, .. } = *self;
        let size = dtype.bytes(count).expect("checked when it was read");
        // The bytes, and while they are made a code of eight bytes for each element.
        let room = size.saturating_add(count.saturating_mul(8));
        if Vec::<u8>::new().try_reserve_exact(room).is_err() {
            let reason = format!("its {size} bytes do not fit into this machine's memory");
            return Err(Error::Option { option: "--arg", value: self.to_string(), reason });
        }
        Ok(match &self.fill {
            Fill::Zeros => vec![0; size],
            Fill::Poison => vec![POISON; size],
            Fill::Index => dtype.pack(&(0..count).map(|i| dtype.encode(i as f64)).collect::<Vec<_>>()),
            Fill::Normal => {
                let codes: Vec<_> = (0..count).map(|_| dtype.encode(f64::from(source.normal()))).collect();
                dtype.pack(&codes)
            }
            Fill::Bits => source.bytes(size),
            Fill::Value(code) => dtype.pack(&vec![*code; count]),
            Fill::File(path) => {
                let bytes = fs::read(path).map_err(|source| Error::Read { path: path.clone(), source })?;
                if bytes.len() != size {
                    let reason = format!("{} has {} bytes, not {size}", path.display(), bytes.len());
                    return Err(Error::Option { option: "--arg", value: self.to_string(), reason });
                }
                bytes
            }
        })
    }
}

impl Argument {
    /// Bytes in the argument segment; `None` for zeros, which take any number.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        match self {
            Self::Value { dtype, .. } => Some((dtype.bits() as usize).div_ceil(8)),
            Self::Bytes(bytes) => Some(bytes.len()),
            Self::Buffer(_) => Some(8),
            Self::Zeros => None,
        }
    }

    /// The bytes themselves, of a buffer at `address`.
    #[must_use]
    pub fn bytes(&self, address: u64) -> Vec<u8> {
        match self {
            Self::Value { code, .. } => code.to_le_bytes()[..self.size().unwrap_or(0)].to_vec(),
            Self::Bytes(bytes) => bytes.clone(),
            Self::Buffer(_) => address.to_le_bytes().to_vec(),
            Self::Zeros => Vec::new(),
        }
    }
}

impl FromStr for Argument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "_" {
            return Ok(Self::Zeros);
        }
        if let Some(digits) = text.strip_prefix("hex=") {
            return hex(digits)
                .map(Self::Bytes)
                .ok_or_else(|| format!("{digits:?} is no pairs of hexadecimal digits"));
        }
        let (head, rest) = match text.find(['=', ',']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let unknown = || {
            let names = Dtype::ALL.map(Dtype::name).join(", ");
            format!("{head:?} begins with no type; the types are {names}, and hex")
        };
        if let Some(dtype) = Dtype::from_name(head) {
            let value =
                rest.strip_prefix('=').ok_or("a value follows the type: u32=7; or a count: u32x64=zeros")?;
            let code = dtype.parse(value).ok_or_else(|| format!("{value:?} is no {dtype}"))?;
            return Ok(Self::Value { dtype, code });
        }
        let (name, count) = head.rsplit_once('x').ok_or_else(unknown)?;
        let dtype = Dtype::from_name(name).ok_or_else(unknown)?;
        let count: usize = count.parse().map_err(|_| format!("{count:?} is no number of elements"))?;
        if dtype.bytes(count).is_none() {
            return Err(format!("{count} elements of {} bits fill no whole number of bytes", dtype.bits()));
        }
        let (fill, output) = match rest.split_once(",out") {
            Some((fill, output)) => (fill, Some(output)),
            None => (rest, None),
        };
        let dump = match output {
            None | Some("") => None,
            Some(file) => {
                let file = file.strip_prefix(':').filter(|file| !file.is_empty());
                Some(PathBuf::from(file.ok_or("after \",out\" comes nothing, or \":FILE\"")?))
            }
        };
        let fill = match fill.strip_prefix('=') {
            Some(fill) => Fill::parse(dtype, fill)?,
            None if fill.is_empty() && output.is_some() => Fill::Poison,
            None => return Err(format!("what the buffer holds is missing, such as {head}=zeros")),
        };
        Ok(Self::Buffer(Buffer { dtype, count, fill, output: output.is_some(), dump }))
    }
}

impl Fill {
    fn parse(dtype: Dtype, text: &str) -> Result<Self, String> {
        Ok(match text {
            "zeros" => Self::Zeros,
            "poison" => Self::Poison,
            "index" => Self::Index,
            "normal" if dtype.is_float() => Self::Normal,
            "normal" => return Err(format!("{dtype} has no normal deviates; take bits, index or a value")),
            "bits" => Self::Bits,
            _ => match text.strip_prefix('@') {
                Some(file) => Self::File(file.into()),
                None => Self::Value(dtype.parse(text).ok_or_else(|| {
                    format!("{text:?} is neither zeros, poison, index, normal, bits, @FILE nor one {dtype}")
                })?),
            },
        })
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zeros => f.write_str("zeros"),
            Self::Poison => f.write_str("poison"),
            Self::Index => f.write_str("index"),
            Self::Normal => f.write_str("normal"),
            Self::Bits => f.write_str("bits"),
            Self::Value(code) => write!(f, "{code:#x}"),
            Self::File(path) => write!(f, "@{}", path.display()),
        }
    }
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}={}", self.dtype, self.count, self.fill)?;
        match (&self.dump, self.output) {
            (Some(file), _) => write!(f, ",out:{}", file.display()),
            (None, true) => f.write_str(",out"),
            (None, false) => Ok(()),
        }
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { dtype, code } => write!(f, "{dtype}={}", dtype.show(*code)),
            Self::Bytes(bytes) => {
                f.write_str("hex=")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Buffer(buffer) => buffer.fmt(f),
            Self::Zeros => f.write_str("_"),
        }
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let pair = |pair: &[u8]| Some((nibble(pair[0])? << 4 | nibble(pair[1])?) as u8);
    digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2).map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_shown_the_same_way() {
        for text in [
            "u32=7",
            "f32=-1.5",
            "hex=00ff10",
            "_",
            "bf16x256=normal",
            "f32x256=poison,out",
            "e2m1x64=bits,out:/tmp/a.bin",
            "u8x4=@in.bin",
            "f32x3=0x3f800000",
        ] {
            assert_eq!(text.parse::<Argument>().unwrap().to_string(), text);
        }
        assert_eq!("f32x2,out".parse::<Argument>(), "f32x2=poison,out".parse());
        assert_eq!("f32x3=1".parse::<Argument>(), "f32x3=0x3f800000".parse());
    }

    #[test]
    fn a_buffer_beyond_all_memory_is_an_error() {
        let Argument::Buffer(buffer) = format!("u8x{}=zeros", usize::MAX / 16).parse().unwrap() else {
            panic!("a buffer")
        };
        let error = buffer.image(&mut Source::new("seed")).unwrap_err();
        assert!(error.to_string().contains("do not fit into this machine's memory"), "{error}");
    }

    #[test]
    fn mistakes_say_what_is_wrong() {
        for (text, part) in [
            ("", "begins with no type"),
            ("float=1", "begins with no type"),
            ("u32", "a value follows"),
            ("u8=256", "is no u8"),
            ("f32x=zeros", "is no number of elements"),
            ("f32x4", "is missing"),
            ("f32x4=zero", "is neither"),
            ("u32x4=normal", "no normal deviates"),
            ("e2m1x3=zeros", "no whole number of bytes"),
            ("f32x4,output", "after \",out\""),
            ("hex=0", "pairs"),
            ("hex=zz", "pairs"),
        ] {
            let error = text.parse::<Argument>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn contents_are_what_they_say() {
        let image = |text: &str| {
            let Argument::Buffer(buffer) = text.parse().unwrap() else { panic!("{text} is no buffer") };
            buffer.image(&mut Source::new("seed")).unwrap()
        };
        assert_eq!(image("u16x3=index"), [0, 0, 1, 0, 2, 0]);
        assert_eq!(image("e2m1x4=1"), [0x22, 0x22]);
        assert_eq!((image("u8x2=poison"), image("u8x2=zeros")), (vec![0xa5; 2], vec![0; 2]));
        assert_eq!(image("f32x64=normal"), image("f32x64=normal"));
        assert_ne!(image("u8x64=bits")[..32], image("u8x64=bits")[32..]);
    }
}
