//! The GraphQL documents: our own, with aliases, so that every answer has one strict shape.
//!
//! Adding a fragment on a type of champ changes the type of *every* champ of that kind (facts of
//! the API, section 3): documents and their tests change together.

/// Name of the operation, and its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document {
    /// `operationName`.
    pub operation: &'static str,
    /// `query`.
    pub texte: &'static str,
}

/// Lists dossiers by date of modification, and those that disappeared. `nodes`, never `edges`:
/// DS preloads only `nodes`.
pub const LISTER: Document = Document {
    operation: "relaisDemarche",
    texte: "query relaisDemarche($demarche: Int!, $depuis: ISO8601DateTime!, $apres: String, \
$taille: Int!, $avecDossiers: Boolean!, $avecNoeuds: Boolean!, $disparusDepuis: ISO8601DateTime!, \
$avecAttente: Boolean!, $apresAttente: String, $avecDefinitif: Boolean!, $apresDefinitif: String) {
  demarche(number: $demarche) {
    activeRevision { id }
    dossiers(updatedSince: $depuis, after: $apres, first: $taille) @include(if: $avecDossiers) {
      pageInfo { endCursor hasNextPage }
      nodes @include(if: $avecNoeuds) { number state dateDerniereModification }
    }
    pendingDeletedDossiers(deletedSince: $disparusDepuis, after: $apresAttente, first: 100) \
@include(if: $avecAttente) {
      pageInfo { endCursor hasNextPage }
      nodes { number reason dateSupression }
    }
    deletedDossiers(deletedSince: $disparusDepuis, after: $apresDefinitif, first: 100) \
@include(if: $avecDefinitif) {
      pageInfo { endCursor hasNextPage }
      nodes { number reason dateSupression }
    }
  }
}",
};

/// What both platforms know of a dossier.
macro_rules! dossier {
    ($id:literal, $types:literal) => {
        concat!(
            "query relaisDossier($numero: Int!) {
  dossier(number: $numero) {
    number
    state
    dateDepot
    datePassageEnConstruction
    dateDerniereModification
    dateTraitement
    deposeParUnTiers
    usager { email }
    demandeur {
      __typename
      ... on PersonnePhysique { civilite nom prenom email }
      ... on PersonneMoraleIncomplete { siret }
    }
    demarche { revision { id } }
    groupeInstructeur { instructeurs { id email } }
    traitements { event emailAgentTraitant dateTraitement }
    messages { discardedAt correction { dateResolution } }
    champs {
      ...RelaisChamp
      ... on RepetitionChamp { rows { champs { ...RelaisChamp } } }
    }
  }
}
fragment RelaisChamp on Champ {
  __typename
  ",
            $id,
            "
  stringValue
  ... on TextChamp { texte: value }
  ... on DateChamp { date }
  ... on DatetimeChamp { instant: datetime }
  ... on CheckboxChamp { coche: value }
  ... on YesNoChamp { choisi: value }
  ... on CiviliteChamp { civilite: value }
  ... on DropDownListChamp { choix: value }
  ... on MultipleDropDownListChamp { values }
  ... on LinkedDropDownListChamp { primaryValue secondaryValue }
  ... on DepartementChamp { departement { code } }
  ... on CommuneChamp { commune { name } }
",
            $types,
            "}"
        )
    };
}

/// Reads one dossier: what the form says, and what happened to it. The types that DS shows as
/// texts to whoever has no fragment on them are asked for.
pub const LIRE: Document =
    Document { operation: "relaisDossier", texte: dossier!("id champDescriptorId", "") };

/// The same on the platform of the social ministries: no `champDescriptorId`, and a type for the
/// RPPS (facts of the API, section 0).
pub const LIRE_SOCIAL: Document = Document {
    operation: "relaisDossier",
    texte: dossier!("id", "  ... on RppsanteChamp { rpps: data }\n"),
};

/// Describes the form, and who works on it.
pub const DECRIRE: Document = Document {
    operation: "relaisFormulaire",
    texte: "query relaisFormulaire($demarche: Int!) {
  demarche(number: $demarche) {
    title
    state
    activeRevision {
      id
      champDescriptors {
        ...RelaisDescripteur
        ... on RepetitionChampDescriptor { contenu: champDescriptors { ...RelaisDescripteur } }
      }
      annotationDescriptors { ...RelaisDescripteur }
    }
    groupeInstructeurs { label closed instructeurs { id } }
  }
}
fragment RelaisDescripteur on ChampDescriptor {
  __typename
  id
  label
  required
  ... on DropDownListChampDescriptor { options }
  ... on MultipleDropDownListChampDescriptor { options }
}",
};

/// Reads where a dossier stands and what was written to the doctor: before repeating a mutation.
pub const RELIRE: Document = Document {
    operation: "relaisEtat",
    texte: "query relaisEtat($numero: Int!) {
  dossier(number: $numero) {
    state
    messages { body discardedAt correction { dateResolution } }
  }
}",
};

/// en_construction → en_instruction.
pub const PASSER_EN_INSTRUCTION: Document = Document {
    operation: "relaisPasserEnInstruction",
    texte: "mutation relaisPasserEnInstruction($input: DossierPasserEnInstructionInput!) {
  resultat: dossierPasserEnInstruction(input: $input) { errors { message } }
}",
};

/// en_instruction → accepte.
pub const ACCEPTER: Document = Document {
    operation: "relaisAccepter",
    texte: "mutation relaisAccepter($input: DossierAccepterInput!) {
  resultat: dossierAccepter(input: $input) { errors { message } }
}",
};

/// en_instruction → refuse.
pub const REFUSER: Document = Document {
    operation: "relaisRefuser",
    texte: "mutation relaisRefuser($input: DossierRefuserInput!) {
  resultat: dossierRefuser(input: $input) { errors { message } }
}",
};

/// Writes to the doctor, with or without a request for correction.
pub const ENVOYER_MESSAGE: Document = Document {
    operation: "relaisEnvoyerMessage",
    texte: "mutation relaisEnvoyerMessage($input: DossierEnvoyerMessageInput!) {
  resultat: dossierEnvoyerMessage(input: $input) { errors { message } }
}",
};

/// Fills private annotations.
pub const MODIFIER_ANNOTATIONS: Document = Document {
    operation: "relaisModifierAnnotations",
    texte: "mutation relaisModifierAnnotations($input: DossierModifierAnnotationsInput!) {
  resultat: dossierModifierAnnotations(input: $input) { errors { message } }
}",
};

/// Every document of the common schema.
pub const DOCUMENTS: &[Document] = &[
    LISTER,
    LIRE,
    DECRIRE,
    RELIRE,
    PASSER_EN_INSTRUCTION,
    ACCEPTER,
    REFUSER,
    ENVOYER_MESSAGE,
    MODIFIER_ANNOTATIONS,
];
