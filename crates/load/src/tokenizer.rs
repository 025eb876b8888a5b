//! Text to tokens and back, as the model's own tokeniser does it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, context};
use serde::Deserialize;
use serde_json::Value;

/// What making prompts needs of a tokeniser.
pub trait Tokenizer {
    /// Tokens of the base vocabulary: without those that were added to it.
    fn vocabulary(&self) -> usize;
    /// The tokens of a text, without special ones around it.
    ///
    /// # Errors
    /// [`TokenizerError`] for texts that the tokeniser refuses.
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError>;
    /// The text of tokens; special ones are written out.
    ///
    /// # Errors
    /// [`TokenizerError`] for ids that it does not know.
    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError>;
    /// A conversation of one user's message that asks for an answer, in the model's chat template.
    ///
    /// # Errors
    /// [`TokenizerError`] when there is no template or it fails.
    fn chat(&self, message: &str) -> Result<String, TokenizerError>;
}

/// A model folder's `tokenizer.json` with what its `tokenizer_config.json` adds.
#[derive(Debug)]
pub struct HuggingFace {
    folder: PathBuf,
    tokenizer: tokenizers::Tokenizer,
    config: Config,
}

/// What the tokeniser cannot do.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file of the model's folder cannot be read.
    #[error("cannot read {}; give the folder of the model's tokenizer.json", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{} is no tokeniser: {reason}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        reason: String,
    },
    /// The tokeniser refuses a text or ids.
    #[error("cannot {verb} with the tokeniser of {}: {reason}", .folder.display())]
    Refused {
        /// `encode` or `decode`.
        verb: &'static str,
        /// The model's folder.
        folder: PathBuf,
        /// Its reason.
        reason: String,
    },
    /// No chat template, or one that fails.
    #[error("the chat template of {} cannot be used: {reason}", .folder.display())]
    Template {
        /// The model's folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    clean_up_tokenization_spaces: bool,
    chat_template: Option<Value>,
    bos_token: Option<Value>,
    eos_token: Option<Value>,
}

impl HuggingFace {
    /// Reads the tokeniser of a model's folder.
    ///
    /// # Errors
    /// [`TokenizerError::Read`] without `tokenizer.json`, [`TokenizerError::Parse`] if a file is something else.
    pub fn open(folder: &Path) -> Result<Self, TokenizerError> {
        let path = folder.join("tokenizer.json");
        let bytes = fs::read(&path).map_err(|source| TokenizerError::Read { path: path.clone(), source })?;
        let tokenizer = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|e| TokenizerError::Parse { path, reason: e.to_string() })?;
        let path = folder.join("tokenizer_config.json");
        let mut config = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| TokenizerError::Parse { path, reason: e.to_string() })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Config::default(),
            Err(source) => return Err(TokenizerError::Read { path, source }),
        };
        // Newer model folders keep the template in a file of its own.
        if let Ok(text) = fs::read_to_string(folder.join("chat_template.jinja")) {
            config.chat_template = Some(Value::String(text));
        }
        Ok(Self { folder: folder.to_owned(), tokenizer, config })
    }

    fn refused(&self, verb: &'static str, reason: &impl ToString) -> TokenizerError {
        TokenizerError::Refused { verb, folder: self.folder.clone(), reason: reason.to_string() }
    }

    fn template_error(&self, reason: impl Into<String>) -> TokenizerError {
        TokenizerError::Template { folder: self.folder.clone(), reason: reason.into() }
    }
}

impl Tokenizer for HuggingFace {
    fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(false)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|e| self.refused("encode", &e))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let text = self.tokenizer.decode(ids, false).map_err(|e| self.refused("decode", &e))?;
        Ok(if self.config.clean_up_tokenization_spaces { clean_up(&text) } else { text })
    }

    fn chat(&self, message: &str) -> Result<String, TokenizerError> {
        let template = match &self.config.chat_template {
            Some(Value::String(template)) => template,
            Some(_) => return Err(self.template_error("there are several, and none is called for by name")),
            None => return Err(self.template_error("tokenizer_config.json has none")),
        };
        let mut environment = Environment::new();
        // As transformers sets its Jinja up.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| self.template_error(e.to_string()))?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        let token = |value: &Option<Value>| match value {
            Some(Value::String(token)) => token.clone(),
            Some(Value::Object(token)) => {
                token.get("content").and_then(Value::as_str).unwrap_or("").to_owned()
            }
            _ => String::new(),
        };
        let message = context! { role => "user", content => message };
        environment
            .render_str(
                template,
                context! {
                    messages => [message],
                    add_generation_prompt => true,
                    bos_token => token(&self.config.bos_token),
                    eos_token => token(&self.config.eos_token),
                },
            )
            .map_err(|e| self.template_error(e.to_string()))
    }
}

/// What transformers does to decoded text where the configuration asks for it.
fn clean_up(text: &str) -> String {
    let pairs = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
