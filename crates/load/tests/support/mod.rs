//! A completions server of known timing and known faults, with plain sockets and a thread per connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use load::{Client, Prompt, Repair, Shape, Workload};

/// What the server does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Script {
    /// Streams as many tokens as asked for, `per_event` in each event, at these times after the request was read.
    Paced { first: Duration, gap: Duration, per_event: usize },
    /// The same without pauses, then closes in the middle of a chunk.
    Truncated,
    /// One event, then the end of the stream without `[DONE]` and without usage.
    EndsEarly,
    /// One token fewer than asked for.
    OneTokenShort,
    /// An error in mid-stream.
    GivesUp,
    /// A line that is no JSON.
    Garbles,
    /// No events, `[DONE]` only.
    Empty,
    /// HTTP 500.
    Status500,
    /// Reads and never answers.
    Hangs,
}

/// When a request was read, and when each event of its answer was written.
pub(crate) type Written = (Instant, Vec<Instant>);

/// A running server; its threads end with the process.
pub(crate) struct Server {
    pub(crate) url: String,
    /// Bodies in the order of arrival, with the time of it.
    pub(crate) requests: Arc<Mutex<Vec<(Instant, String)>>>,
    /// Of every paced answer.
    pub(crate) written: Arc<Mutex<Vec<Written>>>,
    pub(crate) most_at_once: Arc<AtomicUsize>,
}

impl Server {
    /// Serves request `i` by `script(i)`.
    pub(crate) fn start(script: impl Fn(usize) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            requests: Arc::default(),
            written: Arc::default(),
            most_at_once: Arc::default(),
        };
        let (requests, written) = (Arc::clone(&server.requests), Arc::clone(&server.written));
        let (most, now) = (Arc::clone(&server.most_at_once), Arc::new(AtomicUsize::new(0)));
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (requests, written, most, now, script) = (
                    Arc::clone(&requests),
                    Arc::clone(&written),
                    Arc::clone(&most),
                    Arc::clone(&now),
                    Arc::clone(&script),
                );
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(body) = read(&mut stream) else { return };
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let index = {
                        let mut requests = requests.lock().unwrap();
                        requests.push((Instant::now(), body.clone()));
                        requests.len() - 1
                    };
                    // A client that goes away ends the answer; that is for the client's tests to look at.
                    let _ = answer(&mut stream, script(index), &body, &written);
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub(crate) fn client(&self) -> Client {
        let mut client = Client::new(self.url.parse().unwrap(), "model");
        client.silence = Duration::from_millis(400);
        client
    }
}

/// Prompts `p0`, `p1`, … of 10 input tokens.
pub(crate) fn workload(prompts: usize, output_tokens: usize) -> Workload {
    let shape = Shape {
        input_len: 10,
        output_len: output_tokens,
        range_ratio: 1.0,
        prompts,
        seed: 0,
        chat_template: false,
        repair: Repair::Once,
    };
    let prompts = (0..prompts).map(|i| Prompt { text: format!("p{i}"), input_tokens: 10, output_tokens });
    Workload { shape, prompts: prompts.collect() }
}

fn read(stream: &mut TcpStream) -> Option<String> {
    stream.set_nodelay(true).unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 65_536]);
    loop {
        let n = stream.read(&mut buffer).ok().filter(|&n| n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() == length.unwrap_or(0) {
            return Some(body.to_owned());
        }
    }
}

fn answer(
    stream: &mut TcpStream,
    script: Script,
    body: &str,
    written: &Mutex<Vec<Written>>,
) -> std::io::Result<()> {
    let read = Instant::now();
    let asked = serde_json::from_str::<serde_json::Value>(body).unwrap()["max_tokens"].as_u64().unwrap();
    let mut tokens = usize::try_from(asked).unwrap();
    if script == Script::Status500 {
        return stream.write_all(b"HTTP/1.1 500 x\r\ncontent-length: 8\r\n\r\nno luck!");
    }
    if script == Script::Hangs {
        thread::sleep(Duration::from_secs(60));
        return Ok(());
    }
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    let mut chunk = |text: &str| stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
    let mut event = |text: &str| chunk(&format!("data: {text}\n\n"));
    let token = r#"{"id":"x","choices":[{"index":0,"text":" t","finish_reason":null}],"usage":null}"#;
    match script {
        Script::Empty => {}
        Script::EndsEarly => {
            event(token)?;
            return stream.write_all(b"0\r\n\r\n");
        }
        Script::Truncated => {
            event(token)?;
            return stream.write_all(b"ff\r\ndata: {\"cho");
        }
        Script::GivesUp => {
            event(token)?;
            event(r#"{"error":{"message":"out of memory"}}"#)?;
        }
        Script::Garbles => event("<html>")?,
        Script::OneTokenShort => {
            tokens -= 1;
            (0..tokens).try_for_each(|_| event(token))?;
        }
        Script::Paced { first, gap, per_event } => {
            let mut times = Vec::new();
            for i in 0..tokens.div_ceil(per_event) {
                let due = first + gap * u32::try_from(i).unwrap();
                if let Some(wait) = due.checked_sub(read.elapsed()) {
                    thread::sleep(wait);
                }
                times.push(Instant::now());
                event(token)?;
            }
            written.lock().unwrap().push((read, times));
        }
        Script::Status500 | Script::Hangs => unreachable!("answered above"),
    }
    event(&format!(r#"{{"choices":[],"usage":{{"completion_tokens":{tokens}}}}}"#))?;
    chunk("data: [DONE]\n\n")?;
    stream.write_all(b"0\r\n\r\n")
}
