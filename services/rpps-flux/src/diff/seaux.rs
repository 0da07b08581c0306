//! Fingerprints of rows, dealt into buckets by their first bits as they are computed: each bucket
//! then fits in the processor's cache, where it is sorted.

/// Buckets of a file.
pub(super) const SEAUX: usize = 1 << BITS;
const BITS: u32 = 10;

/// Bits of a row's fingerprint, as a digest keeps it.
pub(super) const EMPREINTE_BITS: u32 = 96;

/// Bits of the place of a row in its file.
const PLACE_BITS: u32 = 33;

/// Files that can be compared are smaller, in bytes: 8 GiB.
pub(super) const TAILLE_MAX: u64 = 1 << PLACE_BITS;

/// Bits of a mark: 12 bytes.
const MARQUE_BITS: u32 = 96;

/// Bits of a fingerprint that a mark holds beside a place.
const RESTE_BITS: u32 = MARQUE_BITS - PLACE_BITS;

/// Bits of a fingerprint by which rows cancel out, those of the bucket included: 73. For two files
/// of 2.2 million rows, that two different rows are taken for equal has a probability of 1e-12 when
/// 5,000 rows differ, and of 5e-10 when all do. That is then noticed, and refused, unless the other
/// 23 bits say nothing either: the sums of the whole fingerprints that cancelled out differ. What
/// is left, a wrong answer without a word, has a probability of 1e-19, and of 6e-17 when all differ.
const COMPARES: u32 = RESTE_BITS + BITS;

/// Rows of a bucket that are put away together.
const LOT: usize = 16;

/// Bytes of a file for which a slab has room for one row: rows are longer, so that the slab made at
/// the start is not filled. What is not touched of it costs nothing, where several would each cost
/// the rest of a large page.
const OCTETS_PAR_LIGNE: u64 = 256;

/// The bucket of a fingerprint.
pub(super) fn seau_de(empreinte: u128) -> usize {
    (empreinte >> (EMPREINTE_BITS - BITS)) as usize
}

/// What is compared of a row in its bucket: the next bits of its fingerprint, then its place. The
/// order of marks is that of fingerprints.
pub(super) fn marque(empreinte: u128, place: u64) -> u128 {
    let reste = (empreinte >> (EMPREINTE_BITS - COMPARES)) & ((1 << RESTE_BITS) - 1);
    (reste << PLACE_BITS) | u128::from(place)
}

/// The place in a mark.
pub(super) fn place(marque: u128) -> u64 {
    (marque & ((1 << PLACE_BITS) - 1)) as u64
}

/// The bits of the fingerprint in a mark.
pub(super) fn reste(marque: u128) -> u128 {
    marque >> PLACE_BITS
}

/// A mark in 12 bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, packed(4))]
pub(super) struct Marque {
    bas: u64,
    haut: u32,
}

impl From<u128> for Marque {
    #[expect(clippy::cast_possible_truncation, reason = "cut in two")]
    fn from(marque: u128) -> Self {
        Self { bas: marque as u64, haut: (marque >> u64::BITS) as u32 }
    }
}

impl From<Marque> for u128 {
    fn from(Marque { bas, haut }: Marque) -> Self {
        (Self::from(haut) << u64::BITS) | Self::from(bas)
    }
}

/// Buckets being filled by one thread.
#[derive(Debug)]
pub(super) struct Remplissage<T> {
    /// The batch of each bucket that is not full yet.
    en_cours: Vec<T>,
    remplis: Vec<u8>,
    /// Full batches, so many in a slab.
    dalles: Vec<Vec<T>>,
    lots_par_dalle: usize,
    /// The bucket of each full batch.
    seaux: Vec<u16>,
}

impl<T: Copy + Default> Remplissage<T> {
    /// Empty buckets for a thread that reads about so many bytes.
    pub(super) fn new(octets: u64) -> Self {
        let lots = usize::try_from(octets / OCTETS_PAR_LIGNE).unwrap_or_default() / LOT;
        let lots_par_dalle = lots.max(64);
        Self {
            en_cours: vec![T::default(); SEAUX * LOT],
            remplis: vec![0; SEAUX],
            dalles: vec![Vec::with_capacity(lots_par_dalle * LOT)],
            lots_par_dalle,
            seaux: Vec::with_capacity(lots_par_dalle),
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
        let pleine = self.lots_par_dalle * LOT;
        if self.dalles.last().is_none_or(|dalle| dalle.len() == pleine) {
            self.dalles.push(Vec::with_capacity(pleine));
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
        let Self { en_cours, remplis, dalles, lots_par_dalle, .. } = self;
        Seaux { en_cours, remplis, dalles, lots_par_dalle, debuts, ordre }
    }
}

/// Buckets that one thread filled.
#[derive(Debug)]
pub(super) struct Seaux<T> {
    en_cours: Vec<T>,
    remplis: Vec<u8>,
    dalles: Vec<Vec<T>>,
    lots_par_dalle: usize,
    debuts: Vec<u32>,
    ordre: Vec<u32>,
}

impl<T: Copy> Seaux<T> {
    /// Adds what is in a bucket to `dans`.
    pub(super) fn vider<U: From<T>>(&self, seau: usize, dans: &mut Vec<U>) {
        let (debut, fin) = (self.debuts[seau] as usize, self.debuts[seau + 1] as usize);
        for lot in &self.ordre[debut..fin] {
            let lot = *lot as usize;
            let at = lot % self.lots_par_dalle * LOT;
            let lot = &self.dalles[lot / self.lots_par_dalle][at..at + LOT];
            dans.extend(lot.iter().map(|valeur| U::from(*valeur)));
        }
        let at = seau * LOT;
        let lot = &self.en_cours[at..at + usize::from(self.remplis[seau])];
        dans.extend(lot.iter().map(|valeur| U::from(*valeur)));
    }
}

/// Memory for sorting buckets.
#[derive(Debug)]
pub(super) struct Tri {
    fins: Vec<u32>,
    range: Vec<u128>,
}

/// Bits by which marks are dealt out before they are sorted.
const TRI_BITS: u32 = 11;

impl Tri {
    /// Memory for buckets of about so many marks.
    pub(super) fn pour(marques: usize) -> Self {
        let fins = Vec::with_capacity((1 << TRI_BITS) + 1);
        Self { fins, range: Vec::with_capacity(marques) }
    }

    /// Sorts marks: fingerprints are uniform, so that dealing them out by their first bits nearly
    /// does it.
    pub(super) fn trier(&mut self, marques: &mut Vec<u128>) {
        // Those of a digest are sorted.
        if marques.is_sorted() {
            return;
        }
        if marques.len() < 1 << (TRI_BITS - 4) {
            marques.sort_unstable();
            return;
        }
        let tas = |marque: u128| (marque >> (MARQUE_BITS - TRI_BITS)) as usize;
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
