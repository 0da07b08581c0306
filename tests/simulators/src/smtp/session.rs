//! One SMTP session: the minimum of RFC 5321 (section 4.5.1), pipelining tolerated.

use std::{io, time::Duration};

use agency::faults::FaultKind;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::SmtpSimule;

/// The longest line accepted, in bytes; RFC 5321 (section 4.5.3.1.6) asks for 1,000 of text.
const LONGEST_LINE: u64 = 64 * 1024;

/// The largest mail accepted, in bytes.
const LARGEST_MAIL: usize = 16 * 1024 * 1024;

/// A recipient, and how late the mail is to be answered.
struct Recipient {
    address: String,
    slow: Option<Duration>,
}

/// What happens to a session after a command.
enum Next {
    Reply(String),
    ReadMail,
    Close(Option<&'static str>),
}

struct Session<'a> {
    server: &'a SmtpSimule,
    from: Option<String>,
    to: Vec<Recipient>,
}

/// Speaks with one client until it leaves or a fault closes the connection.
pub(super) async fn serve(server: &SmtpSimule, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut session = Session { server, from: None, to: Vec::new() };
    reply(&mut stream, "220 simule.example ESMTP").await?;
    while let Some(line) = read_line(&mut stream).await? {
        match session.command(&String::from_utf8_lossy(&line)) {
            Next::Reply(text) => reply(&mut stream, &text).await?,
            Next::ReadMail => {
                reply(&mut stream, "354 end with <CRLF>.<CRLF>").await?;
                // `lettre` ends a mail with a write of its own, which Nagle's algorithm keeps until
                // the mail is acknowledged: 40 ms a mail.
                #[cfg(target_os = "linux")]
                stream.get_ref().set_quickack(true)?;
                let Some(mail) = read_mail(&mut stream).await? else { return Ok(()) };
                let slow = session.receive(&mail);
                if let Some(delay) = slow {
                    tokio::time::sleep(delay).await;
                }
                reply(&mut stream, "250 2.0.0 taken").await?;
            }
            Next::Close(text) => {
                if let Some(text) = text {
                    reply(&mut stream, text).await?;
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Session<'_> {
    fn command(&mut self, line: &str) -> Next {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                self.reset();
                Next::Reply(
                    "250-simule.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8".into(),
                )
            }
            "HELO" => {
                self.reset();
                Next::Reply("250 simule.example".into())
            }
            "MAIL" => {
                self.reset();
                self.from = Some(path(line));
                Next::Reply("250 2.1.0 sender taken".into())
            }
            "RCPT" if self.from.is_some() => self.recipient(path(line)),
            "DATA" if !self.to.is_empty() => Next::ReadMail,
            "RCPT" | "DATA" => Next::Reply("503 5.5.1 bad sequence of commands".into()),
            "RSET" => {
                self.reset();
                Next::Reply("250 2.0.0 forgotten".into())
            }
            "NOOP" => Next::Reply("250 2.0.0 here".into()),
            "QUIT" => Next::Close(Some("221 2.0.0 goodbye")),
            _ => Next::Reply("502 5.5.2 unknown command".into()),
        }
    }

    fn recipient(&mut self, address: String) -> Next {
        let slow = match self.server.inner.faults.next(&format!("mail {address}")) {
            None => None,
            Some(FaultKind::Slow(delay)) => Some(delay),
            Some(FaultKind::Down) => return Next::Close(None),
            Some(FaultKind::Status(code)) => return Next::Reply(format!("{code} fault asked for")),
            Some(FaultKind::TooMany(_)) => return Next::Reply("450 4.7.1 too many mails".into()),
            Some(FaultKind::Wrong) => return Next::Reply("this is not SMTP".into()),
        };
        self.to.push(Recipient { address, slow });
        Next::Reply("250 2.1.5 recipient taken".into())
    }

    /// Hands the mail over to each recipient; gives the delay before the answer.
    fn receive(&mut self, mail: &[u8]) -> Option<Duration> {
        // Whoever is told of a mail arms its timers before the clock may move.
        let _busy = self.server.inner.clock.busy();
        let from = self.from.take().unwrap_or_default();
        let to = std::mem::take(&mut self.to);
        for recipient in &to {
            self.server.receive(&from, &recipient.address, mail);
        }
        to.iter().filter_map(|recipient| recipient.slow).max()
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }
}

/// The address between the angle brackets of `MAIL FROM:<…>` or `RCPT TO:<…>`.
fn path(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map(|(address, _)| address.to_owned()).unwrap_or_default()
}

async fn reply(stream: &mut BufReader<TcpStream>, text: &str) -> io::Result<()> {
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await
}

/// One line without its end; `None` when the client left.
async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = stream.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    if read == 0 || line.pop_if(|last| *last == b'\n').is_none() {
        return Ok(None);
    }
    line.pop_if(|last| *last == b'\r');
    Ok(Some(line))
}

/// The mail up to its final dot, dots unstuffed (RFC 5321, section 4.5.2); `None` when the client
/// left before, or never stops.
async fn read_mail(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut mail = Vec::new();
    while let Some(line) = read_line(stream).await? {
        if line == b"." {
            return Ok(Some(mail));
        }
        mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        mail.extend_from_slice(b"\r\n");
        if mail.len() > LARGEST_MAIL {
            return Ok(None);
        }
    }
    Ok(None)
}
