//! An engagement: opened by an authorised dossier, suspended and restored by the Order, ended by
//! the doctor or the DNS, opened again by a later dossier. It alone says so to the others.

use chrono::{Days, NaiveDate};
use contact::{Courriel, Lien, Modele};
use contracts::{
    Agence, Demande,
    messages::{
        Activite, ActiviteAutorisee, ActiviteModifiee, ActiviteNotifiee, ActiviteRetablie,
        ActiviteSuspendue, ActiviteTerminee, Interruption, Situation,
    },
    referentiel::Canal,
};
use kernel::derive_id;
use service::{Decision, Refusal, Service};
use uuid::Uuid;

use super::{
    Cx, Decided, Effet, Engagement, Event, State, Verdict,
    effets::{fermer, ouvrir},
};
use crate::{
    OrdinalAdapter,
    agency::Ask,
    state::{EngagementConnu, Engager, Mesure, Taches, Terminer, cle_medecin},
    wire,
};

fn next(connu: EngagementConnu) -> Decision<OrdinalAdapter> {
    Decision::next(State::Engagement(Box::new(Engagement::Connu(Box::new(connu)))))
}

/// A dossier is authorised for this site, or its contact changed.
pub(super) fn engager(engagement: Option<&Engagement>, e: Engager, cx: &Cx<'_>) -> Verdict {
    match engagement {
        None => ouverture(None, Vec::new(), e, cx),
        Some(Engagement::Attendu { mesures }) => ouverture(None, mesures.clone(), e, cx),
        Some(Engagement::Connu(connu)) => deja_connu(connu, e, cx),
    }
}

fn deja_connu(connu: &EngagementConnu, e: Engager, cx: &Cx<'_>) -> Verdict {
    let situation = connu.activite.situation;
    if e.dossier == connu.activite.dossier {
        if e.revision <= connu.revision {
            return Ok(Decision::Ignore("version-connue"));
        }
        return match situation {
            Situation::Terminee => Ok(Decision::Ignore("engagement-termine")),
            Situation::Ouverte | Situation::Suspendue => Ok(contact_modifie(connu.clone(), e)),
        };
    }
    if connu.dossiers.contains(&e.dossier) {
        return Ok(Decision::Ignore("dossier-remplace"));
    }
    match situation {
        Situation::Terminee => ouverture(Some(connu.clone()), connu.mesures.clone(), e, cx),
        Situation::Ouverte | Situation::Suspendue => {
            let mut connu = connu.clone();
            connu.dossiers.insert(e.dossier);
            let dossier = e.dossier.to_string();
            let champs = [
                ("dossier", dossier.clone()),
                ("dossier_en_cours", connu.activite.dossier.to_string()),
                ("lieu", connu.activite.lieu.id.to_string()),
            ];
            let effets = ouvrir(&mut connu.taches, cx, "doublon-engagement", &dossier, &champs);
            Ok(next(connu).with_all(effets))
        }
    }
}

fn contact_modifie(mut connu: EngagementConnu, e: Engager) -> Decision<OrdinalAdapter> {
    connu.revision = e.revision;
    let activite =
        Activite { medecin: e.medecin, creneaux_souhaites: e.creneaux, ..connu.activite.clone() };
    if activite == connu.activite {
        return next(connu);
    }
    connu.activite = activite.clone();
    next(connu).publish(&ActiviteModifiee(activite))
}

/// Opens the engagement, for the first time or again.
fn ouverture(
    before: Option<EngagementConnu>,
    mesures: Vec<Mesure>,
    e: Engager,
    cx: &Cx<'_>,
) -> Verdict {
    let id = cx.key.rsplit('/').next().and_then(|id| id.parse().ok());
    let engagement = id.ok_or_else(|| Refusal::new("etat-inattendu", "not an engagement's key"))?;
    let entre_ouvertures = before.as_ref().map(|b| entre_ouvertures(b, cx)).unwrap_or_default();
    let activite = Activite {
        engagement,
        dossier: e.dossier,
        medecin: e.medecin,
        lieu: e.lieu,
        creneaux_souhaites: e.creneaux,
        remplacement_autorise: e.remplacement,
        situation: Situation::Ouverte,
        a_compter_du: cx.today(),
        cause: None,
        interruptions: interruptions(&entre_ouvertures, &mesures),
    };
    let (mut dossiers, ouvertures, mut taches) =
        before.map_or_else(Default::default, |b| (b.dossiers, b.ouvertures, b.taches));
    dossiers.insert(e.dossier);
    // What the Order decided and lifted before is past; a suspension that still runs is shown next.
    let appliquees = suspension(&mesures).map_or(mesures.len(), |(rank, _)| rank);
    let mut effets = vec![Effet::publish(&ActiviteAutorisee(activite.clone()))];
    effets.extend(notifier(&activite, &mut taches, cx));
    effets.push(Effet::Ask(Ask::Courriel(Courriel {
        a: activite.medecin.courriel.clone(),
        modele: Modele::EngagementOuvert,
        reference: format!("dossier {}", activite.dossier),
        lien: Some(Lien {
            sujet: wire::SUJET_RETRAIT.to_owned(),
            cle: cx.key.to_owned(),
            question: wire::question_retrait(ouvertures + 1),
            expire_le: cx.now + Days::new(cx.config.lien_retrait_jours.into()),
        }),
    })));
    let mut connu = EngagementConnu {
        activite,
        revision: e.revision,
        fin: None,
        entre_ouvertures,
        dossiers,
        ouvertures: ouvertures + 1,
        mesures,
        appliquees,
        taches,
    };
    effets.extend(appliquer(&mut connu));
    Ok(next(connu).with_all(effets))
}

/// Informs the CDOM of the site, through the channel of the register.
fn notifier(activite: &Activite, taches: &mut Taches, cx: &Cx<'_>) -> Vec<Effet> {
    let dossier = activite.dossier.to_string();
    let cdom = activite.lieu.cdom.as_ref();
    let fiche = cdom.and_then(|code| cx.referentiel.cdom(code));
    match (cdom, fiche.map(|f| (f.canal, &f.courriel))) {
        (Some(code), Some((Canal::File, _))) => {
            let id = derive_id(&[OrdinalAdapter::NAME, "notification", cx.key, &dossier]);
            let notification = ActiviteNotifiee {
                demande: Demande { id, rang: 1 },
                engagement: activite.engagement.clone(),
                medecin: activite.medecin.clone(),
                lieu: activite.lieu.clone(),
            };
            vec![Effet::request(&Agence::cdom(code), &notification)]
        }
        (_, Some((Canal::Courriel | Canal::Ds | Canal::Fichier, Some(adresse)))) => {
            vec![Effet::Ask(Ask::Courriel(Courriel {
                a: adresse.clone(),
                modele: Modele::ActiviteNotifiee,
                reference: format!("dossier {dossier}"),
                lien: None,
            }))]
        }
        (_, Some((Canal::Courriel | Canal::Ds | Canal::Fichier, None)) | None)
        | (None, Some((Canal::File, _))) => {
            let champs = [
                ("dossier", dossier.clone()),
                ("lieu", activite.lieu.id.to_string()),
                ("cdom", cdom.map(ToString::to_string).unwrap_or_default()),
            ];
            ouvrir(taches, cx, "cdom-lieu-a-informer", &dossier, &champs)
        }
    }
}

/// The suspension that runs at the end of the Order's decisions: its rank and its first day. A
/// later suspension within a running one changes nothing.
fn suspension(mesures: &[Mesure]) -> Option<(usize, NaiveDate)> {
    mesures.iter().enumerate().fold(None, |running, (rank, mesure)| match (running, mesure.levee) {
        (_, true) => None,
        (Some(first), false) => Some(first),
        (None, false) => Some((rank, mesure.a_compter_du)),
    })
}

/// Everything the Order decided on the doctor. Whatever follows the first new decision is shown
/// again, so that a late one takes its place among the others.
pub(super) fn mesures(engagement: Option<&Engagement>, mesures: Vec<Mesure>) -> Decided {
    match engagement {
        None | Some(Engagement::Attendu { .. }) => {
            Decision::next(State::Engagement(Box::new(Engagement::Attendu { mesures })))
        }
        Some(Engagement::Connu(connu)) => {
            let same = connu.mesures.iter().zip(&mesures).take_while(|(a, b)| a == b).count();
            // A shorter list was told before a longer one that is known already.
            if same == mesures.len() || mesures.len() <= connu.mesures.len() {
                return Decision::Ignore("mesures-connues");
            }
            let mut connu = (**connu).clone();
            connu.appliquees = connu.appliquees.min(same);
            connu.mesures = mesures;
            let facts = appliquer(&mut connu);
            next(connu).with_all(facts)
        }
    }
}

/// Every suspension among the Order's decisions, and what lay between an end and another opening.
fn interruptions(entre_ouvertures: &[Interruption], mesures: &[Mesure]) -> Vec<Interruption> {
    let mut all = entre_ouvertures.to_vec();
    let mut running = None;
    for mesure in mesures {
        running = match (running, mesure.levee) {
            (None, false) => Some(mesure.a_compter_du),
            (Some(du), true) => {
                let au = Some(mesure.a_compter_du).filter(|au| *au > du);
                all.extend(au.map(|au| Interruption { du, au: Some(au) }));
                None
            }
            (running, _) => running,
        };
    }
    all.extend(running.map(|du| Interruption { du, au: None }));
    all.sort_by_key(|i| i.du);
    all
}

/// The same, with what lies between the end that is known and today.
fn entre_ouvertures(before: &EngagementConnu, cx: &Cx<'_>) -> Vec<Interruption> {
    let mut all = before.entre_ouvertures.clone();
    let (du, au) = (before.fin.unwrap_or(before.activite.a_compter_du), cx.today());
    all.extend((du < au).then_some(Interruption { du, au: Some(au) }));
    all
}

/// Shows the decisions that are not shown yet, one snapshot for each that changes something.
fn appliquer(connu: &mut EngagementConnu) -> Vec<Effet> {
    let from = connu.appliquees.min(connu.mesures.len());
    let pending = connu.mesures[from..].to_vec();
    connu.appliquees = connu.mesures.len();
    if connu.activite.situation == Situation::Terminee {
        let shown = connu.activite.clone();
        finir(connu, connu.fin.unwrap_or(shown.a_compter_du));
        let told = (connu.activite != shown).then(|| ActiviteModifiee(connu.activite.clone()));
        return told.iter().map(Effet::publish).collect();
    }
    connu.activite.interruptions = interruptions(&connu.entre_ouvertures, &connu.mesures);
    pending.into_iter().filter_map(|mesure| effet_de(&mut connu.activite, mesure)).collect()
}

fn effet_de(activite: &mut Activite, mesure: Mesure) -> Option<Effet> {
    match (activite.situation, mesure.levee) {
        (Situation::Ouverte, false) => {
            activite.situation = Situation::Suspendue;
            activite.a_compter_du = mesure.a_compter_du;
            Some(Effet::publish(&ActiviteSuspendue(activite.clone())))
        }
        (Situation::Suspendue, false) if mesure.a_compter_du < activite.a_compter_du => {
            activite.a_compter_du = mesure.a_compter_du;
            Some(Effet::publish(&ActiviteSuspendue(activite.clone())))
        }
        (Situation::Suspendue, true) => {
            activite.situation = Situation::Ouverte;
            activite.a_compter_du = mesure.a_compter_du;
            Some(Effet::publish(&ActiviteRetablie(activite.clone())))
        }
        (Situation::Ouverte, true) | (Situation::Suspendue, false) | (Situation::Terminee, _) => {
            None
        }
    }
}

/// The end, from `fin` on. Days between a suspension that lasts and the end are not worked either;
/// once it is lifted, those after it are.
fn finir(connu: &mut EngagementConnu, fin: NaiveDate) {
    let mut interruptions = interruptions(&connu.entre_ouvertures, &connu.mesures);
    interruptions.retain(|i| i.du < fin);
    connu.fin = Some(fin);
    connu.activite.situation = Situation::Terminee;
    let lasts = interruptions.iter().find(|i| i.au.is_none());
    connu.activite.a_compter_du = lasts.map_or(fin, |i| i.du);
    connu.activite.interruptions = interruptions;
}

/// The engagement ends: the past stays, days from `a_compter_du` on are not worked.
pub(super) fn terminer(engagement: Option<&Engagement>, fin: &Terminer, cx: &Cx<'_>) -> Decided {
    let Some(Engagement::Connu(connu)) = engagement else {
        return Decision::Ignore("engagement-inconnu");
    };
    if fin.ouverture.is_some_and(|n| n != connu.ouvertures) {
        return Decision::Ignore("question-close");
    }
    if connu.activite.situation == Situation::Terminee {
        return Decision::Ignore("deja-terminee");
    }
    let mut connu = (**connu).clone();
    finir(&mut connu, fin.a_compter_du.unwrap_or(cx.today() + Days::new(1)));
    connu.activite.cause = Some(fin.cause.clone());
    let fact = ActiviteTerminee(connu.activite.clone());
    let medecin = cle_medecin(&connu.activite.medecin.rpps);
    let ended = Event::EngagementTermine(connu.activite.engagement.clone());
    next(connu).publish(&fact).tell(medecin, ended)
}

/// An operator closes a task.
pub(super) fn tache_fermee(engagement: &Engagement, tache: Uuid, par: &str) -> Decided {
    let Engagement::Connu(connu) = engagement else {
        return Decision::Ignore("tache-inconnue");
    };
    let mut connu = (**connu).clone();
    match fermer(&mut connu.taches, tache, par) {
        Some((_, faite)) => next(connu).with(faite),
        None => Decision::Ignore("tache-inconnue"),
    }
}
