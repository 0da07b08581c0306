//! The world around the service: sites that answer, CPAM that pay and reject, operators who close
//! tasks and correct lines.

mod attestation;
mod bilan;
mod confirmation;

use std::collections::{BTreeMap, BTreeSet};

use bus::Origin;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contact::Lien;
use contracts::{
    Agence, CodeCpam, Demande, EngagementId, Mois, Referentiel,
    messages::{
        EtatMensuel, EtatMensuelEmis, IndemniteRejetee, IndemniteRetenue, Ligne, PaiementEffectue,
        PaiementRejete, TacheFaite, TacheOuverte,
    },
    referentiel::{Canal, FicheAgence},
};
use indemnite::{Bareme, Config, Event, Incoming, csv, sha256_hex};
use kernel::Draw;
use uuid::Uuid;

use self::{
    attestation::{members, questions},
    bilan::{Lue, Releve, read_line},
};
use crate::{
    histoire::{Histoire, Livraison, instant, plus, traps},
    modele::{self, DemiJour, Modele},
    moteur::Moteur,
};

enum Op {
    Livre(Box<Livraison>),
    Repond(Lien),
    Ferme(Box<TacheOuverte>),
    Regle { etat: usize, fois: u32 },
    Tour(u64),
}

struct Monde {
    seed: u64,
    moteur: Moteur,
    modele: Modele,
    agenda: BTreeMap<(DateTime<Utc>, u64), Op>,
    planned: u64,
    read: usize,
    mails: usize,
    releves: Vec<Releve>,
    emis: Vec<EtatMensuelEmis>,
    retenues: Vec<Ligne>,
    rejetees: BTreeSet<Uuid>,
    payees: BTreeSet<Uuid>,
    taches: BTreeSet<Uuid>,
    /// In a share of the histories the doctor confirms before anything is stated.
    confirme: bool,
    /// Half-days that a doctor contests, by the state and its question.
    contestees: BTreeMap<(String, String), Vec<DemiJour>>,
    /// How often each thing that should be exercised happened.
    seen: BTreeMap<String, u32>,
}

/// Runs one history and checks every cent.
pub(crate) fn run(seed: u64, jours: u32) -> BTreeMap<String, u32> {
    let histoire = Histoire::new(seed, jours);
    let start = instant(histoire.debut, 0, 0) - TimeDelta::days(10);
    let confirme = Draw::of(seed, &["le médecin confirme"]).percent(40);
    let confirmation_medecin = confirme;
    let mut config = Config { lignes_max_par_etat: 7, confirmation_medecin, ..Config::default() };
    // The amount changes in the middle of the history.
    let (a_partir_du, demi_journee_centimes) = modele::revalorisation(histoire.debut);
    config.baremes.push(Bareme { a_partir_du, demi_journee_centimes });
    let mut monde = Monde {
        seed,
        moteur: Moteur::new(seed, start, config, register()),
        modele: Modele::new(histoire.debut),
        agenda: BTreeMap::new(),
        planned: 0,
        read: 0,
        mails: 0,
        releves: Vec::new(),
        emis: Vec::new(),
        retenues: Vec::new(),
        rejetees: BTreeSet::new(),
        payees: BTreeSet::new(),
        taches: BTreeSet::new(),
        confirme,
        contestees: BTreeMap::new(),
        seen: BTreeMap::new(),
    };
    let debut = histoire.debut;
    for livraison in histoire.livraisons {
        monde.plan(livraison.at, Op::Livre(Box::new(livraison)));
    }
    for n in 0..330 {
        monde.plan(instant(plus(debut, n), 12, 41), Op::Tour(n));
    }
    while let Some(((at, _), op)) = monde.agenda.pop_first() {
        monde.until(at);
        monde.act(op);
        monde.modele.look(at);
        monde.watch();
    }
    monde.check();
    monde.seen
}

fn register() -> Referentiel {
    let fiche = |code: &str, canal| FicheAgence {
        code: code.to_owned(),
        nom: format!("CPAM {code}"),
        canal,
        courriel: None,
        source: "test".to_owned(),
    };
    let cpam = [("631", Canal::File), ("031", Canal::Courriel)];
    let rows = cpam.map(|(code, canal)| (code.parse().expect("code"), fiche(code, canal)));
    Referentiel::new([], rows, [])
}

impl Monde {
    fn draw(&self, parts: &[&str]) -> Draw {
        Draw::of(self.seed, parts)
    }

    fn plan(&mut self, at: DateTime<Utc>, op: Op) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), op);
    }

    fn until(&mut self, at: DateTime<Utc>) {
        for delay in self.modele.delays(self.moteur.now, at) {
            self.modele.look(delay);
        }
        self.moteur.advance(at);
        self.watch();
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Livre(l) => {
                self.modele.deliver(&l);
                let origin = Origin::Relais;
                let Livraison { id, subject, sequence, message, .. } = *l;
                self.moteur.deliver(&id, &subject, Some(sequence), message, origin);
            }
            Op::Repond(lien) if lien.sujet == confirmation::SUJET => self.confirm(&lien),
            Op::Repond(lien) => self.answer(&lien),
            Op::Ferme(tache) => self.close(&tache),
            Op::Regle { etat, fois } => self.settle(etat, fois),
            Op::Tour(n) => self.correct(n),
        }
    }

    /// Reads what was published and mailed, and plans what people and agencies do about it.
    fn watch(&mut self) {
        while let Some(outgoing) = self.moteur.published.get(self.read).cloned() {
            self.read += 1;
            let body = outgoing.body.as_bytes();
            *self.seen.entry(outgoing.message_type.to_owned()).or_default() += 1;
            match outgoing.message_type {
                "indemnite.retenue.v1" => {
                    let fact: IndemniteRetenue = parse(body);
                    for trap in traps(fact.0.date) {
                        *self.seen.entry(trap.to_owned()).or_default() += 1;
                    }
                    self.retenues.push(fact.0);
                }
                "indemnite.rejetee.v1" => {
                    self.rejetees.insert(parse::<IndemniteRejetee>(body).ligne);
                }
                "etat-mensuel.emis.v1" => self.emis.push(parse(body)),
                "etat-mensuel.v1" => {
                    let etat: EtatMensuel = parse(body);
                    let cpam: CodeCpam = "631".parse().expect("code");
                    let text = csv(&etat, &cpam);
                    assert_eq!(sha256_hex(&text), etat.sha256);
                    self.statement(&cpam, etat.mois, etat.rang, etat.demande.id, true, &text);
                }
                "tache.ouverte.v1" => self.task(parse(body)),
                "tache.faite.v1" => {
                    self.taches.remove(&parse::<TacheFaite>(body).tache);
                }
                _ => {}
            }
        }
        while let Some((_, ask)) = self.moteur.mails.get(self.mails).cloned() {
            self.mails += 1;
            let lien = ask.courriel.lien.expect("a link");
            // Whoever does not answer is never paid: the last reminder brings every doctor round.
            let must = lien.sujet == confirmation::SUJET && ask.relance == 2;
            let name = format!("{} {} {}", lien.cle, lien.question, ask.relance);
            if must || self.draw(&[&name, "repond"]).percent(50) {
                let minutes = self.draw(&[&name, "quand"]).between(30, 9_000);
                let at =
                    self.moteur.now + TimeDelta::minutes(i64::try_from(minutes).expect("small"));
                self.plan(odd(at), Op::Repond(lien));
            }
        }
    }

    fn task(&mut self, tache: TacheOuverte) {
        self.taches.insert(tache.tache);
        *self.seen.entry(tache.gabarit.clone()).or_default() += 1;
        if tache.gabarit == "etat-mensuel-a-transmettre" {
            let champ = |name: &str| tache.champs.get(name).expect("field").clone();
            let demande = tache.cle.trim_start_matches("etat-emis/").parse().expect("uuid");
            let (cpam, mois) = (champ("cpam").parse().expect("cpam"), champ("mois"));
            let (rang, text) = (champ("rang").parse().expect("rang"), champ("csv"));
            assert_eq!(sha256_hex(&text), champ("sha256"));
            self.statement(&cpam, mois.parse().expect("mois"), rang, demande, false, &text);
        }
        let days = self.draw(&[&tache.tache.to_string(), "quand"]).between(1, 12);
        let at = self.moteur.now + TimeDelta::days(i64::try_from(days).expect("small"));
        self.plan(odd(at), Op::Ferme(Box::new(tache)));
    }

    fn statement(
        &mut self,
        cpam: &CodeCpam,
        mois: Mois,
        rang: u32,
        demande: Uuid,
        par_file: bool,
        text: &str,
    ) {
        let lignes: Vec<_> = text.lines().skip(1).map(read_line).collect();
        self.only_confirmed(&lignes);
        let (cpam, texte) = (cpam.clone(), text.to_owned());
        self.releves.push(Releve { cpam, mois, rang, demande, par_file, texte, lignes });
        let etat = self.releves.len() - 1;
        for fois in 0..3 {
            let at = self.moteur.now + TimeDelta::days(i64::from(fois) * 5 + 3);
            self.plan(odd(at), Op::Regle { etat, fois });
        }
    }

    fn close(&mut self, tache: &TacheOuverte) {
        if !self.taches.contains(&tache.tache) {
            return;
        }
        let mut champs = BTreeMap::new();
        let mut set = |name: &str, value: &str| champs.insert(name.to_owned(), value.to_owned());
        let draw = Draw::of(self.seed, &[&tache.tache.to_string(), "decision"]);
        match tache.gabarit.as_str() {
            "presence-contestee" if draw.percent(50) => {
                set("decision", "payer");
                let (engagement, date) = vacation_of(&tache.objet);
                self.modele.presences.insert((engagement, date), true);
            }
            "ligne-rejetee" => {
                let line: Uuid = tache.champs["ligne"].parse().expect("uuid");
                let half = self.half_day(line);
                let stated: i64 = tache.champs["centimes"].parse().expect("cents");
                let alone = self.modele.du.get(&half) == Some(&stated)
                    && self.retenues.iter().any(|l| l.ligne == line);
                let corrected =
                    self.modele.corrections.iter().any(|(id, ..)| *id == line.to_string());
                if draw.percent(30) && alone && !corrected {
                    set("decision", "abandonner");
                    self.modele.du.insert(half, 0);
                }
            }
            "confirmation-refusee" => self.decide(tache, draw, &mut set),
            "attestation-manuelle" => {
                let choix = *draw.pick(&["presents", "presents", "absents"]);
                set("choix", choix);
                let state = self.moteur.states.get(&tache.cle);
                let numbers = questions(state, tache.tache);
                let members = members(state, |p| p.question.is_some_and(|q| numbers.contains(&q)));
                self.attest(&members, &choix.parse().expect("a choice"));
            }
            _ => {}
        }
        let event = Event::TacheFermee { tache: tache.tache, champs, par: "agent".to_owned() };
        self.moteur.observe(&tache.cle, event);
        self.modele.look(self.moteur.now);
        self.watch();
        assert!(!self.taches.contains(&tache.tache), "{} is closed", tache.gabarit);
    }

    fn half_day(&self, line: Uuid) -> DemiJour {
        let lues = self.releves.iter().flat_map(|r| &r.lignes);
        lues.into_iter().find(|l| l.ligne == line).expect("a stated line").de.clone()
    }

    /// A CPAM answers a statement: first rejections, then payments, then the same again.
    fn settle(&mut self, etat: usize, fois: u32) {
        let releve = &self.releves[etat];
        let rejects = |l: &Lue| {
            !l.corrige && Draw::of(self.seed, &[&l.ligne.to_string(), "rejet"]).percent(12)
        };
        let (rejected, paid): (Vec<_>, Vec<_>) = releve.lignes.iter().partition(|l| rejects(l));
        let demande = Demande { id: releve.demande, rang: 1 };
        let date = kernel::paris_date(self.moteur.now);
        let paid: Vec<_> = paid.iter().map(|l| l.ligne).collect();
        let rejected: Vec<_> = rejected.iter().map(|l| l.ligne).collect();
        let (par_file, agence) = (releve.par_file, Agence::cpam(&releve.cpam));
        let key = format!("etat-emis/{}", releve.demande);
        let origin = || Origin::Agence(agence.clone());
        for ligne in rejected {
            let code = "compte-clos".to_owned();
            if par_file {
                let message = Incoming::PaiementRejete(PaiementRejete { demande, ligne, code });
                let id = format!("rejet {ligne} {}", fois / 2);
                self.moteur.deliver(&id, "etat", None, message, origin());
            } else {
                self.moteur.observe(&key, Event::RejetConstate { ligne, code });
            }
        }
        // The first payment is partial.
        let paid = if fois == 0 { paid[..paid.len() / 2].to_vec() } else { paid };
        self.payees.extend(&paid);
        if par_file {
            let lignes = paid;
            let message = Incoming::PaiementEffectue(PaiementEffectue { demande, lignes, date });
            let id = format!("paiement {} {fois}", demande.id);
            self.moteur.deliver(&id, "etat", None, message, origin());
        } else if !paid.is_empty() {
            self.moteur.observe(&key, Event::PaiementConstate { lignes: paid, date });
        }
    }

    fn correct(&mut self, tour: u64) {
        let draw = self.draw(&["correction", &tour.to_string()]);
        if self.retenues.is_empty() || tour > 200 || !draw.percent(6) {
            return;
        }
        let pick = |what: &str| Draw::of(self.seed, &["correction", &tour.to_string(), what]);
        let line = pick("ligne").pick(&self.retenues).clone();
        let centimes = *pick("montant").pick(&[-10_000, -2_500, 5_000, 10_000]);
        let motif = *pick("motif").pick(&["erreur", "demi-journee-ajoutee"]);
        let half = (line.rpps.clone(), line.date, line.demi_journee);
        let alive = !self.rejetees.contains(&line.ligne);
        let name = (line.ligne.to_string(), centimes, motif);
        let known = self.modele.corrections.contains(&name);
        let owed = self.modele.du[&half] + centimes;
        let refusals = self.moteur.refusals.len();
        let event = Event::Corriger {
            ligne: line.ligne,
            centimes: contracts::Centimes(centimes),
            motif: motif.to_owned(),
            par: "agent".to_owned(),
        };
        let key = format!("medecin-mois/{}/{}", line.rpps, Mois::of(line.date));
        self.moteur.observe(&key, event);
        let accepted = alive && !known && (0..=2 * self.modele.bareme(line.date)).contains(&owed);
        if accepted {
            self.modele.du.insert(half, owed);
            self.modele.corrections.insert(name);
        }
        let refused = self.moteur.refusals.len() > refusals;
        let ignored = alive && known;
        assert_eq!(refused, !(accepted || ignored), "{motif} {centimes}");
    }
}

/// An odd minute: people never act at the instant of a wake-up.
fn odd(at: DateTime<Utc>) -> DateTime<Utc> {
    at + TimeDelta::seconds(37)
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> T {
    serde_json::from_slice(body).expect("a message")
}

fn vacation_of(objet: &str) -> (EngagementId, NaiveDate) {
    let id = objet.trim_start_matches("vacation/");
    let (engagement, date) = id.split_once('-').expect("a vacation");
    (engagement.parse().expect("engagement"), date.parse().expect("date"))
}
