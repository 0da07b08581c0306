//! Decisions of ordinal-adapter: the whole table of a dossier, stories, properties.

mod banc;
mod fins;
mod histoires;
mod monde;
mod ordre;
mod proprietes;
mod table;
