//! Whatever DS answers, reading it ends: `just fuzz ds-intake champs`.
//! The bounded run of the normal tests is `tests/fuzz.rs`.
#![no_main]

use ds_intake::{
    config::champs_par_defaut,
    wire::{
        Mutation, ResultatDemarche, ResultatDossier, ResultatEtat, ResultatFormulaire, decoder,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = decoder::<ResultatDemarche>(bytes);
    let _ = decoder::<ResultatEtat>(bytes);
    let _ = decoder::<ResultatFormulaire>(bytes);
    let _ = decoder::<Mutation>(bytes).map(Mutation::refus);
    if let Ok(resultat) = decoder::<ResultatDossier>(bytes) {
        let _ = resultat.dossier.decide_par_son_cdom("robot");
        let _ = resultat.dossier.lecture(&champs_par_defaut()).empreinte();
    }
});
