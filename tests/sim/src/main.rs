//! Runs many histories: `sim --seeds 10000 [--from S] [--jobs 2]`, or tells one: `sim --seed X`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use sim::Essai;

// A history is allocations for a third of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates the six services together, history after history.
#[derive(Parser)]
struct Arguments {
    /// How many histories.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Histories run at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Tells the history of this seed, instead.
    #[arg(long)]
    seed: Option<u64>,
    /// Does not make a failing history small.
    #[arg(long)]
    whole: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let told = match arguments.seed {
        Some(seed) => tell(seed, arguments.whole, &mut io::stdout().lock()),
        None => campaign(&arguments, &mut io::stdout().lock()),
    };
    match told {
        Ok(true) => ExitCode::SUCCESS,
        // Nor does it count as run when whoever read it has gone.
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn tell(seed: u64, whole: bool, out: &mut impl Write) -> io::Result<bool> {
    match sim::run(seed, &Essai::default()) {
        Ok(bilan) => {
            for line in sim::raconter(seed, &Essai::default()) {
                writeln!(out, "{line}")?;
            }
            print(&bilan, out)?;
            writeln!(out, "seed {seed} : rien à redire")?;
            Ok(true)
        }
        Err(torts) if whole => {
            for line in sim::raconter(seed, &Essai::default()).into_iter().chain(torts) {
                writeln!(out, "{line}")?;
            }
            Ok(false)
        }
        Err(_) => {
            if let Some(reduction) = sim::reduire(seed, None, sim::ESSAIS) {
                write!(out, "{}", sim::recit(seed, &reduction))?;
            }
            Ok(false)
        }
    }
}

fn campaign(arguments: &Arguments, out: &mut impl Write) -> io::Result<bool> {
    let started = Instant::now();
    let seeds = arguments.from..arguments.from + arguments.seeds;
    let campagne = sim::campagne(seeds, arguments.jobs, None);
    print(&campagne.total, out)?;
    let (count, failed) = (arguments.seeds, campagne.echecs.len());
    let took = started.elapsed().as_secs_f64();
    writeln!(out, "{count} histoires, {failed} en échec, {took:.1} s")?;
    let Some((seed, torts)) = campagne.echecs.first_key_value() else { return Ok(true) };
    let numbers: Vec<_> = campagne.echecs.keys().collect();
    writeln!(out, "seeds en échec : {numbers:?}")?;
    if arguments.whole {
        writeln!(out, "seed {seed} :\n{}", torts.join("\n"))?;
    } else if let Some(reduction) = sim::reduire(*seed, None, sim::ESSAIS) {
        write!(out, "{}", sim::recit(*seed, &reduction))?;
    }
    Ok(false)
}

fn print(total: &BTreeMap<&'static str, u64>, out: &mut impl Write) -> io::Result<()> {
    for (what, times) in total {
        writeln!(out, "{times:>10} {what}")?;
    }
    Ok(())
}
