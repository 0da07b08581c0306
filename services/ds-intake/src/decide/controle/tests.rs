use chrono::{DateTime, Utc};

use super::*;
use crate::wire::EtatDs;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

fn register() -> Referentiel {
    let lieux = "id,nom,adresse,commune,departement,intercommunalite,finess,rpps_rang,cpam,cdom,contact_courriel,latitude,longitude,source\n\
ambert,Centre de santé d'Ambert,,Ambert,63,,,,631,63,,,,test\n\
arlanc-1,Maison de santé,,Arlanc,63,,,,631,63,,,,test\n\
arlanc-2,Maison de santé,,Arlanc,63,,,,631,63,,,,test\n";
    let agences = "code,nom,canal,courriel,source\n";
    Referentiel::parse(lieux, agences, agences).expect("register")
}

fn config() -> Config {
    let jeton = kernel::Secret::new("jeton-fictif");
    let mut config = Config::new("http://127.0.0.1:1", 1, jeton, "robot");
    config.lieux.insert("Le centre du Livradois".to_owned(), "ambert".parse().expect("lieu"));
    config
}

fn creneau_brut(date: &str, half: &str) -> CreneauBrut {
    CreneauBrut { date: date.to_owned(), demi_journee: half.to_owned() }
}

fn form() -> Formulaire {
    let text = |t: &str| Some(t.to_owned());
    Formulaire {
        rpps: text("99790000014"),
        civilite: text("Mme"),
        nom: text("EXEMPLE"),
        prenom: text("Anne"),
        courriel: text("anne@medecins.example"),
        telephone: text("06 00 00 00 00"),
        mode_exercice: text("Médecin libéral"),
        departement: text("63"),
        cdom: text("CDOM 63"),
        lieux: vec!["ambert".to_owned()],
        creneaux: vec![creneau_brut("2026-03-23", "Matin")],
        remplacement: None,
    }
}

/// What is wrong with an otherwise complete form.
type Change = Box<dyn Fn(&mut Formulaire)>;

fn judge(form: Formulaire) -> Result<Candidature, Vec<(String, String)>> {
    let lecture = Lecture {
        etat: EtatDs::EnConstruction,
        depose_le: at("2026-03-02T08:00:00Z"),
        soumis_le: at("2026-03-02T08:00:00Z"),
        depots: 1,
        modifie_le: at("2026-03-02T08:00:00Z"),
        traite_le: None,
        correction_en_attente: false,
        formulaire: form,
    };
    controler(7, &lecture, &config(), &register())
        .map_err(|m| m.into_iter().map(|m| (m.champ, m.code)).collect())
}

#[test]
fn a_complete_form_is_an_application() {
    let candidature = judge(form()).expect("complete");
    assert_eq!(candidature.medecin.cdom_inscription.as_str(), "63");
    assert!(!candidature.remplacement_souhaite);
    assert_eq!(candidature.creneaux_souhaites.len(), 1);
}

#[test]
fn each_fault_has_its_code() {
    let with = |change: &dyn Fn(&mut Formulaire)| {
        let mut form = form();
        change(&mut form);
        let manques = judge(form).expect_err("incomplete");
        assert_eq!(manques.len(), 1, "{manques:?}");
        manques.into_iter().next().map(|(champ, code)| format!("{champ}:{code}")).expect("one")
    };
    let text = |t: &str| Some(t.to_owned());
    let cases: Vec<(Change, &str)> = vec![
        (Box::new(|f| f.rpps = None), "rpps:manquant"),
        (Box::new(move |f| f.rpps = text("1234")), "rpps:rpps-forme"),
        (Box::new(move |f| f.rpps = text("99790000015")), "rpps:rpps-cle"),
        (Box::new(move |f| f.rpps = text("631012345")), "rpps:rpps-adeli"),
        (Box::new(move |f| f.rpps = text("00000000000000")), "rpps:rpps-siret"),
        (Box::new(move |f| f.civilite = text("X")), "civilite:civilite-invalide"),
        (Box::new(|f| f.nom = None), "nom:manquant"),
        (Box::new(|f| f.prenom = None), "prenom:manquant"),
        (Box::new(|f| f.courriel = None), "courriel:manquant"),
        (Box::new(move |f| f.courriel = text("anne@medecins")), "courriel:courriel-invalide"),
        (Box::new(move |f| f.courriel = text("a b@c.example")), "courriel:courriel-invalide"),
        (Box::new(move |f| f.courriel = text("a@b@c.example")), "courriel:courriel-invalide"),
        (Box::new(move |f| f.telephone = text("06 00")), "telephone:telephone-invalide"),
        (Box::new(move |f| f.telephone = text("00 00 00 00 00")), "telephone:telephone-invalide"),
        (Box::new(move |f| f.mode_exercice = text("Autre")), "mode_exercice:mode-inconnu"),
        (
            Box::new(move |f| f.departement = text("20")),
            "departement_exercice_principal:departement-invalide",
        ),
        (Box::new(move |f| f.cdom = text("le mien")), "cdom_inscription:cdom-invalide"),
        (Box::new(|f| f.cdom = None), "cdom_inscription:manquant"),
        (Box::new(|f| f.lieux = Vec::new()), "lieux_souhaites:manquant"),
        (Box::new(|f| f.lieux = vec!["atlantide".to_owned()]), "lieux_souhaites:lieu-inconnu"),
        (Box::new(|f| f.lieux = vec!["Arlanc".to_owned()]), "lieux_souhaites:lieu-inconnu"),
        (Box::new(|f| f.creneaux = Vec::new()), "creneaux:creneaux-manquants"),
        (
            Box::new(|f| f.creneaux.push(creneau_brut("2026-03-01", "Matin"))),
            "creneaux:creneau-passe",
        ),
        (
            Box::new(|f| f.creneaux.push(creneau_brut("03/03/2027", "Matin"))),
            "creneaux:creneau-lointain",
        ),
        (
            Box::new(|f| f.creneaux.push(creneau_brut("2026-03-24", "soir"))),
            "creneaux:creneau-illisible",
        ),
        (
            Box::new(|f| f.creneaux.push(creneau_brut("bientôt", "matin"))),
            "creneaux:creneau-illisible",
        ),
    ];
    for (change, expected) in &cases {
        assert_eq!(with(change.as_ref()), *expected);
    }
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_the_form() {
    let manques = judge(Formulaire::default()).expect_err("empty");
    assert_eq!(manques.len(), 11, "{manques:?}");
    assert_eq!(manques[0].0, "rpps");
    assert_eq!(manques[10], ("creneaux".to_owned(), "creneaux-manquants".to_owned()));
}

#[test]
fn what_people_type_is_understood() {
    let mut typed = form();
    typed.rpps = Some("8 9979 0000 014".to_owned());
    typed.civilite = Some("Monsieur".to_owned());
    typed.telephone = Some("+33 6 00 00 00 00".to_owned());
    typed.departement = Some("2A - Corse-du-Sud".to_owned());
    typed.cdom = Some("Conseil départemental 974".to_owned());
    typed.lieux = ["AMBERT", "Le centre du Livradois", "centre de sante d’Ambert", "arlanc-2"]
        .map(str::to_owned)
        .to_vec();
    typed.creneaux = vec![
        creneau_brut("24/03/2026", "Journée entière"),
        creneau_brut("2026-03-24", "matin"),
        creneau_brut("2026-03-02", "Après-midi"),
    ];
    let candidature = judge(typed).expect("complete");
    assert_eq!(candidature.medecin.rpps.as_str(), "99790000014");
    assert_eq!(candidature.medecin.departement_exercice_principal.as_str(), "2A");
    assert_eq!(candidature.medecin.cdom_inscription.as_str(), "974");
    let lieux: Vec<_> = candidature.lieux_souhaites.iter().map(LieuId::as_str).collect();
    assert_eq!(lieux, ["ambert", "arlanc-2"], "the same site once");
    let halves: Vec<_> = candidature
        .creneaux_souhaites
        .iter()
        .map(|c| format!("{} {}", c.date, c.demi_journee.as_str()))
        .collect();
    assert_eq!(halves, ["2026-03-02 apres_midi", "2026-03-24 matin", "2026-03-24 apres_midi"]);
    for (label, mode) in [
        ("Libéral retraité", ModeExercice::Retraite),
        ("Praticien hospitalier", ModeExercice::Hospitalier),
        ("Salariée d’un centre", ModeExercice::Salarie),
        ("remplaçante", ModeExercice::Remplacant),
    ] {
        assert_eq!(mode_exercice(label), Ok(mode), "{label}");
    }
}
