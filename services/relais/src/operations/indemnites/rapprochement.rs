//! What was stated beside what the CPAM paid, and what it says by file.

use std::{collections::BTreeMap, fs, process::ExitCode};

use chrono::NaiveDate;
use contracts::{Centimes, CodeCpam, Mois};
use documents::typo;
use indemnite::{
    State,
    state::{EtatEmis, Reglement, cle_etat_emis, demande_de_l_etat},
};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    SERVICE,
    cli::ImportArgs,
    etat,
    fichier::{Issue, Retour, Retours, lire},
    sans_suite, suivre,
};
use crate::operations::{
    OperationError,
    poste::Poste,
    table::{compte, dire, dire_json, table},
};

/// Lines told at once: an action holds 64 KiB.
const LIGNES: usize = 1000;

/// A statement, in cents.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Bilan {
    etat: String,
    emis_le: Option<NaiveDate>,
    lignes: usize,
    enonce: i64,
    paye: i64,
    rejete: i64,
    attendu: i64,
    intact: bool,
}

impl Bilan {
    fn de(emis: &EtatEmis) -> Self {
        let mut bilan = Self {
            etat: format!("{}-{}-{}", emis.cpam, emis.mois, emis.rang),
            lignes: emis.lignes.len(),
            ..Self::default()
        };
        let Some(releve) = &emis.releve else { return bilan };
        bilan.emis_le = Some(releve.emis_le);
        bilan.intact = releve.est_intact();
        for ligne in &releve.etat.lignes {
            let cents = ligne.centimes.0;
            bilan.enonce += cents;
            match emis.lignes.get(&ligne.ligne).map(|l| l.reglement) {
                Some(Reglement::Paye) => bilan.paye += cents,
                Some(Reglement::Rejete) => bilan.rejete += cents,
                Some(Reglement::Attendu) | None => bilan.attendu += cents,
            }
        }
        bilan
    }
}

/// Shows statements, one a line.
pub(super) fn montrer(etats: &[EtatEmis], en_json: bool) {
    let bilans: Vec<_> = etats.iter().map(Bilan::de).collect();
    if en_json {
        dire_json(&bilans);
        return;
    }
    let euros = |cents| typo::euros(Centimes(cents));
    let row = |b: &Bilan| {
        let day = b.emis_le.map(|day| day.to_string()).unwrap_or_default();
        let sums = [b.enonce, b.paye, b.rejete, b.attendu].map(euros);
        let [stated, paid, rejected, awaited] = sums;
        [b.etat.clone(), day, b.lignes.to_string(), stated, paid, rejected, awaited]
    };
    let rows: Vec<_> = bilans.iter().map(row).collect();
    if !rows.is_empty() {
        let titles = ["ÉTAT", "ÉMIS LE", "LIGNES", "ÉNONCÉ", "PAYÉ", "REJETÉ", "ATTENDU"];
        dire(&table(titles, &rows));
    }
    let awaited = bilans.iter().map(|b| b.attendu).sum();
    let count = compte(rows.len(), "état", "états");
    dire(&format!("{count}, {} attendus", euros(awaited)));
}

/// `relais indemnite import`.
pub(super) async fn importer(args: ImportArgs) -> Result<ExitCode, OperationError> {
    let bytes = fs::read(&args.fichier)
        .map_err(|e| OperationError::Usage(format!("{} : {e}", args.fichier.display())))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        OperationError::Usage(format!("{} : UTF-8 est attendu", args.fichier.display()))
    })?;
    let retours = lire(&text).map_err(|wrong| OperationError::Refus(wrong.join("\n")))?;
    let poste = Poste::du_service(&args.acces, SERVICE)?;
    let a_dire = controler(&poste, retours).await?;
    let (new, known) =
        a_dire.iter().fold((0, 0), |(n, k), e| (n + e.nouvelles.len(), k + e.connues));
    if !args.essai {
        for etat in &a_dire {
            transmettre(&poste, etat).await?;
        }
    }
    let mut after = Vec::new();
    for of in &a_dire {
        let cle = cle_etat_emis(of.demande);
        if let Some(State::EtatEmis(emis)) = etat(&poste, &cle).await? {
            after.push(emis);
        }
    }
    montrer(&after, args.acces.json);
    if !args.acces.json {
        let new = if args.essai {
            compte(new, "ligne à reprendre", "lignes à reprendre")
        } else {
            compte(new, "ligne reprise", "lignes reprises")
        };
        dire(&format!("{new}, {}", compte(known, "déjà connue", "déjà connues")));
    }
    Ok(ExitCode::SUCCESS)
}

/// What is to be told of a statement.
struct ADire {
    demande: Uuid,
    nouvelles: Vec<Retour>,
    connues: usize,
}

/// Compares the whole file with what was stated; nothing is asked when one row is wrong.
async fn controler(poste: &Poste, retours: Retours) -> Result<Vec<ADire>, OperationError> {
    let (mut a_dire, mut wrong) = (Vec::new(), Vec::new());
    for ((cpam, mois, rang), lignes) in retours {
        let demande = demande_de_l_etat(&cpam, mois, rang);
        match etat(poste, &cle_etat_emis(demande)).await? {
            Some(State::EtatEmis(emis)) => {
                a_dire.push(comparer(demande, &emis, lignes, &mut wrong));
            }
            Some(_) | None => wrong.push(inconnu(&cpam, mois, rang)),
        }
    }
    if wrong.is_empty() { Ok(a_dire) } else { Err(OperationError::Refus(wrong.join("\n"))) }
}

fn inconnu(cpam: &CodeCpam, mois: Mois, rang: u32) -> String {
    format!("aucun état {cpam}-{mois}-{rang} n'a été émis")
}

fn comparer(demande: Uuid, emis: &EtatEmis, lignes: Vec<Retour>, wrong: &mut Vec<String>) -> ADire {
    let stated: BTreeMap<Uuid, i64> =
        emis.releve.iter().flat_map(|r| &r.etat.lignes).map(|l| (l.ligne, l.centimes.0)).collect();
    let mut a_dire = ADire { demande, nouvelles: Vec::new(), connues: 0 };
    let mut seen = BTreeMap::new();
    for retour in lignes {
        let Retour { rangee, ligne, centimes, issue } = &retour;
        let mut refuse = |text: &str| wrong.push(format!("rangée {rangee} : {text}"));
        let Some(known) = emis.lignes.get(ligne) else {
            refuse("l'état n'a pas cette ligne");
            continue;
        };
        if stated.get(ligne).is_some_and(|cents| cents != centimes) {
            refuse("le montant n'est pas celui qui a été énoncé");
        } else if seen.insert(*ligne, issue.clone()).is_some_and(|before| before != *issue) {
            refuse("la même ligne a deux issues");
        } else {
            match (known.reglement, issue) {
                (Reglement::Attendu, _) => a_dire.nouvelles.push(retour),
                (Reglement::Paye, Issue::Payee(_)) | (Reglement::Rejete, Issue::Rejetee(_)) => {
                    a_dire.connues += 1;
                }
                (Reglement::Paye, Issue::Rejetee(_)) => refuse("elle est connue comme payée"),
                (Reglement::Rejete, Issue::Payee(_)) => refuse("elle est connue comme rejetée"),
            }
        }
    }
    a_dire
}

/// Tells the service, then waits until it has decided.
async fn transmettre(poste: &Poste, of: &ADire) -> Result<(), OperationError> {
    let cle = cle_etat_emis(of.demande);
    let ask = async |action: &str, champs: Value| {
        let body = json!({ "action": action, "cle": cle, "champs": champs });
        poste.demander("/ops/actions", &body).await
    };
    let mut paid: BTreeMap<NaiveDate, Vec<String>> = BTreeMap::new();
    for retour in &of.nouvelles {
        let ligne = retour.ligne.to_string();
        match &retour.issue {
            Issue::Payee(day) => paid.entry(*day).or_default().push(ligne),
            Issue::Rejetee(code) => {
                ask("constater-rejet", json!({ "ligne": ligne, "code": code })).await?;
            }
        }
    }
    for (day, lignes) in paid {
        for part in lignes.chunks(LIGNES) {
            let champs = json!({ "date": day.to_string(), "lignes": part.join(",") });
            ask("constater-paiement", champs).await?;
        }
    }
    let settled = suivre(async || {
        let Some(State::EtatEmis(emis)) = etat(poste, &cle).await? else { return Ok(None) };
        let waits = |r: &Retour| {
            emis.lignes.get(&r.ligne).is_none_or(|l| l.reglement == Reglement::Attendu)
        };
        Ok((!of.nouvelles.iter().any(waits)).then_some(()))
    });
    settled.await?.ok_or_else(sans_suite)
}
