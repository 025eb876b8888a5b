//! What to ask: prompts and lengths, as the reference client makes them from a seed.
//!
//! The reference draws from one generator, in this order: input lengths, output lengths, one offset into the
//! vocabulary per prompt, then whatever the repair of prompts needs. Prompt `i` is the text of consecutive token ids
//! that begin at `offset[i] + i`. Text does not always tokenise back into the ids that it came from; the two versions
//! of the client differ in what they do about it ([`Repair`]).

use crate::random::RandomState;
use crate::tokenizer::{Tokenizer, TokenizerError};

/// The lengths of a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Longest input, in tokens.
    pub input_len: usize,
    /// Longest output, in tokens.
    pub output_len: usize,
    /// Shortest length as a share of the longest: lengths are uniform in `[int(len * ratio), len]`, inclusive.
    pub range_ratio: f64,
    /// Prompts.
    pub prompts: usize,
    /// The seed; the leaderboard's is 0.
    pub seed: u32,
    /// Whether prompts are wrapped in the model's chat template, which counts as part of the input.
    pub chat_template: bool,
    /// What happens to prompts that tokenise into another number of tokens.
    pub repair: Repair,
}

/// How a prompt gets its length, by version of the reference client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// 2025: tokenised once and cut; too short a prompt stays so, and counts as if it had the length asked for.
    Once,
    /// 2026: up to ten times, too long a prompt is cut and too short a one gets random tokens; its length is then
    /// counted, not assumed.
    UpToTenTimes,
}

/// What is drawn before any text is made; depends on the vocabulary's size only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Input tokens of each prompt.
    pub input: Vec<usize>,
    /// Output tokens of each prompt.
    pub output: Vec<usize>,
    /// Where in the vocabulary each prompt begins.
    pub offsets: Vec<usize>,
}

/// One prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The text.
    pub text: String,
    /// Its tokens, as the client reports them.
    pub input_tokens: usize,
    /// Tokens to ask for.
    pub output_tokens: usize,
}

/// The prompts, in the order of their requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// What it was made from.
    pub shape: Shape,
    /// The prompts; never empty.
    pub prompts: Vec<Prompt>,
}

/// A workload that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// No prompts.
    #[error("a workload needs at least one prompt")]
    NoPrompts,
    /// Lengths or ratio are outside what the protocol knows.
    #[error("{input_len} input and {output_len} output tokens with range ratio {range_ratio}: {reason}")]
    Shape {
        /// As asked for.
        input_len: usize,
        /// As asked for.
        output_len: usize,
        /// As asked for.
        range_ratio: f64,
        /// What is wrong.
        reason: &'static str,
    },
    /// The tokeniser failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl Lengths {
    /// Draws lengths and offsets for a vocabulary of `vocabulary` tokens.
    #[must_use]
    pub fn draw(random: &mut RandomState, shape: &Shape, vocabulary: usize) -> Self {
        let mut lengths = |longest: usize| {
            // The reference truncates the product of doubles.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let shortest = (longest as f64 * shape.range_ratio) as usize;
            random.several(shape.prompts, shortest, longest)
        };
        let (input, output) = (lengths(shape.input_len), lengths(shape.output_len));
        let offsets = random.several(shape.prompts, 0, vocabulary - 1);
        Self { input, output, offsets }
    }
}

impl Workload {
    /// Makes the prompts.
    ///
    /// # Errors
    /// [`WorkloadError`] for shapes without prompts or tokens, and what the tokeniser cannot do.
    pub fn make(shape: &Shape, tokenizer: &dyn Tokenizer) -> Result<Self, WorkloadError> {
        let around = if shape.chat_template {
            // One token is the message's own.
            tokenizer.encode(&tokenizer.chat("a")?)?.len().saturating_sub(1)
        } else {
            0
        };
        let inner = Shape { input_len: shape.input_len.saturating_sub(around), ..shape.clone() };
        check(shape, &inner)?;
        let mut random = RandomState::new(shape.seed);
        let vocabulary = tokenizer.vocabulary();
        let lengths = Lengths::draw(&mut random, &inner, vocabulary);
        let mut prompts = Vec::with_capacity(shape.prompts);
        for (i, (&len, &output_tokens)) in lengths.input.iter().zip(&lengths.output).enumerate() {
            let ids: Vec<u32> = (0..len).map(|j| id((lengths.offsets[i] + i + j) % vocabulary)).collect();
            let text = tokenizer.decode(&ids)?;
            let text = match shape.repair {
                Repair::Once => {
                    let mut ids = tokenizer.encode(&text)?;
                    ids.truncate(len);
                    tokenizer.decode(&ids)?
                }
                Repair::UpToTenTimes => repair(text, len, tokenizer, &mut random)?,
            };
            let text = if shape.chat_template { tokenizer.chat(&text)? } else { text };
            let input_tokens = match shape.repair {
                Repair::Once => len + around,
                Repair::UpToTenTimes => tokenizer.encode(&text)?.len(),
            };
            prompts.push(Prompt { text, input_tokens, output_tokens });
        }
        Ok(Self { shape: shape.clone(), prompts })
    }
}

fn check(shape: &Shape, inner: &Shape) -> Result<(), WorkloadError> {
    let Shape { input_len, output_len, range_ratio, .. } = *shape;
    let refuse = |reason| Err(WorkloadError::Shape { input_len, output_len, range_ratio, reason });
    if shape.prompts == 0 {
        return Err(WorkloadError::NoPrompts);
    }
    if !(0.0..=1.0).contains(&range_ratio) {
        return refuse("the ratio is from 0 to 1");
    }
    if inner.input_len == 0 {
        return refuse("no room for input besides the chat template");
    }
    if output_len == 0 {
        return refuse("at least one output token");
    }
    Ok(())
}

/// Makes `text` tokenise into `len` tokens, if ten attempts suffice.
fn repair(
    mut text: String,
    len: usize,
    tokenizer: &dyn Tokenizer,
    random: &mut RandomState,
) -> Result<String, TokenizerError> {
    for _ in 0..10 {
        let mut ids = tokenizer.encode(&text)?;
        if ids.len() == len {
            break;
        }
        if let Some(missing) = len.checked_sub(ids.len()) {
            ids.extend(random.several(missing, 0, tokenizer.vocabulary() - 1).into_iter().map(id));
        } else {
            ids.truncate(len);
        }
        text = tokenizer.decode(&ids)?;
    }
    Ok(text)
}

fn id(token: usize) -> u32 {
    u32::try_from(token).expect("token ids fit in 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(prompts: usize, input_len: usize, output_len: usize, range_ratio: f64) -> Shape {
        let (seed, chat_template, repair) = (0, false, Repair::UpToTenTimes);
        Shape { input_len, output_len, range_ratio, prompts, seed, chat_template, repair }
    }

    fn draw(shape: &Shape) -> Lengths {
        Lengths::draw(&mut RandomState::new(shape.seed), shape, 128_000)
    }

    /// The protocol's golden vectors, from NumPy with a vocabulary of 128,000.
    #[test]
    fn golden_lengths() {
        let l = draw(&shape(40, 1024, 1024, 0.8));
        assert_eq!(l.input[..6], [991, 866, 936, 1011, 886, 1014]);
        assert_eq!(l.input.iter().sum::<usize>(), 37_068);
        assert_eq!(l.output[..6], [851, 1012, 828, 1004, 946, 851]);
        assert_eq!(l.output.iter().sum::<usize>(), 36_709);
        assert_eq!(l.offsets[..6], [63_360, 125_326, 51_811, 9_781, 19_340, 27_257]);

        let l = draw(&shape(40, 8192, 1024, 1.0));
        assert!(l.input.iter().all(|&n| n == 8192) && l.output.iter().all(|&n| n == 1024));
        assert_eq!(l.offsets[..6], [68_268, 43_567, 42_613, 117_952, 45_891, 21_243]);

        let l = draw(&shape(80, 1024, 8192, 0.8));
        assert_eq!(l.input[..6], [991, 866, 936, 1011, 886, 1014]);
        assert_eq!(l.input.iter().sum::<usize>(), 73_777);
        assert_eq!(l.output[..6], [6951, 7164, 8142, 7461, 7186, 6637]);
        assert_eq!(l.output.iter().sum::<usize>(), 588_640);
        assert_eq!(l.offsets[..6], [112_170, 111_987, 115_896, 100_796, 92_648, 114_253]);
    }

    /// One letter per token, but `bc` is one token: text of both comes back shorter.
    struct Letters;

    impl Tokenizer for Letters {
        fn vocabulary(&self) -> usize {
            26
        }
        fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
            let mut ids = Vec::new();
            let mut letters = text.bytes().peekable();
            while let Some(letter) = letters.next() {
                ids.push(u32::from(letter - b'a'));
                letters.next_if(|&next| (letter, next) == (b'b', b'c'));
            }
            Ok(ids)
        }
        fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
            Ok(ids.iter().map(|&i| char::from(b'a' + u8::try_from(i).unwrap())).collect())
        }
        fn chat(&self, message: &str) -> Result<String, TokenizerError> {
            Ok(format!("xx{message}yy"))
        }
    }

    #[test]
    fn the_two_repairs_differ_in_what_they_count() {
        let once = Shape { repair: Repair::Once, ..shape(8, 30, 3, 1.0) };
        let w = Workload::make(&once, &Letters).unwrap();
        assert!(w.prompts.iter().all(|p| p.input_tokens == 30), "assumed");
        assert!(w.prompts.iter().any(|p| Letters.encode(&p.text).unwrap().len() < 30), "and wrong");

        let w = Workload::make(&shape(8, 30, 3, 1.0), &Letters).unwrap();
        assert!(w.prompts.iter().all(|p| p.input_tokens == Letters.encode(&p.text).unwrap().len()));
        assert!(w.prompts.iter().all(|p| p.input_tokens == 30), "ten attempts suffice here");
    }

    #[test]
    fn a_chat_template_is_part_of_the_input() {
        let chat = Shape { chat_template: true, repair: Repair::Once, ..shape(4, 20, 3, 1.0) };
        let w = Workload::make(&chat, &Letters).unwrap();
        for p in &w.prompts {
            assert!(p.text.starts_with("xx") && p.text.ends_with("yy"));
            assert_eq!(p.input_tokens, 20, "16 of the prompt and 4 around it");
        }
    }

    #[test]
    fn shapes_without_tokens_are_refused() {
        let chat = Shape { chat_template: true, ..shape(4, 4, 3, 1.0) };
        for (wrong, why) in [
            (shape(0, 4, 4, 1.0), "at least one prompt"),
            (shape(1, 4, 0, 1.0), "at least one output"),
            (shape(1, 4, 4, 1.5), "from 0 to 1"),
            (shape(1, 4, 4, f64::NAN), "from 0 to 1"),
            (chat, "no room"),
        ] {
            let error = Workload::make(&wrong, &Letters).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
