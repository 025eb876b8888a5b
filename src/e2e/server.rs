//! A server's launch command, with the values that it derives from the case and the environment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::Error;

/// One file of `profiles/servers`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Version of the file's shape.
    pub version: u32,
    /// The name.
    pub name: String,
    /// For people.
    pub title: String,
    /// The container image, where the guides name one.
    pub image: Option<String>,
    /// What `MODEL` defaults to.
    pub model: String,
    /// Whether prompts are wrapped in the model's chat template.
    #[serde(default)]
    pub chat_template: bool,
    /// What the result file calls the backend.
    #[serde(default = "backend")]
    pub backend: String,
    /// What `PORT` defaults to.
    #[serde(default = "port")]
    pub port: u16,
    /// What `TP` defaults to.
    #[serde(default = "tp")]
    pub tp: usize,
    /// A file that `{config}` names.
    pub config: Option<String>,
    /// The command, one argument a line.
    pub command: Vec<String>,
    /// Variables that it needs.
    pub env: BTreeMap<String, String>,
    /// Values in the command.
    #[serde(default)]
    pub values: Vec<Value>,
}

fn backend() -> String {
    "vllm".into()
}

const fn port() -> u16 {
    8888
}

const fn tp() -> usize {
    8
}

/// A value in a command.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The name between braces.
    pub name: String,
    /// The variable of the environment that sets it.
    pub variable: Option<String>,
    /// Without any other.
    pub default: String,
    /// The first that holds decides, if the variable does not.
    #[serde(default)]
    pub when: Vec<When>,
}

/// A condition; all of its parts must hold.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Input tokens.
    pub isl: Option<usize>,
    /// Output tokens.
    pub osl: Option<usize>,
    /// Requests under way, exclusive.
    pub concurrency_above: Option<usize>,
    /// A variable of the environment, for the next two.
    pub variable: Option<String>,
    /// Its text.
    pub is: Option<String>,
    /// Its number, exclusive.
    pub above: Option<i64>,
    /// The value then.
    pub value: String,
}

/// What a server is launched for.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The model: a name or a folder.
    pub model: &'a str,
    /// The port.
    pub port: u16,
    /// Tensor parallelism.
    pub tp: usize,
    /// Input tokens.
    pub isl: usize,
    /// Output tokens.
    pub osl: usize,
    /// Requests under way; the most of those that one server will see.
    pub concurrency: usize,
    /// Where a configuration file would be.
    pub config: &'a str,
    /// The environment.
    pub variables: &'a BTreeMap<String, String>,
}

/// A command, ready to be run without a shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables to set.
    pub env: BTreeMap<String, String>,
}

impl Server {
    /// The command for a situation.
    ///
    /// # Errors
    /// [`Error::Variable`] where a variable should be a number, [`Error::Profile`] for braces without a value.
    pub fn launch(&self, situation: &Situation<'_>) -> Result<Launch, Error> {
        let mut values = BTreeMap::from([
            ("model", situation.model.to_owned()),
            ("port", situation.port.to_string()),
            ("tp", situation.tp.to_string()),
            ("config", situation.config.to_owned()),
        ]);
        for value in &self.values {
            values.insert(&value.name, value.of(situation)?);
        }
        let mut argv = Vec::new();
        for argument in &self.command {
            let alone = argument.strip_prefix('{').and_then(|a| a.strip_suffix('}'));
            let text = self.fill(argument, &values)?;
            match alone.filter(|name| self.values.iter().any(|v| &v.name == name)) {
                Some(_) => argv.extend(text.split_whitespace().map(Into::into)),
                None => argv.push(text),
            }
        }
        Ok(Launch { argv, env: self.env.clone() })
    }

    fn fill(&self, argument: &str, values: &BTreeMap<&str, String>) -> Result<String, Error> {
        let (mut text, mut rest) = (String::new(), argument);
        while let Some((before, after)) = rest.split_once('{') {
            let unknown = |name: &str| Error::Profile {
                file: format!("servers/{}.toml", self.name),
                reason: format!("{argument} names {{{name}, which is no value"),
            };
            let (name, after) = after.split_once('}').ok_or_else(|| unknown(after))?;
            text += before;
            text += values.get(name).ok_or_else(|| unknown(name))?;
            rest = after;
        }
        Ok(text + rest)
    }
}

impl Value {
    fn of(&self, situation: &Situation<'_>) -> Result<String, Error> {
        let set = |name: &String| situation.variables.get(name).filter(|v| !v.is_empty());
        if let Some(value) = self.variable.as_ref().and_then(set) {
            return Ok(value.clone());
        }
        for when in &self.when {
            if when.holds(situation)? {
                return Ok(when.value.clone());
            }
        }
        Ok(self.default.clone())
    }
}

impl When {
    fn holds(&self, situation: &Situation<'_>) -> Result<bool, Error> {
        let variable = self.variable.as_ref().and_then(|name| situation.variables.get(name));
        if let Some(above) = self.above {
            let Some(value) = variable.filter(|v| !v.is_empty()) else { return Ok(false) };
            let number: i64 = value.trim().parse().map_err(|_| Error::Variable {
                variable: self.variable.clone().unwrap_or_default(),
                value: value.clone(),
                reason: "it is no whole number".into(),
            })?;
            if number <= above {
                return Ok(false);
            }
        }
        Ok(self.is.as_ref().is_none_or(|is| variable == Some(is))
            && self.isl.is_none_or(|isl| isl == situation.isl)
            && self.osl.is_none_or(|osl| osl == situation.osl)
            && self.concurrency_above.is_none_or(|c| situation.concurrency > c))
    }
}

impl Launch {
    /// The command as a shell would take it.
    #[must_use]
    pub fn shell(&self) -> String {
        let env = self.env.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        env.chain(self.argv.iter().map(|a| quoted(a))).collect::<Vec<_>>().join(" ")
    }
}

/// A word for a shell.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
