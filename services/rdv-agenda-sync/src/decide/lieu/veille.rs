//! Every night, or every `reconciliation_jours`: what can be read of a site is read, and a site from
//! which no webhook comes any more is noticed. Silence alone says nothing where little happens:
//! everything is asked for again first, and only a site that stays silent then is told to the DNS.

use chrono::{Days, TimeDelta, Utc};
use contracts::{EngagementId, LieuId};
use service::Effect;

use super::{
    super::{Cx, Effets, OBSERVE, champs, dire, prochain, tache, tache_faite, wake},
    aiguillage::reconnaitre,
    cogestion, objet,
};
use crate::{
    RdvAgendaSync,
    config::Capacite,
    state::{
        CLE_COMPTE, CONSTATER, Constat, Etape, EtatLieu, Evenement, Question, RELEVER,
        Rattachement, Releve, Veille,
    },
    webhook::{Observation, adresse},
};

/// Reason of the wake-up of the night.
pub(super) const NUIT: &str = "nuit";
/// Minutes over which the sites follow each other.
const ETALEMENT: u128 = 120;
/// Days back for which appointments are read: their status is filled in after they took place.
const RELEVE_JOURS: u64 = 10;
/// What a replay may take: their jobs are tried again for hours.
const REPONSE: TimeDelta = TimeDelta::hours(12);
/// How many times longer silence is borne where nothing can be asked for again.
const SANS_REJEU: i32 = 4;

/// Watches the site from now on.
pub(super) fn suivre(etat: &mut EtatLieu, cx: &Cx<'_>) -> Effets {
    if etat.veille.depuis.is_some() || !matches!(etat.etape, Etape::Pret { .. }) {
        return Vec::new();
    }
    etat.veille.depuis = Some(cx.now);
    let event = Evenement::SiteSuivi { lieu: etat.lieu.id.clone() };
    vec![a_la_nuit(&etat.lieu.id, cx), Effect::Tell { key: CLE_COMPTE.to_owned(), event }]
}

/// The next night of a site: each has its own minutes.
fn a_la_nuit(lieu: &LieuId, cx: &Cx<'_>) -> Effect<RdvAgendaSync> {
    let rang = kernel::derive_id(&[NUIT, lieu.as_str()]).as_u128() % ETALEMENT;
    let minutes = TimeDelta::minutes(i64::try_from(rang).unwrap_or(0));
    let autres = TimeDelta::days(i64::from(cx.config.reconciliation_jours) - 1);
    wake(prochain(cx.now + autres, cx.config.reconciliation_a + minutes), NUIT)
}

/// What is done every night.
pub(super) fn nuit(etat: &mut EtatLieu, cx: &Cx<'_>) -> Effets {
    let mut effets = vec![a_la_nuit(&etat.lieu.id, cx)];
    effets.extend(relever(etat, cx));
    effets.extend(silence(etat, cx));
    effets.extend(cogestion::accorder(etat, cx));
    effets
}

/// Reads what can be read.
pub(super) fn relever(etat: &EtatLieu, cx: &Cx<'_>) -> Effets {
    let Etape::Pret { organisation, .. } = etat.etape else { return Vec::new() };
    if cx.config.capacites.lecture == Capacite::Manual {
        return Vec::new();
    }
    let (today, ahead) = (cx.today(), Days::new(u64::from(cx.config.horizon_jours) + 1));
    let du = today.checked_sub_days(Days::new(RELEVE_JOURS)).unwrap_or(today);
    let au = today.checked_add_days(ahead).unwrap_or(today);
    vec![Effect::CancelAsks(RELEVER), Effect::Ask(Question::Relever { organisation, du, au })]
}

/// Hands over what was read, each to its own.
pub(super) fn lire(etat: &mut EtatLieu, releve: &Releve, cx: &Cx<'_>) -> Effets {
    reconnaitre(etat, &releve.agents);
    let mut effets = cogestion::lire(etat, releve, cx);
    let tell = |(engagement, r): (&EngagementId, &Rattachement)| {
        let agent = r.agent?;
        let named = |o: &&Observation| o.agents.iter().any(|a| a.id == agent);
        let part = Releve {
            lu_le: releve.lu_le,
            agents: releve.agents.iter().filter(|a| a.id == agent).cloned().collect(),
            absences: releve.absences.iter().filter(named).cloned().collect(),
            rdvs: releve.rdvs.iter().filter(named).cloned().collect(),
        };
        Some(dire(engagement, Evenement::Releve(Box::new(part))))
    };
    effets.extend(etat.engagements.iter().filter_map(tell));
    effets
}

/// A webhook came.
pub(super) fn signe(etat: &mut EtatLieu, cx: &Cx<'_>) -> Effets {
    etat.veille.dernier_signe = Some(cx.now);
    let mut effets = suivre(etat, cx);
    effets.extend(etat.veille.tache.take().map(|t| tache_faite(t, OBSERVE)));
    effets
}

fn silence(etat: &mut EtatLieu, cx: &Cx<'_>) -> Effets {
    let Etape::Pret { organisation, webhook } = etat.etape else { return Vec::new() };
    // Where nobody has an agenda, nothing would be sent again.
    if etat.engagements.values().all(|r| r.agent.is_none()) || etat.veille.tache.is_some() {
        return Vec::new();
    }
    let Veille { depuis, dernier_signe, rejeu_demande_le, .. } = etat.veille;
    let muet = cx.now - dernier_signe.or(depuis).unwrap_or(cx.now);
    let borne = TimeDelta::days(cx.config.silence_jours.into());
    let sans_reponse =
        rejeu_demande_le.filter(|asked| dernier_signe.is_none_or(|seen| seen < *asked));
    match (sans_reponse, webhook) {
        (Some(asked), _) if cx.now - asked > REPONSE => alerter(etat, muet, cx),
        (None, Some(webhook)) if muet > borne => {
            etat.veille.rejeu_demande_le = Some(cx.now);
            vec![Effect::Ask(Question::Resynchroniser { organisation, webhook })]
        }
        (None, None) if muet > borne * SANS_REJEU => alerter(etat, muet, cx),
        // Made by hand: its number may be found.
        (None, None) if muet > borne => {
            let lieu = etat.lieu.id.clone();
            let constat = Constat::Webhook { lieu, organisation };
            vec![Effect::CancelAsks(CONSTATER), Effect::Ask(Question::Constater(constat))]
        }
        (Some(_) | None, _) => Vec::new(),
    }
}

fn alerter(etat: &mut EtatLieu, muet: TimeDelta, cx: &Cx<'_>) -> Effets {
    let dernier = etat.veille.dernier_signe.map(|t| t.with_timezone(&Utc).to_rfc3339());
    let champs = champs([
        ("nom", etat.lieu.nom.clone()),
        ("target_url", adresse(cx.config, &etat.lieu.id)),
        ("dernier_webhook", dernier.unwrap_or_else(|| "jamais".to_owned())),
        (
            "consigne",
            format!(
                "Aucun webhook ne vient de ce site depuis {} jours, même après une demande de tout \
                 renvoyer. Vérifier, dans son organisation sur RDV Service Public, que le webhook \
                 existe à cette adresse et avec le bon secret, et que l'adresse répond depuis \
                 l'extérieur. La tâche se clôt d'elle-même au premier webhook.",
                muet.num_days()
            ),
        ),
    ]);
    let (ouverte, effet) = tache("rdv-silence", objet(&etat.lieu), champs, cx);
    etat.veille.tache = Some(ouverte);
    vec![effet]
}
