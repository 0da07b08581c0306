//! Why a mail does not leave, and whether it may later.

use std::io;

use kernel::Fault;

use crate::smtp::Failure;

/// Why a mail did not leave. Says neither the recipient nor the server's words, which may name it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    #[error("no SMTP server is configured")]
    Absent,
    #[error("the recipient's address is not one")]
    Recipient,
    #[error("the attachment's type is not one")]
    Attachment,
    #[error("the mail cannot be composed")]
    Compose,
    #[error("the attachments were not made to the end")]
    Interrupted,
    #[error("the server answered {0}")]
    Answered(u16),
    #[error("no connection: {0}")]
    Connection(io::ErrorKind),
    #[error("the connection could not be secured")]
    Tls,
    #[error("the server did not speak SMTP")]
    Protocol,
    #[error("the server lacks what the mail needs (STARTTLS, SMTPUTF8 or authentication)")]
    Capability,
    #[error("no complete answer in time")]
    Timeout,
}

impl From<Failure> for MailError {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Timeout => return Self::Timeout,
            Failure::Smtp(error) => error,
        };
        if let Some(code) = error.status() {
            return Self::Answered(code.into());
        }
        if error.is_client() {
            return Self::Capability;
        }
        let mut cause = std::error::Error::source(&error);
        while let Some(e) = cause {
            if let Some(e) = e.downcast_ref::<io::Error>() {
                return Self::Connection(e.kind());
            }
            cause = e.source();
        }
        if error.is_tls() { Self::Tls } else { Self::Protocol }
    }
}

impl From<MailError> for Fault {
    fn from(error: MailError) -> Self {
        match error {
            // The operator may still configure it; nothing of the mail is wrong.
            MailError::Absent => Self::transient("smtp-non-configure", error),
            // The register or the form holds a wrong address: somebody corrects it.
            MailError::Recipient => Self::permanent("courriel-invalide", error),
            MailError::Attachment | MailError::Compose => {
                Self::permanent("courriel-impossible", error)
            }
            MailError::Interrupted => Self::transient("courriel-interrompu", error),
            // RFC 4954, section 6: what is refused is Relais, not the mail; every mail waits until
            // its credentials are corrected.
            MailError::Answered(530 | 534 | 535 | 538) => {
                Self::transient("smtp-authentification", error)
            }
            // RFC 5321, section 4.2.1: « the command was not accepted and should be tried again »
            // (greylisting, full mailbox, load).
            MailError::Answered(400..=499) => Self::transient("smtp-reporte", error),
            // RFC 5321, section 4.2.1: « the SMTP client should not repeat the exact request »
            // (unknown mailbox, refused content).
            MailError::Answered(_) => Self::permanent("smtp-refus", error),
            // The server's set-up, not the mail: it is corrected there.
            MailError::Capability => Self::transient("smtp-incapable", error),
            MailError::Connection(_)
            | MailError::Tls
            | MailError::Protocol
            | MailError::Timeout => Self::transient("smtp-injoignable", error),
        }
    }
}
