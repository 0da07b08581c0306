//! `relais doctor`: looks at everything that Relais stands on, changes nothing, and says what to do.

mod bases;
mod certificats;
mod courtier;

use std::{fmt, process::ExitCode};

use chrono::{DateTime, Utc};
use service::{FrameConfig, StartError, backends, config as configuration};

use crate::{cli::DoctorArgs, run, secrets::Coffre, topologie::compte};

/// A clock that differs by more, in seconds, is worth a word: dates of answers look wrong.
const DECALAGE_VISIBLE: i64 = 5;
/// A clock that differs by more, in seconds, is an error: leases and due dates go wrong.
const DECALAGE_GRAVE: i64 = 60;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gravite {
    Bon,
    Attention,
    Erreur,
}

/// One line.
#[derive(Clone, Debug)]
struct Constat {
    gravite: Gravite,
    sujet: &'static str,
    texte: String,
    remede: String,
}

impl fmt::Display for Constat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gravite = match self.gravite {
            Gravite::Bon => "ok",
            Gravite::Attention => "attention",
            Gravite::Erreur => "erreur",
        };
        write!(f, "{gravite:<9}  {:<13}  {}", self.sujet, self.texte)?;
        if self.remede.is_empty() { Ok(()) } else { write!(f, " → {}", self.remede) }
    }
}

/// What was found, in the order in which it was looked at.
#[derive(Debug, Default)]
struct Rapport(Vec<Constat>);

impl Rapport {
    fn noter(&mut self, gravite: Gravite, sujet: &'static str, texte: String, remede: &str) {
        self.0.push(Constat { gravite, sujet, texte, remede: remede.to_owned() });
    }

    fn bon(&mut self, sujet: &'static str, texte: impl Into<String>) {
        self.noter(Gravite::Bon, sujet, texte.into(), "");
    }

    fn attention(&mut self, sujet: &'static str, texte: impl Into<String>, remede: &str) {
        self.noter(Gravite::Attention, sujet, texte.into(), remede);
    }

    fn erreur(&mut self, sujet: &'static str, texte: impl Into<String>, remede: &str) {
        self.noter(Gravite::Erreur, sujet, texte.into(), remede);
    }

    fn nombre(&self, gravite: Gravite) -> usize {
        self.0.iter().filter(|constat| constat.gravite == gravite).count()
    }

    /// A clock beside this machine's.
    fn horloge(&mut self, de: &str, autre: DateTime<Utc>, ici: DateTime<Utc>) {
        let ecart = (autre - ici).num_seconds();
        let texte = format!("{de} : {ecart:+} s par rapport à cette machine");
        let remede = "synchronisez les deux machines (chrony, ou systemd-timesyncd)";
        match ecart.abs() {
            0..=DECALAGE_VISIBLE => self.bon("horloge", texte),
            ecart if ecart <= DECALAGE_GRAVE => self.attention("horloge", texte, remede),
            _ => self.erreur("horloge", texte, remede),
        }
    }
}

/// Looks at everything; code 1 when there is an error.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) async fn doctor(args: DoctorArgs) -> Result<ExitCode, StartError> {
    agency::install_crypto_provider();
    let choisis = run::choisir(&args.services)?;
    let source = configuration::load(args.config.as_deref()).map_err(StartError::Config)?;
    let noms: Vec<_> = choisis.iter().map(|program| program.name()).collect();
    let mut rapport = Rapport::default();
    let frame = match run::verifier(&source, &choisis) {
        Ok((frame, _)) => {
            rapport.bon("configuration", format!("lisible pour {}", noms.join(", ")));
            frame
        }
        Err(error) => {
            for line in error.to_string().lines() {
                rapport.erreur("configuration", line, "corrigez cette clé");
            }
            // The services' own tables are wrong; what the frame says can still be looked at.
            source
                .clone()
                .try_deserialize::<FrameConfig>()
                .map_err(|e| StartError::Config(e.to_string()))?
        }
    };
    let coffre = Coffre::ouvrir(args.secrets.as_deref(), args.kubernetes.as_deref())
        .map_err(|e| StartError::Config(e.to_string()))?;
    referentiel(&frame, &mut rapport);
    bases::examiner(&frame, &noms, &mut rapport).await;
    courtier::examiner(&frame, &args, coffre, &noms, &mut rapport).await;
    certificats::examiner(&frame, &mut rapport).await;
    for constat in &rapport.0 {
        println!("{constat}");
    }
    let (erreurs, attentions) =
        (rapport.nombre(Gravite::Erreur), rapport.nombre(Gravite::Attention));
    println!("{}, {}", compte(erreurs, "erreur"), compte(attentions, "avertissement"));
    Ok(if erreurs == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn referentiel(frame: &FrameConfig, rapport: &mut Rapport) {
    let registre = match backends::referentiel(frame) {
        Ok(registre) => registre,
        Err(error) => {
            return rapport.erreur("référentiel", error.to_string(), "corrigez ce fichier");
        }
    };
    let lacunes = registre.lacunes();
    match lacunes.first() {
        None => rapport.bon("référentiel", "complet"),
        Some(premiere) => rapport.attention(
            "référentiel",
            format!("{} ; la première : {premiere}", compte(lacunes.len(), "lacune")),
            "complétez-le : chaque lacune devient une tâche pour la DNS",
        ),
    }
}

/// An error and its causes, on one line.
fn chaine(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text.push_str(" : ");
        text.push_str(&e.to_string());
        cause = e.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{
        Gravite::{Attention, Bon, Erreur},
        *,
    };

    #[test]
    fn clocks_are_judged_by_their_distance() {
        let ici = DateTime::from_timestamp(1_800_000_000, 0).expect("a date");
        let gravites = [0, -5, 6, -60, 61].map(|ecart| {
            let mut rapport = Rapport::default();
            rapport.horloge("courtier", ici + chrono::TimeDelta::seconds(ecart), ici);
            rapport.0[0].gravite
        });
        assert_eq!(gravites, [Bon, Bon, Attention, Attention, Erreur]);
    }

    #[test]
    fn a_line_says_what_to_do() {
        let mut rapport = Rapport::default();
        rapport.erreur("courtier", "absent", "démarrez-le");
        assert_eq!(rapport.0[0].to_string(), "erreur     courtier       absent → démarrez-le");
    }
}
