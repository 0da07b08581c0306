//! A simulated mail server: real SMTP (RFC 5321), mails kept and shown, faults on demand.
//!
//! It accepts every recipient. Whoever scripts the world reads the mails, or is told of each one
//! by a hook, before the client is answered.

mod mime;
mod session;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agency::faults::Faults;
use chrono::{DateTime, Utc};
use kernel::{Clock, Tasks};
use tokio::net::TcpListener;

pub use mime::Piece;

/// Mails kept, at most; the oldest go first.
const KEPT: usize = 10_000;

/// A mail as its recipient sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Message-ID, with its angle brackets.
    pub id: String,
    /// Sender, as the envelope gives it.
    pub de: String,
    /// Recipient, as the envelope gives it.
    pub a: String,
    /// Subject, decoded.
    pub objet: String,
    /// Text, decoded.
    pub texte: String,
    /// Addresses found in the text, in order.
    pub liens: Vec<String>,
    /// Attachments.
    pub pieces: Vec<Piece>,
    /// Business time of reception.
    pub recu_le: DateTime<Utc>,
    /// 1 the first time that this recipient receives this Message-ID, 2 the second time, …
    pub exemplaire: u32,
}

/// What was received, as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compte {
    /// Mails received, duplicates included.
    pub recus: u64,
    /// Distinct (Message-ID, recipient).
    pub distincts: u64,
}

/// Called with each mail.
type Hook = dyn Fn(&Mail) + Send + Sync;

/// The simulated mail server; cheap to clone. It stops with its tasks.
#[derive(Clone)]
pub struct SmtpSimule {
    inner: Arc<Inner>,
}

struct Inner {
    address: SocketAddr,
    clock: Clock,
    faults: Faults,
    state: Mutex<State>,
}

struct State {
    keep: bool,
    mails: VecDeque<Mail>,
    /// Copies received of each (Message-ID, recipient), by hash: eight bytes a mail.
    copies: HashMap<u64, u32>,
    received: u64,
    hook: Option<Arc<Hook>>,
}

impl fmt::Debug for SmtpSimule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpSimule").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

impl SmtpSimule {
    /// Starts the server on `127.0.0.1:port`; 0 takes a free port.
    ///
    /// # Errors
    /// When the port cannot be taken.
    pub async fn start(clock: Clock, tasks: &Tasks, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let state = State {
            keep: true,
            mails: VecDeque::new(),
            copies: HashMap::new(),
            received: 0,
            hook: None,
        };
        let inner = Inner {
            address: listener.local_addr()?,
            clock,
            faults: Faults::none(),
            state: Mutex::new(state),
        };
        let server = Self { inner: Arc::new(inner) };
        let (accepting, sessions) = (server.clone(), tasks.clone());
        tasks.spawn_until_stopped(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = accepting.clone();
                sessions.spawn_until_stopped(async move {
                    // A client that goes away in the middle of a dialogue is its own affair.
                    let _ = session::serve(&server, stream).await;
                });
            }
        });
        Ok(server)
    }

    /// What a mailer's settings need: `smtp://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.inner.address)
    }

    /// The faults that can be asked of it; a call is `mail <recipient>`. [`Status`] is an SMTP
    /// code: 451 refuses for now, 550 for good.
    ///
    /// [`Status`]: agency::faults::FaultKind::Status
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Says whether mails are kept (at most 10,000) or only counted, which is for big runs.
    pub fn set_keep(&self, keep: bool) {
        let mut state = self.lock();
        state.keep = keep;
        if !keep {
            state.mails.clear();
        }
    }

    /// Replaces what is called with each mail, duplicates included.
    pub fn set_hook(&self, hook: impl Fn(&Mail) + Send + Sync + 'static) {
        self.lock().hook = Some(Arc::new(hook));
    }

    /// The kept mails, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.lock().mails.iter().cloned().collect()
    }

    /// How many were received.
    pub fn compte(&self) -> Compte {
        let state = self.lock();
        Compte { recus: state.received, distincts: state.copies.len() as u64 }
    }

    /// Takes a mail: counts it, keeps it, then tells the hook, outside the lock.
    fn receive(&self, de: &str, a: &str, content: &[u8]) {
        let message = mime::Message::parse(content);
        let mut hasher = DefaultHasher::new();
        (&message.id, a).hash(&mut hasher);
        let mut state = self.lock();
        let copies = state.copies.entry(hasher.finish()).or_default();
        *copies += 1;
        let mail = Mail {
            liens: liens(&message.texte),
            id: message.id,
            de: de.to_owned(),
            a: a.to_owned(),
            objet: message.objet,
            texte: message.texte,
            pieces: message.pieces,
            recu_le: self.inner.clock.now(),
            exemplaire: *copies,
        };
        state.received += 1;
        let hook = state.hook.clone();
        if state.keep {
            if state.mails.len() == KEPT {
                state.mails.pop_front();
            }
            state.mails.push_back(mail.clone());
        }
        drop(state);
        if let Some(hook) = hook {
            hook(&mail);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses in a text, each once.
fn liens(texte: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in texte.split_whitespace() {
        let start = word.find("https://").or_else(|| word.find("http://"));
        if let Some(address) = start.map(|start| word[start..].trim_end_matches(['.', ',', ')']))
            && found.iter().all(|known| known != address)
        {
            found.push(address.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_once_without_the_punctuation_around() {
        let texte =
            "Voir https://a.example/r/x.y-z, ou (http://b.example/).\nhttps://a.example/r/x.y-z";
        assert_eq!(liens(texte), ["https://a.example/r/x.y-z", "http://b.example/"]);
    }
}
