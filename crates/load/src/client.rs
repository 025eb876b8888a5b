//! One request: a connection of its own, a streamed answer, the times of its events.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Request as HttpRequest, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::event::{Event, Lines};
use crate::workload::Prompt;

/// What every request to a server has in common.
#[derive(Clone)]
pub struct Client {
    /// The server.
    pub endpoint: Endpoint,
    /// The model, as the server names it.
    pub model: String,
    /// What follows `Bearer`; servers without keys ignore it. The reference sends the word `None`.
    pub key: String,
    /// Longest time of a request, as the reference has it.
    pub whole: Duration,
    /// Longest time without a byte: what tells a server that hangs from one that is slow.
    pub silence: Duration,
}

/// A request, ready to be sent: its body is made before the clock starts.
#[derive(Clone, Debug)]
pub struct Request {
    body: Bytes,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// From the start to each event with tokens. An event may carry several tokens, or text of none.
    pub events: Vec<Duration>,
    /// Tokens of the answer, as the server counts them; `None` if it does not say.
    pub tokens: Option<u64>,
    /// The text.
    pub text: String,
    /// Whether the stream ended with `[DONE]`.
    pub finished: bool,
    /// Why it failed, if it did. A stream that broke off may have events all the same.
    pub failure: Option<Failure>,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// No connection.
    #[error("cannot connect: {reason}")]
    Connect {
        /// The system's reason.
        reason: String,
    },
    /// An answer that is not 200.
    #[error("the server answered {status}: {text}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The beginning of what came with it.
        text: String,
    },
    /// The connection broke.
    #[error("the stream broke off after {events} events: {reason}")]
    Broken {
        /// Events until then.
        events: usize,
        /// The reason.
        reason: String,
    },
    /// A line that is no event.
    #[error("the server sent something else than events: {reason}")]
    Garbled {
        /// The parser's reason.
        reason: String,
    },
    /// The server reported an error in mid-stream.
    #[error("the server gave up: {reason}")]
    GaveUp {
        /// Its words.
        reason: String,
    },
    /// The stream ended without a token.
    #[error("the stream ended without a token")]
    Empty,
    /// Nothing came for too long.
    #[error("nothing came for {seconds} s after {events} events")]
    Silent {
        /// The limit.
        seconds: u64,
        /// Events until then.
        events: usize,
    },
    /// The whole took too long.
    #[error("it was not done after {seconds} s")]
    TooLong {
        /// The limit.
        seconds: u64,
    },
    /// Never sent: the run had ended before its turn.
    #[error("it was not sent: the run had ended")]
    NotSent,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is a secret.
        let Self { endpoint, model, whole, silence, .. } = self;
        f.debug_struct("Client")
            .field("endpoint", endpoint)
            .field("model", model)
            .field("whole", whole)
            .field("silence", silence)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    prompt: &'a str,
    temperature: f64,
    best_of: u32,
    max_tokens: usize,
    logprobs: Option<u32>,
    stream: bool,
    stream_options: StreamOptions,
    ignore_eos: bool,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl Client {
    /// A client with the reference's limits.
    #[must_use]
    pub fn new(endpoint: Endpoint, model: impl Into<String>) -> Self {
        let (whole, silence) = (Duration::from_hours(6), Duration::from_mins(10));
        Self { endpoint, model: model.into(), key: "None".into(), whole, silence }
    }

    /// The request for a prompt.
    #[must_use]
    pub fn request(&self, prompt: &Prompt) -> Request {
        let body = Body {
            model: &self.model,
            prompt: &prompt.text,
            temperature: 0.0,
            best_of: 1,
            max_tokens: prompt.output_tokens,
            logprobs: None,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            ignore_eos: true,
        };
        Request { body: serde_json::to_vec(&body).expect("texts and numbers are JSON").into() }
    }

    /// Sends a request and listens to the end of its answer.
    pub async fn send(&self, request: &Request) -> Answer {
        let mut answer =
            Answer { events: Vec::new(), tokens: None, text: String::new(), finished: false, failure: None };
        let start = Instant::now();
        let ended = timeout(self.whole, self.exchange(request, start, &mut answer)).await;
        let failure = match ended {
            Ok(Ok(())) if answer.events.is_empty() => Some(Failure::Empty),
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_) => Some(Failure::TooLong { seconds: self.whole.as_secs() }),
        };
        answer.failure = failure;
        answer
    }

    async fn exchange(&self, request: &Request, start: Instant, answer: &mut Answer) -> Result<(), Failure> {
        let refused = |e: io::Error| Failure::Connect { reason: e.to_string() };
        let silent = |events| Failure::Silent { seconds: self.silence.as_secs(), events };
        let address = (self.endpoint.host(), self.endpoint.port());
        let stream = timeout(self.silence, TcpStream::connect(address)).await;
        let stream = stream.map_err(|_| silent(0))?.map_err(refused)?;
        // Requests are written whole: waiting for more to send would only delay them.
        stream.set_nodelay(true).map_err(refused)?;
        let broken = |events, e: hyper::Error| Failure::Broken { events, reason: with_cause(&e) };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(0, e))?;
        // The connection works as long as its owner listens; what fails in it fails the exchange too.
        let connection = Abort(tokio::spawn(connection));
        let http = HttpRequest::post(self.endpoint.path("/v1/completions"))
            .header(header::HOST, self.endpoint.authority())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .body(Full::new(request.body.clone()))
            .map_err(|e| Failure::Connect { reason: e.to_string() })?;
        let response = timeout(self.silence, sender.send_request(http)).await;
        let response = response.map_err(|_| silent(0))?.map_err(|e| broken(0, e))?;
        let status = response.status();
        let mut body = response.into_body();
        if status != StatusCode::OK {
            let text = timeout(self.silence, body.frame()).await;
            let text = text.ok().flatten().and_then(Result::ok).and_then(|f| f.into_data().ok());
            let text = String::from_utf8_lossy(&text.unwrap_or_default()).chars().take(200).collect();
            return Err(Failure::Status { status: status.as_u16(), text });
        }
        let mut lines = Lines::default();
        loop {
            let frame = timeout(self.silence, body.frame()).await;
            let Some(frame) = frame.map_err(|_| silent(answer.events.len()))? else { break };
            let frame = frame.map_err(|e| broken(answer.events.len(), e))?;
            let Ok(data) = frame.into_data() else { continue };
            if let Some(end) = lines.feed(&data, |line| answer.hear(line, start)) {
                end?;
                break;
            }
        }
        drop(connection);
        Ok(())
    }
}

impl Answer {
    /// Time to the first token.
    #[must_use]
    pub fn first(&self) -> Option<Duration> {
        self.events.first().copied()
    }

    /// From the start to the last token.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.events.last().copied()
    }

    /// Takes one line in; says when it is the last.
    fn hear(&mut self, line: &[u8], start: Instant) -> Option<Result<(), Failure>> {
        match Event::parse(line) {
            Ok(Event::Nothing) => {}
            Ok(Event::Tokens(text)) => {
                self.events.push(start.elapsed());
                self.text += &text;
            }
            Ok(Event::Usage(tokens)) => self.tokens = Some(tokens),
            Ok(Event::Done) => {
                self.finished = true;
                return Some(Ok(()));
            }
            Ok(Event::Failed(reason)) => return Some(Err(Failure::GaveUp { reason })),
            Err(e) => return Some(Err(Failure::Garbled { reason: e.to_string() })),
        }
        None
    }
}

/// Ends a task when its owner goes away, however it goes.
struct Abort<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Abort<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn with_cause(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
