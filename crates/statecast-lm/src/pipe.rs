//! Another program that answers lines of JSON on its standard input with lines of JSON on its
//! standard output. Nothing that it does is trusted: whether it answers, when, and how much.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// Longest part of the program's standard error that an error repeats.
const MAX_SAID: usize = 400;

/// Longest reason of an error, in characters; a program may put anything into it.
const MAX_REASON: usize = 400;

/// Longest line that is read.
const MAX_LINE: u64 = 64 << 20;

/// Time between two looks at a program that does not reply.
const LOOK: Duration = Duration::from_millis(200);

/// Time that a program has to end once its input is closed.
const TO_END: Duration = Duration::from_millis(500);

/// A failure of a program that ends the talk with it.
#[derive(Debug)]
pub struct PipeError {
    /// The command.
    pub program: String,
    /// The failure, without control characters of the program.
    pub reason: String,
}

/// A program that was started, and the threads that talk to it. It is ended and reaped when this is
/// dropped.
pub struct Pipe {
    command: String,
    child: Child,
    /// How long its first reply may take, and every other.
    limits: [Duration; 2],
    /// Lines to write; `None` once the program is told to end.
    requests: Option<SyncSender<Vec<u8>>>,
    /// Lines that were read, or why none could be.
    replies: Receiver<std::io::Result<Vec<u8>>>,
    said: Arc<Mutex<Vec<u8>>>,
    answered: bool,
}

impl Pipe {
    /// Starts a program by its command line, words apart by spaces and quoted as in a shell, but
    /// without one. `limits` are those of its first reply and of every other.
    pub fn start(command: &str, limits: [Duration; 2]) -> Result<Self, PipeError> {
        let fail = |reason: String| PipeError {
            program: command.to_owned(),
            reason,
        };
        let words =
            shlex::split(command).ok_or_else(|| fail("a quote is not closed".to_owned()))?;
        let [program, arguments @ ..] = words.as_slice() else {
            return Err(fail("no command".to_owned()));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| fail(format!("does not start ({e})")))?;
        let (Some(mut input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(fail("has no standard streams".to_owned()));
        };
        let (requests, to_write) = mpsc::sync_channel::<Vec<u8>>(1);
        thread::spawn(move || {
            // A program that is gone is noticed where its reply is missing.
            while let Ok(line) = to_write.recv() {
                if input.write_all(&line).and_then(|()| input.flush()).is_err() {
                    break;
                }
            }
        });
        let (read, replies) = mpsc::sync_channel(1);
        thread::spawn(move || read_lines(output, &read));
        let said = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&said);
        thread::spawn(move || keep_last(errors, &keep));
        Ok(Self {
            command: command.to_owned(),
            child,
            limits,
            requests: Some(requests),
            replies,
            said,
            answered: false,
        })
    }

    /// An error of the program, with the last that it wrote to standard error.
    pub fn fail(&mut self, reason: String) -> PipeError {
        // It said why it ended just before it did.
        thread::sleep(Duration::from_millis(50));
        let said = self
            .said
            .lock()
            .map(|said| said.clone())
            .unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let said = said.trim().lines().collect::<Vec<_>>().join(" | ");
        let reason = shortened(reason);
        let reason = match said.is_empty() {
            true => reason,
            false => format!("{reason}; it said: {said}"),
        };
        PipeError {
            program: self.command.clone(),
            reason: escaped(&reason),
        }
    }

    /// Sends a line that is not answered.
    pub fn tell(&mut self, message: &impl Serialize) -> Result<(), PipeError> {
        let mut line = match serde_json::to_vec(message) {
            Ok(line) => line,
            Err(error) => return Err(self.fail(format!("cannot be asked ({error})"))),
        };
        line.push(b'\n');
        match self.requests.as_ref().map(|requests| requests.send(line)) {
            Some(Ok(())) => Ok(()),
            _ => Err(self.ended()),
        }
    }

    /// Sends a line and reads its answer.
    pub fn ask<R: DeserializeOwned>(&mut self, request: &impl Serialize) -> Result<R, PipeError> {
        if let Ok(read) = self.replies.try_recv() {
            self.nothing(read)?;
        }
        self.tell(request)?;
        let line = self.reply()?;
        serde_json::from_slice(&line).map_err(|error| {
            let start = beginning(&line);
            let fault = match error.classify() {
                Category::Data => "breaks the protocol",
                _ => "is no JSON",
            };
            self.fail(format!("its reply {fault} ({error}): {start}"))
        })
    }

    /// Tells the program to end, and fails if it has written a line that nobody asked for.
    pub fn finish(&mut self) -> Result<(), PipeError> {
        self.requests = None;
        match self.replies.recv_timeout(TO_END) {
            Ok(read) => self.nothing(read),
            Err(_) => Ok(()),
        }
    }

    /// Fails unless what was read without a question is the output's end.
    fn nothing(&mut self, read: std::io::Result<Vec<u8>>) -> Result<(), PipeError> {
        match read {
            Ok(line) if line.is_empty() => Ok(()),
            Ok(line) => {
                let start = beginning(&line);
                Err(self.fail(format!("wrote a line that nobody asked for: {start}")))
            }
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// The next line, as soon as there is one. A program that has ended is not waited for, even if one that
    /// it had started holds its output open.
    fn received(&mut self, limit: Duration) -> Result<std::io::Result<Vec<u8>>, RecvTimeoutError> {
        let begin = Instant::now();
        loop {
            let left = limit.saturating_sub(begin.elapsed());
            match self.replies.recv_timeout(left.min(LOOK)) {
                Err(RecvTimeoutError::Timeout) if left > LOOK => {
                    if let Ok(Some(_)) = self.child.try_wait() {
                        // What it wrote before is on its way.
                        let last = self.replies.recv_timeout(LOOK);
                        return last.map_err(|_| RecvTimeoutError::Disconnected);
                    }
                }
                received => return received,
            }
        }
    }

    fn reply(&mut self) -> Result<Vec<u8>, PipeError> {
        let limit = self.limits[usize::from(self.answered)];
        match self.received(limit) {
            Ok(Ok(line)) if line.is_empty() => Err(self.ended()),
            Ok(Ok(line)) => {
                self.answered = true;
                Ok(line)
            }
            Ok(Err(error)) => Err(self.unreadable(&error)),
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
            Err(RecvTimeoutError::Timeout) => {
                // Nothing can be done about a program that cannot be stopped.
                let _ = self.child.kill();
                Err(self.fail(format!("gave no reply within {} s", limit.as_secs_f64())))
            }
        }
    }

    fn unreadable(&mut self, error: &std::io::Error) -> PipeError {
        self.fail(format!("its reply cannot be read ({error})"))
    }

    fn ended(&mut self) -> PipeError {
        let status = wait_for(&mut self.child, Duration::from_secs(1));
        let how = status.map_or("closed its output".to_owned(), |s| format!("ended ({s})"));
        self.fail(format!("{how} before it replied"))
    }
}

/// The first characters of a line, for errors.
fn beginning(line: &[u8]) -> String {
    let line = &line[..line.len().min(400)];
    let line = String::from_utf8_lossy(line);
    line.trim_end().chars().take(60).collect()
}

/// A reason of bearable length: its two ends.
fn shortened(reason: String) -> String {
    let length = reason.chars().count();
    if length <= MAX_REASON {
        return reason;
    }
    let start: String = reason.chars().take(MAX_REASON / 2).collect();
    let end: String = reason.chars().skip(length - MAX_REASON / 2).collect();
    format!("{start} … {end}")
}

/// A text in which control characters, which a terminal would obey, are written out.
fn escaped(text: &str) -> String {
    let written = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(written).collect()
}

/// Reads lines until there are none; an empty one stands for the end.
fn read_lines(output: impl Read, lines: &SyncSender<std::io::Result<Vec<u8>>>) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        let read = output.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let read = match read {
            Ok(count) if count as u64 == MAX_LINE => Err(std::io::Error::other("it has no end")),
            Ok(_) => Ok(line),
            Err(error) => Err(error),
        };
        let last = !matches!(&read, Ok(line) if !line.is_empty());
        if lines.send(read).is_err() || last {
            return;
        }
    }
}

/// Keeps the last that a program writes to its standard error.
fn keep_last(mut errors: impl Read, said: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = errors.read(&mut buffer) {
        if let Ok(mut said) = said.lock() {
            said.extend_from_slice(&buffer[..count]);
            let surplus = said.len().saturating_sub(MAX_SAID);
            said.drain(..surplus);
        }
    }
}

/// Waits for a program's end, at most so long.
fn wait_for(child: &mut Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if begin.elapsed() < limit => thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    }
}

impl Drop for Pipe {
    /// Closes the program's input, and ends it if it does not end by itself.
    fn drop(&mut self) {
        self.requests = None;
        if wait_for(&mut self.child, TO_END).is_none() {
            // It may have ended in between.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: an error repeated all that a program reported, or wrote in the wrong place.
    #[cfg(unix)]
    #[test]
    fn errors_are_of_bearable_length() {
        let limits = [Duration::from_secs(20); 2];
        let mut pipe = Pipe::start(
            r#"sh -c 'printf "\"%1000000d\"\n" 7; cat >/dev/null'"#,
            limits,
        )
        .unwrap();
        // A text where a number is due: the parser's message repeats it.
        let wrong = pipe.ask::<u32>(&1).unwrap_err();
        assert!(wrong.reason.contains("breaks the protocol"), "{wrong:?}");
        let reported = pipe.fail(format!("it reports: {} in row 7", "é".repeat(1_000_000)));
        assert!(reported.reason.ends_with("in row 7"), "{reported:?}");
        for error in [wrong, reported] {
            assert!(error.reason.chars().count() < 1000, "{error:?}");
        }
    }

    #[test]
    fn control_characters_are_written_out() {
        let text = escaped("\u{1b}[2J\rgone\u{9b}1m, é is not");
        assert_eq!(text, "\\u{1b}[2J\\rgone\\u{9b}1m, é is not");
    }
}
