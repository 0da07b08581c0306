//! Failures listed and shown; the journal.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    OperationError, Releve,
    cli::{Acces, Choix, JournalArgs, ListArgs, ShowArgs},
    depuis,
    poste::{Poste, Refus},
    table::{compte, date, dire, dire_json, table},
};

/// Page of a list.
const PAGE: usize = 1000;

/// A failure as a service shows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Panne {
    pub(super) service: String,
    pub(super) id: Uuid,
    cle: Option<String>,
    pub(super) origine: String,
    pub(super) genre: String,
    pub(super) code: String,
    empreinte: String,
    pub(super) raison: String,
    depuis: DateTime<Utc>,
    pub(super) tentatives: i32,
    pub(super) issue: Option<String>,
    octets: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contexte: Option<serde_json::Value>,
}

/// Failures of one code and kind.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Groupe {
    service: String,
    pub(super) code: String,
    pub(super) genre: String,
    empreinte: String,
    pub(super) nombre: usize,
    premiere: DateTime<Utc>,
    derniere: DateTime<Utc>,
}

/// The filters, as the services read them.
pub(super) fn filtres(choix: &Choix) -> Result<Vec<(&'static str, String)>, OperationError> {
    let mut filtres = Vec::new();
    filtres.extend(choix.code.clone().map(|code| ("code", code)));
    filtres.extend(choix.kind.clone().map(|kind| ("genre", kind)));
    if let Some(text) = &choix.since {
        filtres.push(("depuis", depuis(text)?.to_rfc3339()));
    }
    Ok(filtres)
}

/// The groups of a service.
pub(super) async fn groupes(
    poste: &Poste,
    filtres: &[(&'static str, String)],
) -> Result<Vec<Groupe>, Refus> {
    poste.lire("/ops/pannes/groupes", filtres).await
}

/// The failures of a service, page by page, the oldest first.
pub(super) async fn toutes(
    poste: &Poste,
    filtres: &[(&'static str, String)],
) -> Result<Vec<Panne>, Refus> {
    let mut pannes: Vec<Panne> = Vec::new();
    loop {
        let mut query = filtres.to_vec();
        query.push(("max", PAGE.to_string()));
        query.extend(pannes.last().map(|panne| ("apres", panne.id.to_string())));
        let page: Vec<Panne> = poste.lire("/ops/pannes", &query).await?;
        let last = page.len() < PAGE;
        pannes.extend(page);
        if last {
            return Ok(pannes);
        }
    }
}

/// One failure of a service.
pub(super) async fn une(poste: &Poste, id: Uuid) -> Result<Panne, Refus> {
    poste.lire(&format!("/ops/pannes/{id}"), &[]).await
}

/// The service that has this failure, and the failure.
pub(super) async fn chercher(acces: &Acces, id: Uuid) -> Result<(Poste, Panne), OperationError> {
    let mut muets = Vec::new();
    for poste in Poste::tous(acces)? {
        match une(&poste, id).await {
            Ok(panne) => return Ok((poste, panne)),
            Err(Refus::Inconnu(_)) => {}
            Err(refus) => muets.push(refus.to_string()),
        }
    }
    if muets.is_empty() {
        return Err(OperationError::Refus(format!("panne {id} : inconnue de ces services")));
    }
    Err(OperationError::Refus(muets.join("\n")))
}

/// `relais failures list`.
pub(super) async fn lister(args: ListArgs) -> Result<ExitCode, OperationError> {
    let mut filtres = filtres(&args.choix)?;
    if args.all {
        filtres.push(("toutes", "true".to_owned()));
    }
    let (une, plusieurs) =
        if args.all { ("panne", "pannes") } else { ("panne ouverte", "pannes ouvertes") };
    let total = |n: usize| compte(n, une, plusieurs);
    if args.detail {
        let releve = Releve::de(&args.acces, async |poste| toutes(poste, &filtres).await).await?;
        if args.acces.json {
            dire_json(&releve.lignes);
        } else {
            dire(&detail(&releve.lignes));
            dire(&total(releve.lignes.len()));
        }
        return Ok(releve.code());
    }
    let releve = Releve::de(&args.acces, async |poste| groupes(poste, &filtres).await).await?;
    if args.acces.json {
        dire_json(&releve.lignes);
    } else {
        let ligne = |g: &Groupe| {
            let dates = (date(g.premiere), date(g.derniere));
            let (service, code, genre) = (g.service.clone(), g.code.clone(), g.genre.clone());
            [service, code, genre, g.nombre.to_string(), dates.0, dates.1]
        };
        let lignes: Vec<_> = releve.lignes.iter().map(ligne).collect();
        if !lignes.is_empty() {
            let titres = ["SERVICE", "CODE", "GENRE", "NOMBRE", "PREMIÈRE", "DERNIÈRE"];
            dire(&table(titres, &lignes));
        }
        dire(&total(releve.lignes.iter().map(|g| g.nombre).sum()));
    }
    Ok(releve.code())
}

fn detail(pannes: &[Panne]) -> String {
    let ligne = |p: &Panne| {
        let issue = p.issue.clone().unwrap_or_else(|| "ouverte".to_owned());
        let (id, service) = (p.id.to_string(), p.service.clone());
        let (depuis, essais) = (date(p.depuis), p.tentatives.to_string());
        [id, service, p.code.clone(), p.genre.clone(), depuis, essais, issue]
    };
    let lignes: Vec<_> = pannes.iter().map(ligne).collect();
    table(["ID", "SERVICE", "CODE", "GENRE", "DEPUIS", "ESSAIS", "ISSUE"], &lignes)
}

/// `relais failures show`.
pub(super) async fn montrer(args: ShowArgs) -> Result<ExitCode, OperationError> {
    let (poste, panne) = chercher(&args.acces, args.id).await?;
    let corps = if args.corps {
        let octets = poste.octets(&format!("/ops/pannes/{}/corps", args.id)).await?;
        Some(String::from_utf8_lossy(&octets).into_owned())
    } else {
        None
    };
    if args.acces.json {
        let mut shown = serde_json::to_value(&panne).expect("what was read encodes");
        if let Some(corps) = corps {
            shown["corps"] = corps.into();
        }
        dire_json(&shown);
        return Ok(ExitCode::SUCCESS);
    }
    dire(&fiche(&panne));
    match corps {
        Some(corps) => dire(&format!("corps      (accès journalisé)\n{corps}")),
        None => dire(&format!(
            "corps      {} octets ; --corps le montre, et l'accès est journalisé",
            panne.octets
        )),
    }
    Ok(ExitCode::SUCCESS)
}

fn fiche(panne: &Panne) -> String {
    let mut lignes = vec![
        format!("panne      {}", panne.id),
        format!("service    {}", panne.service),
        format!("état       {}", panne.issue.as_deref().unwrap_or("ouverte")),
        format!("code       {}", panne.code),
        format!("raison     {}", panne.raison),
        format!("genre      {} ({})", panne.genre, panne.origine),
        format!("empreinte  {}", panne.empreinte),
        format!("clé        {}", panne.cle.as_deref().unwrap_or("inconnue")),
        format!("depuis     {}, {}", date(panne.depuis), compte_essais(panne.tentatives)),
    ];
    if let Some(serde_json::Value::Object(contexte)) = &panne.contexte {
        for (nom, valeur) in contexte.iter().filter(|(_, valeur)| !valeur.is_null()) {
            if let Some(parts) = valeur.as_object() {
                lignes.push(nom.clone());
                lignes.extend(parts.iter().map(|(n, v)| format!("  {n} = {}", texte(v))));
            } else {
                lignes.push(format!("{nom} = {}", texte(valeur)));
            }
        }
    }
    lignes.join("\n")
}

fn compte_essais(n: i32) -> String {
    compte(usize::try_from(n).unwrap_or(0), "essai", "essais")
}

fn texte(valeur: &serde_json::Value) -> String {
    valeur.as_str().map_or_else(|| valeur.to_string(), str::to_owned)
}

/// A line of the journal.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Ligne {
    service: String,
    rang: i64,
    le: DateTime<Utc>,
    par: String,
    action: String,
    objet: String,
    motif: Option<String>,
}

/// `relais failures journal`.
pub(super) async fn journal(args: JournalArgs) -> Result<ExitCode, OperationError> {
    let max = [("max", args.max.to_string())];
    let lire = async |poste: &Poste| poste.lire::<Vec<Ligne>>("/ops/journal", &max).await;
    let mut releve = Releve::de(&args.acces, lire).await?;
    releve.lignes.sort_by_key(|ligne| std::cmp::Reverse((ligne.le, ligne.rang)));
    if args.acces.json {
        dire_json(&releve.lignes);
        return Ok(releve.code());
    }
    let ligne = |l: &Ligne| {
        let motif = l.motif.clone().unwrap_or_default();
        let (par, service) = (l.par.clone(), l.service.clone());
        [date(l.le), service, par, l.action.clone(), l.objet.clone(), motif]
    };
    let lignes: Vec<_> = releve.lignes.iter().map(ligne).collect();
    dire(&table(["LE", "SERVICE", "PAR", "ACTION", "OBJET", "MOTIF"], &lignes));
    Ok(releve.code())
}
