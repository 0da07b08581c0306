//! Any bytes, read as an extract and compared with themselves: `just fuzz rpps-flux lignes`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| rpps_flux::extraction::epreuve::eprouver(octets));
