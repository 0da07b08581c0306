//! Serves the files: whole, in part (RFC 9110, section 14), and wrong when that is asked for.

use std::{
    io::{self, Cursor, Write},
    time::Duration,
};

use agency::faults::FaultKind;
use axum::{
    body::Body,
    extract::State as Shared,
    http::{HeaderMap, Response, StatusCode, header},
};
use chrono::NaiveDate;
use futures_util::StreamExt;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{Evenement, RppsSimule};
use crate::vue::empreinte;

type Served = Response<Body>;

pub(super) async fn activites(Shared(simule): Shared<RppsSimule>, headers: HeaderMap) -> Served {
    let du = |s: &RppsSimule, jour| s.activites_du(jour).into_bytes();
    simule.servir("activites", "PS_LibreAcces_Personne_activite", "txt", du, &headers).await
}

pub(super) async fn savoir_faire(Shared(simule): Shared<RppsSimule>, headers: HeaderMap) -> Served {
    let du = |s: &RppsSimule, jour| s.savoir_faire_du(jour).into_bytes();
    simule.servir("savoir-faire", "PS_LibreAcces_SavoirFaire", "txt", du, &headers).await
}

pub(super) async fn cartes(Shared(simule): Shared<RppsSimule>, headers: HeaderMap) -> Served {
    let du = |s: &RppsSimule, jour| s.cartes_du(jour).into_bytes();
    simule.servir("cartes", "porteurs-cps-cpf", "txt", du, &headers).await
}

pub(super) async fn archive(Shared(simule): Shared<RppsSimule>, headers: HeaderMap) -> Served {
    simule.servir("archive", "PS_LibreAcces", "zip", zip_du, &headers).await
}

/// Activities and specialities of a day, in one archive.
fn zip_du(simule: &RppsSimule, jour: NaiveDate) -> Vec<u8> {
    let stamp = jour.format("%Y%m%d0000");
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (prefixe, texte) in [
        ("PS_LibreAcces_Personne_activite", simule.activites_du(jour)),
        ("PS_LibreAcces_SavoirFaire", simule.savoir_faire_du(jour)),
    ] {
        let options = SimpleFileOptions::default();
        archive.start_file(format!("{prefixe}_{stamp}.txt"), options).expect("in memory");
        archive.write_all(texte.as_bytes()).expect("in memory");
    }
    archive.finish().expect("in memory").into_inner()
}

impl RppsSimule {
    async fn servir(
        &self,
        appel: &str,
        prefixe: &str,
        extension: &str,
        du: fn(&Self, NaiveDate) -> Vec<u8>,
        headers: &HeaderMap,
    ) -> Served {
        let jour = kernel::paris_date(self.inner.clock.now());
        let fichier = format!("{prefixe}_{}0000.{extension}", jour.format("%Y%m%d"));
        let fault = self.faults.next(&format!("{appel} {jour}"));
        match fault {
            Some(FaultKind::Status(status)) => return refus(status, None),
            Some(FaultKind::TooMany(seconds)) => return refus(429, Some(seconds)),
            Some(FaultKind::Slow(delay)) => patienter(delay).await,
            Some(FaultKind::Down | FaultKind::Wrong) | None => {}
        }
        let mut octets = du(self, jour);
        if fault == Some(FaultKind::Wrong) {
            // Cut in the middle of its end, as an interrupted export leaves it.
            octets.truncate(octets.len().saturating_sub(12));
        }
        let etag = format!("\"{:016x}\"", empreinte(&octets));
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
        let same = text(header::IF_RANGE).is_none_or(|v| v == etag);
        let range = text(header::RANGE).and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-'));
        let debut = range.filter(|_| same).and_then(|d| d.parse::<usize>().ok());
        let total = octets.len();
        let mut response = Response::builder()
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{fichier}\""))
            .header(header::LAST_MODIFIED, jour.format("%a, %d %b %Y 00:00:00 GMT").to_string())
            .header(header::ETAG, etag);
        if let Some(debut) = debut {
            if debut >= total {
                return refus(416, None);
            }
            octets.drain(..debut);
            let part = format!("bytes {debut}-{}/{total}", total - 1);
            let partial = response.status(StatusCode::PARTIAL_CONTENT);
            response = partial.header(header::CONTENT_RANGE, part);
        }
        if fault == Some(FaultKind::Down) {
            return response.body(coupe(&octets)).unwrap_or_default();
        }
        if fault.is_none() {
            let lignes = memchr::memchr_iter(b'\n', &octets).count().saturating_sub(1);
            self.signaler(Evenement::FichierServi { fichier, lignes });
        }
        response.body(Body::from(octets)).unwrap_or_default()
    }
}

async fn patienter(delay: Duration) {
    tokio::time::sleep(delay).await;
}

pub(super) fn refus(status: u16, retry_after: Option<u32>) -> Served {
    let mut response = Response::new(Body::from("<html>indisponible</html>"));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A body that breaks off: the connection is closed in the middle of it.
pub(super) fn coupe(octets: &[u8]) -> Body {
    let half = octets[..octets.len() / 2].to_vec();
    let broken = futures_util::stream::once(async {
        // What was written before an error may not have left yet.
        patienter(Duration::from_millis(50)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    Body::from_stream(futures_util::stream::iter([Ok(half)]).chain(broken))
}
