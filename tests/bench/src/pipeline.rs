//! The whole pipeline: the six services and the simulated agencies, which answer at once, over
//! RabbitMQ and PostgreSQL, on a clock that jumps: `relais demo` with both URLs.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{
    Erreur,
    banc::Banc,
    chiffres::{Resultat, decimal, entier, mediane, par_seconde, rapport},
    cli::{self, Cli},
    empreinte, limite,
};

/// Measures the pipeline.
pub(crate) async fn mesurer(cli: &Cli) -> Result<Resultat, Erreur> {
    let binary = empreinte::binaire("relais")?;
    let amqp = cli::url("AMQP_URL").ok_or("AMQP_URL is not set")?;
    let base = cli::url("DATABASE_URL").ok_or("DATABASE_URL is not set")?;
    let (mut dossiers, mut messages, mut brut) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..cli.tours.div_ceil(2) {
        let banc = Banc::ouvrir().await?;
        let took = limite::emettre(&banc, cli.messages).await?;
        brut.push(par_seconde(cli.messages, took));
        banc.fermer().await?;
        let out = tempfile::tempdir()?;
        let output = Command::new(&binary)
            .args(["demo", "--json", "--medecins", &cli.medecins.to_string()])
            .args(["--amqp", amqp.expose(), "--database", base.expose(), "--out"])
            .arg(out.path())
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the demo failed:\n{errors}").into());
        }
        let text = String::from_utf8(output.stdout)?;
        let result: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
        let took = result["duree_s"].as_f64().ok_or("no duration in the demo's result")?;
        let deposees = result["candidatures_deposees"].as_f64().ok_or("no dossiers")?;
        let published =
            std::fs::read_to_string(out.path().join("messages.ndjson"))?.lines().count();
        dossiers.push(deposees / took);
        messages.push(f64::from(u32::try_from(published)?) / took);
    }
    let ratio = rapport(&messages, &brut);
    let mut resultat = Resultat::new("pipeline : des dossiers entiers à travers les six services");
    resultat
        .ligne(format!(
            "{} dossiers/s, soit {} messages/s publiés, {} médecins, une centaine de jours ouvrés \
             simulés",
            decimal(mediane(&dossiers), 1),
            entier(mediane(&messages)),
            cli.medecins
        ))
        .ligne(format!(
            "publication seule : {} messages/s ; rapport {}",
            entier(mediane(&brut)),
            decimal(ratio, 3)
        ))
        .valeur("dossiers_per_s", mediane(&dossiers))
        .valeur("rate_per_s", mediane(&messages))
        .valeur("raw_per_s", mediane(&brut))
        .valeur("ratio", ratio);
    Ok(resultat)
}
