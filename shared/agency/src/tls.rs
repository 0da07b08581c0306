//! One TLS provider for the process, and where plain connections are accepted.

use std::net::IpAddr;

/// Installs rustls' ring provider for the process; harmless when one is installed already.
///
/// reqwest is built without a provider of its own and takes the process's one.
pub fn install_crypto_provider() {
    // An error only says that a provider is there already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Says whether a host name or address is this machine: the only place where a connection
/// without TLS is accepted.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "0.0.0.0", "agence.example", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
