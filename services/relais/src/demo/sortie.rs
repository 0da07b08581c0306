//! What the demo leaves in its folder: messages, statements, plannings.

use std::{
    collections::BTreeMap,
    fs, io,
    io::{BufRead, BufReader},
    path::Path,
};

use contracts::{Envelope, LieuId, Message, Referentiel, messages::PlanningPublie};
use indemnite::state::Releve;
use simulators::Monde;

use super::{DemoError, reseau::Reseau};
use crate::etats;

/// What says that a folder was made by the demo, and may be replaced.
const MARQUE: &str = ".relais-demo";

/// Makes the folder, replacing what an earlier demo left; refuses any other folder that is not
/// empty.
pub(super) fn preparer(out: &Path) -> Result<(), DemoError> {
    if out.exists() {
        let empty = fs::read_dir(out)?.next().is_none();
        if !empty && !out.join(MARQUE).exists() {
            return Err(DemoError::Dossier(format!(
                "{} existe et ne vient pas d'une démonstration : choisissez un autre --out",
                out.display()
            )));
        }
        fs::remove_dir_all(out)?;
    }
    fs::create_dir_all(out.join("etats"))?;
    fs::create_dir_all(out.join("plannings"))?;
    fs::write(out.join(MARQUE), "dossier produit par « relais demo », remplacé à chaque fois\n")?;
    Ok(())
}

/// Small print of every document of the demo.
const AVIS: &str = "Démonstration : personnes, lieux, numéros et montants sont fictifs.";

/// The statements, as the service keeps them.
pub(super) async fn releves(
    reseau: &Reseau,
    referentiel: &Referentiel,
) -> Result<Vec<Releve>, DemoError> {
    let cpams: Vec<_> = referentiel.cpams().cloned().collect();
    let found = etats::trouver(&cpams, None, async |cle| {
        reseau.etat::<indemnite::State>("indemnite", &cle).await
    });
    let kept = found.await?.into_iter().filter_map(|emis| emis.releve);
    Ok(kept.map(|releve| *releve).collect())
}

/// Writes the statements and their forms, and the plannings.
pub(super) fn ecrire(
    out: &Path,
    monde: &Monde,
    referentiel: &Referentiel,
    releves: &[Releve],
) -> io::Result<()> {
    etats::ecrire(out, &etats::documents(releves, Some(AVIS)))?;
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    monde.avec_registre(|registre| {
        for (cpam, etat) in registre.enonces() {
            let text = indemnite::csv(etat, cpam);
            let file = files.entry(format!("{cpam}-{}.csv", etat.mois)).or_default();
            if file.is_empty() {
                file.push_str(&text);
            } else {
                // A further statement of the month: its lines, under the same header.
                file.extend(text.split_inclusive('\n').skip(1));
            }
        }
    });
    for (name, text) in files {
        fs::write(out.join("etats").join(name), text)?;
    }
    for (lieu, planning) in plannings(&out.join("messages.ndjson"))? {
        if let Some(fiche) = referentiel.lieu(&lieu) {
            let file = |suffix| out.join("plannings").join(format!("{lieu}.{suffix}"));
            fs::write(file("ics"), rdv_agenda_sync::ics(&planning, fiche))?;
            let pdf = rdv_agenda_sync::pdf(&planning, fiche, Some(AVIS));
            fs::write(file("pdf"), pdf.map_err(io::Error::other)?)?;
        }
    }
    Ok(())
}

/// The last planning of each site, from what was published.
fn plannings(messages: &Path) -> io::Result<BTreeMap<LieuId, PlanningPublie>> {
    let mut last: BTreeMap<LieuId, (u64, PlanningPublie)> = BTreeMap::new();
    for line in BufReader::new(fs::File::open(messages)?).lines() {
        let line = line?;
        if !line.contains(PlanningPublie::TYPE) {
            continue;
        }
        let Ok(envelope) = Envelope::from_structured(line.as_bytes()) else { continue };
        let Ok(planning) = serde_json::from_slice::<PlanningPublie>(&envelope.data) else {
            continue;
        };
        let version = envelope.sequence.unwrap_or(0);
        if last.get(&planning.lieu).is_none_or(|(known, _)| *known < version) {
            last.insert(planning.lieu.clone(), (version, planning));
        }
    }
    Ok(last.into_iter().map(|(lieu, (_, planning))| (lieu, planning)).collect())
}
