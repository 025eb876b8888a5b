//! Compressed offload bundles (`CCOB`), as `--offload-compress` writes them.
//!
//! | version | header after magic, version (u16) and method (u16) |
//! | --- | --- |
//! | 1 | bundle's bytes (u32), hash (u64) |
//! | 2 | file's bytes (u32), bundle's bytes (u32), hash (u64) |
//! | 3 | file's bytes (u64), bundle's bytes (u64), hash (u64) |
//!
//! Method 0 is zlib, 1 Zstandard; both have checks of their own, and the hash is a key for caches
//! (clang, OffloadBundler).

#![forbid(unsafe_code)]

use std::{borrow::Cow, io::Read};

use thiserror::Error;

const MAGIC: &[u8] = b"CCOB";
/// The largest code object that the emulator loads.
const MOST_BYTES: u64 = 1 << 32;
/// What Zstandard's own tools allow without being asked.
const USUAL_WINDOW: u64 = 128 << 20;

/// A compressed bundle of an unknown kind or with damaged content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the compressed offload bundle of {bytes} bytes {reason}; build or copy it again")]
pub struct ExpandError {
    /// Its length.
    pub bytes: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// What the header says.
struct Header {
    zstandard: bool,
    /// Bytes of the bundle.
    bytes: u64,
    /// Bytes of the header.
    length: usize,
}

/// Whether `image` is a compressed bundle that does not say where it ends.
#[must_use]
pub fn is_endless(image: &[u8]) -> bool {
    image.starts_with(MAGIC) && image.get(4..6).is_some_and(|version| version < &[2, 0])
}

/// The image itself, or the bundle that it is the compressed form of.
///
/// # Errors
/// [`ExpandError`].
pub fn expanded(image: &[u8]) -> Result<Cow<'_, [u8]>, ExpandError> {
    if !image.starts_with(MAGIC) {
        return Ok(Cow::Borrowed(image));
    }
    expand(image).map(Cow::Owned).map_err(|reason| ExpandError { bytes: image.len(), reason })
}

fn expand(image: &[u8]) -> Result<Vec<u8>, String> {
    let header = header(image)?;
    if header.bytes > MOST_BYTES {
        return Err(format!("would have {} bytes, more than {MOST_BYTES}", header.bytes));
    }
    let content = &image[header.length..];
    let limit = header.bytes as usize;
    let bundle = if header.zstandard {
        let window = header.bytes.max(USUAL_WINDOW);
        let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(content, window);
        let mut bundle = Vec::new();
        let mut decoder =
            decoder.map_err(|error| format!("is no Zstandard stream: {error}"))?.take(header.bytes + 1);
        decoder.read_to_end(&mut bundle).map_err(|error| format!("does not expand: {error}"))?;
        bundle
    } else {
        miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(content, limit)
            .map_err(|error| format!("does not expand: {error}"))?
    };
    if bundle.len() != limit {
        return Err(format!("expands to other than the {limit} bytes that its header says"));
    }
    Ok(bundle)
}

fn header(image: &[u8]) -> Result<Header, String> {
    let field = |at: usize, bytes: usize| -> Result<u64, String> {
        let field = image.get(at..at + bytes).ok_or("ends in its header")?;
        Ok(field.iter().rev().fold(0, |value, byte| value << 8 | *byte as u64))
    };
    let zstandard = match field(6, 2)? {
        0 => false,
        1 => true,
        method => return Err(format!("has the unknown method {method}")),
    };
    let (bytes, length) = match field(4, 2)? {
        1 => (field(8, 4)?, 20),
        2 => (field(12, 4)?, 24),
        3 => (field(16, 8)?, 32),
        version => return Err(format!("has the unknown version {version}")),
    };
    field(length - 8, 8)?;
    Ok(Header { zstandard, bytes, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bundle of version 2 in zlib.
    fn bundle(content: &[u8]) -> Vec<u8> {
        let compressed = miniz_oxide::deflate::compress_to_vec_zlib(content, 6);
        let mut image = b"CCOB\x02\x00\x00\x00".to_vec();
        image.extend((compressed.len() as u32 + 24).to_le_bytes());
        image.extend((content.len() as u32).to_le_bytes());
        image.extend([0; 8]);
        image.extend(compressed);
        image
    }

    #[test]
    fn what_is_not_compressed_stays_where_it_is() {
        assert!(matches!(expanded(b"\x7fELF"), Ok(Cow::Borrowed(b"\x7fELF"))));
        assert_eq!(expanded(&bundle(b"some code")).expect("whole").as_ref(), b"some code");
    }

    #[test]
    fn damage_is_told() {
        let whole = bundle(&[7; 1000]);
        for (at, value, expected) in [
            (6, 9, "has the unknown method 9"),
            (4, 9, "has the unknown version 9"),
            (13, 0xff, "expands to other than"),
        ] {
            let mut image = whole.clone();
            image[at] = value;
            let error = expanded(&image).expect_err("damaged").to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.ends_with("; build or copy it again"), "{error}");
        }
        for end in [4, 8, 23, 24, whole.len() - 1] {
            assert!(expanded(&whole[..end]).is_err(), "cut to {end} bytes");
        }
        assert!(is_endless(b"CCOB\x01\x00") && !is_endless(&whole) && !is_endless(b"CCOB"));
    }
}
