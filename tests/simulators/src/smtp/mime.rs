//! Reads the mails that Relais sends: a text, or a text and attachments (RFC 2045 to 2047).

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};

/// An attachment, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its name.
    pub nom: String,
    /// Its type, with its parameters.
    pub type_mime: String,
    /// What it holds, to the byte.
    pub contenu: Vec<u8>,
}

/// A mail, decoded.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) objet: String,
    pub(super) texte: String,
    pub(super) pieces: Vec<Piece>,
}

/// Headers by lower-case name.
type Headers = BTreeMap<String, String>;

impl Message {
    pub(super) fn parse(content: &[u8]) -> Self {
        let content = String::from_utf8_lossy(content);
        let (headers, body) = split(&content);
        let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
        let mut message = Self {
            id: header("message-id"),
            objet: decode_words(&header("subject")),
            ..Self::default()
        };
        message.read_part(&headers, body);
        message
    }

    fn read_part(&mut self, headers: &Headers, body: &str) {
        let header = |name: &str| headers.get(name).map_or("", String::as_str);
        let kind = header("content-type");
        if let Some(boundary) = parameter(kind, "boundary") {
            for part in parts(body, &boundary) {
                let (headers, body) = split(part);
                self.read_part(&headers, body);
            }
            return;
        }
        let bytes = decode_body(header("content-transfer-encoding"), body);
        let disposition = header("content-disposition");
        if disposition.starts_with("attachment") {
            let nom = parameter(disposition, "filename").unwrap_or_default();
            self.pieces.push(Piece { nom, type_mime: kind.to_owned(), contenu: bytes });
        } else {
            let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
            self.texte.push_str(text.trim_end());
        }
    }
}

/// Headers, unfolded, and what follows them.
fn split(content: &str) -> (Headers, &str) {
    let (head, body) = content.split_once("\r\n\r\n").unwrap_or((content, ""));
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let headers = unfolded.lines().filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    (headers.collect(), body)
}

/// The parts between the boundaries.
fn parts<'a>(body: &'a str, boundary: &str) -> Vec<&'a str> {
    let delimiter = format!("--{boundary}");
    let pieces = body.split(delimiter.as_str()).skip(1).take_while(|p| !p.starts_with("--"));
    // The line breaks around a part belong to the boundaries (RFC 2046, section 5.1.1).
    let inside = pieces.map(|p| p.strip_prefix("\r\n").unwrap_or(p));
    inside.map(|p| p.strip_suffix("\r\n").unwrap_or(p)).collect()
}

/// A parameter of a structured header.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
    })
}

fn decode_body(encoding: &str, body: &str) -> Vec<u8> {
    match encoding.to_ascii_lowercase().as_str() {
        "base64" => {
            let compact: String = body.split_ascii_whitespace().collect();
            STANDARD.decode(compact).unwrap_or_default()
        }
        "quoted-printable" => quoted(&body.replace("=\r\n", ""), false),
        _ => body.as_bytes().to_vec(),
    }
}

/// `=C3=A9` as bytes; `_` is a space in headers (RFC 2047, section 4.2).
fn quoted(text: &str, header: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (*first, code) {
            (b'=', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
                continue;
            }
            (b'_', _) if header => bytes.push(b' '),
            (byte, _) => bytes.push(byte),
        }
        rest = tail;
    }
    bytes
}

/// Decodes `=?utf-8?b?…?=` and `=?utf-8?q?…?=`; the space between two of them is not text.
fn decode_words(value: &str) -> String {
    let mut decoded = String::new();
    let mut after_encoded = false;
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        let encoded = decode_word(word);
        let glued = after_encoded && encoded.is_some();
        if !decoded.is_empty() && !glued {
            decoded.push(' ');
        }
        after_encoded = encoded.is_some();
        decoded.push_str(encoded.as_deref().unwrap_or(word));
    }
    decoded
}

fn decode_word(word: &str) -> Option<String> {
    let inside = word.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut fields = inside.splitn(3, '?');
    let (_charset, encoding, text) = (fields.next()?, fields.next()?, fields.next()?);
    let bytes = match encoding {
        "b" | "B" => STANDARD.decode(text).ok()?,
        "q" | "Q" => quoted(text, true),
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_and_its_attachment_are_decoded() {
        let content = "Message-ID: <1@relais.example>\r\n\
            Subject: =?utf-8?b?UHLDqXNlbmNlIMOg?= =?utf-8?q?_attester?= (lieu\r\n 12)\r\n\
            Content-Type: multipart/mixed; boundary=\"x y\"\r\n\r\n\
            --x y\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n\
            Bonjour =C3=A0 tous, la suite est=\r\n longue\r\n\
            --x y\r\nContent-Type: text/calendar; charset=utf-8\r\n\
            Content-Disposition: attachment; filename=\"planning.ics\"\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nQkVHSU46\r\nVkNBTEVOREFS\r\n--x y--\r\n";
        let message = Message::parse(content.as_bytes());
        assert_eq!(message.id, "<1@relais.example>");
        assert_eq!(message.objet, "Présence à attester (lieu 12)");
        assert_eq!(message.texte, "Bonjour à tous, la suite est longue");
        let piece = Piece {
            nom: "planning.ics".to_owned(),
            type_mime: "text/calendar; charset=utf-8".to_owned(),
            contenu: b"BEGIN:VCALENDAR".to_vec(),
        };
        assert_eq!(message.pieces, [piece]);
    }

    #[test]
    fn nonsense_is_kept_as_it_is() {
        let message = Message::parse(b"Subject: =?x?z?y?= 100 =\r\n\r\nrien");
        assert_eq!((message.objet.as_str(), message.texte.as_str()), ("=?x?z?y?= 100 =", "rien"));
        assert_eq!(Message::parse(b"").texte, "");
    }
}
