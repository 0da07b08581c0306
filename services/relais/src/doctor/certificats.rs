//! When certificates end.

use bus::tls::{self, Expiry};
use chrono::TimeDelta;
use kernel::Clock;
use service::{FrameConfig, backends};

use super::{Gravite, Rapport, chaine};

const SUJET: &str = "certificat";
/// Remaining days under which somebody must act soon: time for a request, and for a holiday.
const BIENTOT_JOURS: i64 = 30;
/// Remaining days under which it is an error.
const URGENT_JOURS: i64 = 7;

pub(super) async fn examiner(frame: &FrameConfig, rapport: &mut Rapport) {
    let files = [("amqp_ca", &frame.amqp_ca), ("amqp_cert", &frame.amqp_cert)];
    for (cle, path) in files.iter().filter_map(|(cle, path)| Some((*cle, path.as_ref()?))) {
        match tls::expiries(path) {
            Ok(list) => list.iter().for_each(|expiry| juger(cle, expiry, rapport)),
            Err(error) => rapport.erreur(SUJET, format!("{cle} : {error}"), "corrigez ce fichier"),
        }
    }
    let Some(url) = &frame.amqp_url else { return };
    match tls::expiry_of_server(url, &backends::certificates(frame)).await {
        Ok(Some(expiry)) => juger("courtier", &expiry, rapport),
        Ok(None) if !boucle_locale(url.expose()) => rapport.attention(
            SUJET,
            "amqp_url n'est pas en amqps:// : les messages passent en clair",
            "donnez au courtier un certificat, et à Relais amqps://",
        ),
        Ok(None) => {}
        Err(error) => rapport.erreur(
            SUJET,
            format!("courtier : {}", chaine(&error)),
            "corrigez amqp_ca, amqp_cert et amqp_key, ou le certificat du courtier",
        ),
    }
}

fn juger(de: &str, expiry: &Expiry, rapport: &mut Rapport) {
    let reste: TimeDelta = expiry.not_after - Clock::system().now();
    let fin = expiry.not_after.format("%d/%m/%Y");
    let gravite = match reste.num_days() {
        _ if reste <= TimeDelta::days(URGENT_JOURS) => Gravite::Erreur,
        jours if jours <= BIENTOT_JOURS => Gravite::Attention,
        _ => Gravite::Bon,
    };
    let texte = if reste <= TimeDelta::zero() {
        format!("{de} ({}) : expiré depuis le {fin}", expiry.subject)
    } else {
        format!("{de} ({}) : valable jusqu'au {fin}", expiry.subject)
    };
    let remede = if gravite == Gravite::Bon { "" } else { "renouvelez-le" };
    rapport.noter(gravite, SUJET, texte, remede);
}

fn boucle_locale(url: &str) -> bool {
    let host = url.rsplit('@').next().unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}

#[cfg(test)]
mod tests {
    use super::{
        Gravite::{Attention, Bon, Erreur},
        *,
    };

    #[test]
    fn the_end_is_judged_by_what_remains() {
        let gravites = [-1, 5, 20, 90].map(|jours| {
            let mut rapport = Rapport::default();
            let not_after = Clock::system().now() + TimeDelta::days(jours);
            juger("courtier", &Expiry { subject: "CN=x".to_owned(), not_after }, &mut rapport);
            rapport.0[0].gravite
        });
        assert_eq!(gravites, [Erreur, Erreur, Attention, Bon]);
    }

    #[test]
    fn a_loopback_needs_no_tls() {
        assert!(boucle_locale("amqp://u:p@127.0.0.1:5672/%2f"));
        assert!(!boucle_locale("amqp://u:127.0.0.1@courtier:5672/%2f"));
    }
}
