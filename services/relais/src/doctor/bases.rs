//! The stores: reached, migrated, and on time.

use kernel::Clock;
use service::FrameConfig;
use store::{Inspection, StoreError, postgres, sqlite};

use super::{Rapport, chaine};

const SUJET: &str = "base";

pub(super) async fn examiner(frame: &FrameConfig, choisis: &[&str], rapport: &mut Rapport) {
    let mut horloge = None;
    for name in choisis {
        let found = inspecter(frame, name, choisis.len() > 1).await;
        let ici = Clock::system().now();
        match found {
            Ok(inspection) => {
                horloge = horloge.or(inspection.now.map(|now| (now, ici)));
                juger(name, &inspection, rapport);
            }
            Err(error) => rapport.erreur(
                SUJET,
                format!("{name} : {}", chaine(&error)),
                "vérifiez database_url, le serveur, et que la base existe",
            ),
        }
    }
    if let Some((la_bas, ici)) = horloge {
        rapport.horloge("PostgreSQL", la_bas, ici);
    }
}

/// Where `relais run` would look: several services share a database, one schema each.
async fn inspecter(
    frame: &FrameConfig,
    name: &str,
    schemas: bool,
) -> Result<Inspection, StoreError> {
    match &frame.database_url {
        Some(url) => {
            let schema = name.replace('-', "_");
            postgres::inspect(url.expose(), schemas.then_some(&schema)).await
        }
        None => sqlite::inspect(&frame.data_dir.join(format!("{name}.sqlite"))).await,
    }
}

fn juger(name: &str, inspection: &Inspection, rapport: &mut Rapport) {
    let (newer, pending) = (inspection.newer(), inspection.pending());
    if !newer.is_empty() {
        rapport.erreur(
            SUJET,
            format!("{name} : migrée à la version {} par un programme plus récent", liste(&newer)),
            "relancez ce programme-là : celui-ci refuse de démarrer",
        );
    } else if !inspection.broken.is_empty() {
        rapport.erreur(
            SUJET,
            format!("{name} : la migration {} ne s'est pas terminée", liste(&inspection.broken)),
            "rétablissez la sauvegarde, ou terminez-la à la main",
        );
    } else if inspection.applied.is_empty() {
        rapport.bon(SUJET, format!("{name} : neuve, ses tables se font au premier démarrage"));
    } else if !pending.is_empty() {
        rapport.attention(
            SUJET,
            format!("{name} : migrations à faire : {}", liste(&pending)),
            "elles se font au prochain démarrage ; sauvegardez d'abord",
        );
    } else {
        rapport.bon(SUJET, format!("{name} : à jour (version {})", liste(&inspection.applied)));
    }
}

fn liste(versions: &[i64]) -> String {
    versions.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{super::Gravite, *};

    #[test]
    fn stores_are_judged_by_their_migrations() {
        let gravite = |applied: &[i64], broken: &[i64]| {
            let mut rapport = Rapport::default();
            let inspection = Inspection {
                now: None,
                applied: applied.to_vec(),
                broken: broken.to_vec(),
                known: vec![1, 2],
            };
            juger("indemnite", &inspection, &mut rapport);
            rapport.0[0].gravite
        };
        assert_eq!(gravite(&[1, 2], &[]), Gravite::Bon);
        assert_eq!(gravite(&[], &[]), Gravite::Bon);
        assert_eq!(gravite(&[1], &[]), Gravite::Attention);
        assert_eq!(gravite(&[1, 2], &[2]), Gravite::Erreur);
        assert_eq!(gravite(&[1, 2, 3], &[]), Gravite::Erreur);
    }
}
