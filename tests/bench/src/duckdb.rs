//! DuckDB's best formulation of the same diff, where DuckDB is installed: its command line, or a
//! Python that has its module.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::Erreur;

/// What DuckDB writes.
const SORTIE: &str = "duckdb.csv";

/// Whole lines as text, counted by hash in each file; the lines whose counts differ are read again
/// and written, each with its difference. Of the formulations tried (text grouped in both files and
/// joined, one hash grouped over both, anti joins, parsed columns), the fastest that counts equal
/// lines; its planner left alone keeps all lines in memory and takes a third longer.
const SQL: &str = "
set preserve_insertion_order = false;
create view a as select * from read_csv('AVANT', columns = {'l': 'VARCHAR'}, delim = '\\t',
    quote = '', escape = '', header = false, auto_detect = false);
create view b as select * from read_csv('APRES', columns = {'l': 'VARCHAR'}, delim = '\\t',
    quote = '', escape = '', header = false, auto_detect = false);
create temp table d as select h, sum(n) as n
    from (select hash(l) as h, 1 as n from b union all select hash(l), -1 from a)
    group by h having sum(n) <> 0;
set disabled_optimizers = 'build_side_probe_side';
copy (select n, l from (select hash(l) as h, l from b union all select hash(l), l from a)
    join d using (h) group by all) to 'SORTIE' (format csv, header false);
";

/// Runs it, and says what the query took without the start of the interpreter, and the memory.
const PYTHON: &str = "
import duckdb, json, resource, sys, time
debut = time.time()
duckdb.connect().execute(sys.argv[1])
duree = time.time() - debut
memoire = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({'duree_s': duree, 'memoire_mo': memoire}))
";

/// How DuckDB is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Duckdb {
    /// `duckdb`.
    Commande,
    /// `python3`, with the module.
    Python,
}

impl Duckdb {
    /// The one that is installed.
    pub(crate) fn chercher() -> Option<Self> {
        let marche = |program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        if marche("duckdb", &["-c", "select 1"]) {
            return Some(Self::Commande);
        }
        marche("python3", &["-c", "import duckdb"]).then_some(Self::Python)
    }

    /// The command that compares two files of a folder.
    pub(crate) fn comparer(self, dossier: &Path, avant: &str, apres: &str) -> Command {
        let sql = SQL.replace("AVANT", avant).replace("APRES", apres).replace("SORTIE", SORTIE);
        let (program, args) = match self {
            Self::Commande => ("duckdb", vec!["-c".to_owned(), sql]),
            Self::Python => ("python3", vec!["-c".to_owned(), PYTHON.to_owned(), sql]),
        };
        let mut command = Command::new(program);
        command.current_dir(dossier).args(args);
        command
    }
}

/// Holds what DuckDB wrote against what `generate` made: lines that came, lines that went.
///
/// # Errors
/// They are not as many.
pub(crate) fn verifier(dossier: &Path, attendu: &Value) -> Result<(), Erreur> {
    let text = fs::read_to_string(dossier.join(SORTIE))?;
    let (mut venues, mut parties) = (0, 0);
    for line in text.lines() {
        let n: i64 = line.split(',').next().unwrap_or_default().parse()?;
        venues += n.max(0);
        parties += (-n).max(0);
    }
    let made = |nom: &str| attendu[nom].as_i64().unwrap_or_default();
    let modifications = made("modifications");
    let expected = (made("ajouts") + modifications, made("retraits") + modifications);
    if (venues, parties) == expected {
        return Ok(());
    }
    Err(format!("DuckDB: {venues} and {parties} lines found, {expected:?} made").into())
}
