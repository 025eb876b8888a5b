//! What a completions server streams: lines, and the events in them.

use std::borrow::Cow;

use serde::Deserialize;

/// Cuts a stream of bytes into lines, wherever the network cut it.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Calls `each` with every line that is complete now, without white space around it, until one says stop.
    pub(crate) fn feed<S>(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Option<S>,
    ) -> Option<S> {
        while let Some(end) = bytes.iter().position(|&b| b == b'\n') {
            let (line, after) = bytes.split_at(end);
            bytes = &after[1..];
            let stop = if self.rest.is_empty() {
                each(line.trim_ascii())
            } else {
                self.rest.extend_from_slice(line);
                let stop = each(self.rest.trim_ascii());
                self.rest.clear();
                stop
            };
            if stop.is_some() {
                return stop;
            }
        }
        self.rest.extend_from_slice(bytes);
        None
    }
}

/// One line's meaning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// Nothing for us: an empty line, a comment, a named field, an event without choices or usage.
    Nothing,
    /// Tokens; their text may be empty.
    Tokens(Cow<'a, str>),
    /// How many tokens the answer had.
    Usage(u64),
    /// The end.
    Done,
    /// The server gave up in mid-stream.
    Failed(String),
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Usage {
    completion_tokens: Option<u64>,
}

impl<'a> Event<'a> {
    /// Reads one line without white space around it.
    ///
    /// # Errors
    /// The parser's reason if a data line holds no JSON object.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        let Some(data) = line.strip_prefix(b"data:") else { return Ok(Self::Nothing) };
        let data = data.trim_ascii_start();
        if data == b"[DONE]" {
            return Ok(Self::Done);
        }
        let mut chunk: Chunk<'a> = serde_json::from_slice(data)?;
        if let Some(error) = chunk.error.take().filter(|e| !e.is_null()) {
            let text =
                error.get("message").and_then(|m| m.as_str()).map_or_else(|| error.to_string(), Into::into);
            return Ok(Self::Failed(text));
        }
        Ok(match (chunk.choices.unwrap_or_default().into_iter().next(), chunk.usage) {
            // An event of both is one of tokens: the reference looks at its usage only without choices.
            (Some(choice), _) => Self::Tokens(choice.text.unwrap_or_default()),
            (None, Some(Usage { completion_tokens: Some(tokens) })) => Self::Usage(tokens),
            (None, _) => Self::Nothing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn events() {
        let parse = |s: &'static str| Event::parse(s.as_bytes()).unwrap();
        assert_eq!(parse(""), Event::Nothing);
        assert_eq!(parse(": ping"), Event::Nothing);
        assert_eq!(parse("event: complete"), Event::Nothing);
        assert_eq!(parse("data: [DONE]"), Event::Done);
        assert_eq!(parse(r#"data: {"choices":[{"text":"a"}],"usage":null}"#), Event::Tokens("a".into()));
        assert_eq!(parse(r#"data:{"choices":[{"text":null}]}"#), Event::Tokens("".into()));
        assert_eq!(parse(r#"data: {"choices":[{"text":"\u00e9\n"}]}"#), Event::Tokens("é\n".into()));
        assert_eq!(parse(r#"data: {"choices":[],"usage":{"completion_tokens":7}}"#), Event::Usage(7));
        assert_eq!(
            parse(r#"data: {"choices":[{"text":"a"}],"usage":{"completion_tokens":7}}"#),
            Event::Tokens("a".into())
        );
        assert_eq!(
            parse(r#"data: {"error":{"message":"out of memory"}}"#),
            Event::Failed("out of memory".into())
        );
        assert!(Event::parse(b"data: {\"choices\":[{\"te").is_err());
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_the_cuts(text in "[a-c\n\r ]{0,60}", cut in 1usize..7) {
            let mut found = Vec::new();
            let mut lines = Lines::default();
            for piece in text.as_bytes().chunks(cut) {
                lines.feed(piece, |l| { found.push(l.to_vec()); None::<()> });
            }
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let expected: Vec<_> = if text.contains('\n') {
                whole.split('\n').map(|l| l.as_bytes().trim_ascii().to_vec()).collect()
            } else { vec![] };
            prop_assert_eq!(found, expected);
        }
    }
}
