//! The settings against the form that DS describes, and the two platforms.
#![cfg(feature = "simulator")]

mod commun;

use chrono::TimeDelta;
use commun::{Banc, champs, depot, referentiel};
use contracts::{
    Referentiel,
    messages::{CandidatureDeposee, TacheFaite, TacheOuverte},
};
use ds_intake::{
    Client, Config,
    config::{Annotation, Champ, Plateforme, champ_descriptor_id},
    formulaire::{Gravite, examiner, proposer},
    simulator::Options,
    wire::FormulaireDs,
};

const MINUTE: TimeDelta = TimeDelta::minutes(1);

async fn decrit(banc: &Banc) -> FormulaireDs {
    let client = Client::new(&banc.config, banc.clock().clone()).expect("client");
    client.formulaire().await.expect("described")
}

fn constats(
    config: &Config,
    form: &FormulaireDs,
    register: &Referentiel,
) -> Vec<(Gravite, String)> {
    examiner(config, form, Some(register)).into_iter().map(|c| (c.gravite, c.texte)).collect()
}

#[tokio::test]
async fn the_settings_by_default_fit_the_form_by_default() {
    let b = Banc::new().await;
    let form = decrit(&b).await;
    assert_eq!(constats(&b.config, &form, &referentiel()), []);
    assert_eq!(proposer(&form), b.config.champs, "and the form suggests them");
    let inside = form.champs.iter().find(|c| c.id == champ_descriptor_id(4_100_012));
    assert_eq!(inside.and_then(|c| c.dans.clone()), Some(champ_descriptor_id(4_100_011)));
}

#[tokio::test]
async fn what_does_not_fit_is_told_with_its_remedy() {
    let annotations = ["a1".to_owned()].into_iter().collect();
    let b = Banc::avec(Options { annotations, ..Options::default() }, |_| {}).await;
    b.sim.retoucher(4_100_003, None);
    b.sim.retoucher(4_100_007, Some("PieceJustificative"));
    let mut form = decrit(&b).await;
    let mut config = b.config.clone();
    config.champs.insert(Champ::CreneauDate, champ_descriptor_id(4_100_014));
    config.annotations.insert(Annotation::Agenda, "absente".to_owned());
    config.instructeur_id = "un-autre-robot".to_owned();
    form.annotations[0].obligatoire = true;
    form.champs
        .iter_mut()
        .find(|c| c.id == champ_descriptor_id(4_100_002))
        .expect("rpps")
        .obligatoire = false;
    let sites = form.champs.iter_mut().find(|c| c.id == champ_descriptor_id(4_100_010));
    sites.expect("sites").options = vec!["Ambert".to_owned(), "Atlantide".to_owned()];
    let cdom = "code,nom,canal,courriel,source\n03,CDOM 03,ds,,test\n63,CDOM 63,ds,,test\n";
    let none = "code,nom,canal,courriel,source\n";
    let lieux = "id,nom,adresse,commune,departement,intercommunalite,finess,rpps_rang,cpam,cdom,contact_courriel,latitude,longitude,source\n\
ambert,Centre,,Ambert,63,,639990019,,631,63,,,,test\n";
    let register = Referentiel::parse(lieux, none, cdom).expect("register");
    let found = constats(&config, &form, &register);
    let errors: Vec<_> =
        found.iter().filter(|(g, _)| *g == Gravite::Erreur).map(|(_, t)| t.as_str()).collect();
    for part in [
        "champs.telephone : le formulaire n’a pas de champ",
        "champs.departement_exercice_principal : « Département d’exercice principal » est de type \
         PieceJustificative",
        "champs.creneau_date : « Souhaitez-vous être remplacé ? » est de type YesNo",
        "n’est pas dans le bloc répétable de champs.creneaux",
        "annotations.agenda : le formulaire n’a pas d’annotation absente",
    ] {
        assert!(errors.iter().any(|t| t.contains(part)), "{part} is missing in {errors:#?}");
    }
    let others: Vec<_> =
        found.iter().filter(|(g, _)| *g == Gravite::Attention).map(|(_, t)| t.as_str()).collect();
    for part in [
        "champs.rpps : « Numéro RPPS (11 chiffres) » est facultatif",
        "l’annotation « Annotation 1 » est obligatoire",
        "le robot instructeur manque à 1 groupe(s) : CDOM 63 - Puy-de-Dôme",
        "1 choix de lieux ne correspondent à aucun lieu du référentiel : « Atlantide »",
        "CDOM non inscrits sur DS, que le référentiel y attend : 03 ;",
    ] {
        assert!(others.iter().any(|t| t.contains(part)), "{part} is missing in {others:#?}");
    }
}

#[tokio::test]
async fn nothing_is_read_while_the_settings_do_not_fit_and_everything_is_once_they_do() {
    let mut b = Banc::new().await;
    b.sim.retoucher(4_100_002, None);
    b.sim.deposer(depot(1, champs()));
    b.attendre(TimeDelta::hours(1)).await;
    assert_eq!(b.types(), ["tache.ouverte"], "no doctor is told that the RPPS is missing");
    let task = b.dernier::<TacheOuverte>();
    assert_eq!(task.gabarit, "ds-formulaire-inadapte");
    assert!(task.champs["problemes"].contains("champs.rpps"), "{:?}", task.champs);
    b.sim.retablir();
    b.attendre(MINUTE * 15).await;
    assert_eq!(b.types(), ["tache.ouverte", "tache.faite", "candidature.deposee"]);
    assert_eq!(b.dernier::<TacheFaite>().tache, task.tache);
    assert_eq!(b.sim.nombre_messages(1), 0);
}

#[tokio::test]
async fn a_revision_is_compared_before_its_dossiers_are_read() {
    let mut b = Banc::new().await;
    b.sim.deposer(depot(1, champs()));
    b.attendre(MINUTE * 3).await;
    b.sim.retoucher(4_100_010, Some("PieceJustificative"));
    b.sim.publier_revision();
    b.sim.deposer(depot(2, champs()));
    b.attendre(MINUTE * 5).await;
    assert_eq!(b.types(), ["candidature.deposee", "tache.ouverte"]);
    b.sim.retablir();
    b.attendre(MINUTE * 15).await;
    assert_eq!(b.types()[2..], ["tache.faite", "candidature.deposee"]);
    assert!(b.pannes.is_empty());
}

#[tokio::test]
async fn a_field_may_have_another_place_in_another_revision() {
    let mut b = Banc::avec(Options::default(), |c| {
        c.champs.insert(Champ::Telephone, champ_descriptor_id(4_199_999));
        let ids = [(Champ::Telephone, champ_descriptor_id(4_100_003))].into_iter().collect();
        let revision = "UHJvY2VkdXJlUmV2aXNpb24tMQ==".to_owned();
        c.revisions.insert(revision, ids);
    })
    .await;
    b.sim.deposer(depot(1, champs()));
    b.attendre(MINUTE * 3).await;
    assert_eq!(b.dernier::<CandidatureDeposee>().0.medecin.telephone, "06 00 00 00 00");
}

#[tokio::test]
async fn the_platform_of_the_social_ministries_is_read_too() {
    let social = Options { social: true, ..Options::default() };
    let mut b = Banc::avec(social, |c| c.plateforme = Plateforme::DematSocial).await;
    assert_eq!(constats(&b.config, &decrit(&b).await, &referentiel()), []);
    b.sim.deposer(depot(1, champs()));
    b.attendre(MINUTE * 3).await;
    let medecin = b.dernier::<CandidatureDeposee>().0.medecin;
    assert_eq!(medecin.rpps.as_str(), "99790000014", "out of the directory's own type");
    assert_eq!(b.dernier::<CandidatureDeposee>().0.creneaux_souhaites.len(), 2, "rows as well");
}
