//! Fingerprints of rows, dealt into buckets by their first bits as they are computed: each bucket
//! then fits in the processor's cache, where it is sorted.

/// Buckets of a file.
pub(super) const SEAUX: usize = 1 << BITS;
const BITS: u32 = 10;

/// Bits of a row's fingerprint that are kept. Two different rows have the same one with a
/// probability of 2^-96: for two files of 2.2 million rows, all different, at most 6e-17 that one
/// pair among all does, and 1.4e-19 when 5,000 rows differ. Nothing else is compared of rows that
/// cancel out.
pub(super) const EMPREINTE_BITS: u32 = 96;

/// Bits of the place of a row in its file: up to 4 TiB.
const PLACE_BITS: u32 = 42;

/// Rows of a bucket that are put away together.
const LOT: usize = 16;

/// Batches in a slab.
const DALLE: usize = 4_096;

/// The bucket of a fingerprint.
pub(super) fn seau_de(empreinte: u128) -> usize {
    (empreinte >> (EMPREINTE_BITS - BITS)) as usize
}

/// What is kept of a row in its bucket: the rest of its fingerprint, then its place. The order of
/// such marks is that of fingerprints.
pub(super) fn marque(empreinte: u128, place: u64) -> u128 {
    (empreinte << (BITS + u128::BITS - EMPREINTE_BITS)) | u128::from(place)
}

/// The place in a mark.
pub(super) fn place(marque: u128) -> u64 {
    (marque & ((1 << PLACE_BITS) - 1)) as u64
}

/// The rest of the fingerprint in a mark.
pub(super) fn reste(marque: u128) -> u128 {
    marque >> PLACE_BITS
}

/// Buckets being filled by one thread.
#[derive(Debug)]
pub(super) struct Remplissage<T> {
    /// The batch of each bucket that is not full yet.
    en_cours: Vec<T>,
    remplis: Vec<u8>,
    dalles: Vec<Vec<T>>,
    /// The bucket of each full batch.
    seaux: Vec<u16>,
}

impl<T: Copy + Default> Remplissage<T> {
    /// Empty buckets.
    pub(super) fn new() -> Self {
        Self {
            en_cours: vec![T::default(); SEAUX * LOT],
            remplis: vec![0; SEAUX],
            dalles: Vec::new(),
            seaux: Vec::new(),
        }
    }

    /// Puts a row in a bucket.
    #[inline]
    pub(super) fn poser(&mut self, seau: usize, valeur: T) {
        let rempli = usize::from(self.remplis[seau]);
        self.en_cours[seau * LOT + rempli] = valeur;
        if rempli + 1 < LOT {
            self.remplis[seau] += 1;
        } else {
            self.ranger(seau);
        }
    }

    fn ranger(&mut self, seau: usize) {
        if self.dalles.last().is_none_or(|dalle| dalle.len() == dalle.capacity()) {
            self.dalles.push(Vec::with_capacity(DALLE * LOT));
        }
        if let Some(dalle) = self.dalles.last_mut() {
            dalle.extend_from_slice(&self.en_cours[seau * LOT..(seau + 1) * LOT]);
        }
        // At most SEAUX.
        self.seaux.push(u16::try_from(seau).unwrap_or_default());
        self.remplis[seau] = 0;
    }

    /// Ends the filling: finds the batches of each bucket.
    pub(super) fn figer(self) -> Seaux<T> {
        let mut debuts = vec![0_u32; SEAUX + 1];
        for seau in &self.seaux {
            debuts[usize::from(*seau) + 1] += 1;
        }
        for seau in 0..SEAUX {
            debuts[seau + 1] += debuts[seau];
        }
        let mut suivants = debuts.clone();
        let mut ordre = vec![0_u32; self.seaux.len()];
        for (lot, seau) in (0..).zip(&self.seaux) {
            let suivant = &mut suivants[usize::from(*seau)];
            ordre[*suivant as usize] = lot;
            *suivant += 1;
        }
        let Self { en_cours, remplis, dalles, .. } = self;
        Seaux { en_cours, remplis, dalles, debuts, ordre }
    }
}

/// Buckets that one thread filled.
#[derive(Debug)]
pub(super) struct Seaux<T> {
    en_cours: Vec<T>,
    remplis: Vec<u8>,
    dalles: Vec<Vec<T>>,
    debuts: Vec<u32>,
    ordre: Vec<u32>,
}

impl<T: Copy> Seaux<T> {
    /// Adds what is in a bucket to `dans`.
    pub(super) fn vider(&self, seau: usize, dans: &mut Vec<T>) {
        let (debut, fin) = (self.debuts[seau] as usize, self.debuts[seau + 1] as usize);
        for lot in &self.ordre[debut..fin] {
            let lot = *lot as usize;
            let at = lot % DALLE * LOT;
            dans.extend_from_slice(&self.dalles[lot / DALLE][at..at + LOT]);
        }
        let at = seau * LOT;
        dans.extend_from_slice(&self.en_cours[at..at + usize::from(self.remplis[seau])]);
    }
}

/// Memory for sorting buckets.
#[derive(Debug, Default)]
pub(super) struct Tri {
    fins: Vec<u32>,
    range: Vec<u128>,
}

/// Bits by which marks are dealt out before they are sorted.
const TRI_BITS: u32 = 11;

impl Tri {
    /// Sorts marks: fingerprints are uniform, so that dealing them out by their first bits nearly
    /// does it.
    pub(super) fn trier(&mut self, marques: &mut Vec<u128>) {
        if marques.len() < 1 << (TRI_BITS - 4) {
            marques.sort_unstable();
            return;
        }
        let tas = |marque: u128| (marque >> (u128::BITS - TRI_BITS)) as usize;
        self.fins.clear();
        self.fins.resize((1 << TRI_BITS) + 1, 0);
        for marque in marques.iter() {
            self.fins[tas(*marque) + 1] += 1;
        }
        for n in 0..1 << TRI_BITS {
            self.fins[n + 1] += self.fins[n];
        }
        self.range.clear();
        self.range.resize(marques.len(), 0);
        for marque in marques.iter() {
            let fin = &mut self.fins[tas(*marque)];
            self.range[*fin as usize] = *marque;
            *fin += 1;
        }
        let mut debut = 0;
        for n in 0..1 << TRI_BITS {
            let fin = self.fins[n] as usize;
            self.range[debut..fin].sort_unstable();
            debut = fin;
        }
        std::mem::swap(marques, &mut self.range);
    }
}
