//! A credential that rotates (OAuth refresh tokens), refreshed by one caller at a time.
//!
//! Where the credential is kept is the caller's affair: it gives the three steps as closures.

use std::future::Future;

use kernel::Fault;
use tokio::sync::Mutex;

/// A credential as it is stored, with the version that a replacement must name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken<C> {
    /// Its version; `None` when it comes from the configuration and is not stored yet.
    pub version: Option<i64>,
    /// The credential.
    pub credential: C,
}

/// The credential of one agency; share it behind an `Arc`.
#[derive(Debug)]
pub struct RotatingToken<C> {
    current: Mutex<Option<C>>,
}

impl<C> Default for RotatingToken<C> {
    fn default() -> Self {
        Self { current: Mutex::new(None) }
    }
}

impl<C: Clone + Send> RotatingToken<C> {
    /// A credential that is not read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A usable credential: the one in memory, else the stored one (another replica may have
    /// refreshed it), else a fresh one, which is stored *before* it is used. Callers wait for each
    /// other, so that a refresh token is presented once.
    ///
    /// `usable` says whether a credential may still be presented; after a 401, let it refuse the
    /// one that was presented. `load` reads the stored one. `refresh` exchanges it. `persist`
    /// replaces the version that was loaded, and returns false when another replica was faster.
    ///
    /// # Errors
    /// A step's own [`Fault`]; permanent `jeton-absent` when nothing is stored; transient
    /// `jeton-concurrent` when another replica has just replaced it by one that is not usable.
    pub async fn get<L, R, P>(
        &self,
        usable: impl Fn(&C) -> bool + Send,
        load: impl Fn() -> L + Send,
        refresh: impl FnOnce(C) -> R + Send,
        persist: impl FnOnce(Option<i64>, C) -> P + Send,
    ) -> Result<C, Fault>
    where
        L: Future<Output = Result<Option<StoredToken<C>>, Fault>> + Send,
        R: Future<Output = Result<C, Fault>> + Send,
        P: Future<Output = Result<bool, Fault>> + Send,
    {
        let mut current = self.current.lock().await;
        if let Some(credential) = current.as_ref().filter(|c| usable(c)) {
            return Ok(credential.clone());
        }
        let stored = load()
            .await?
            .ok_or_else(|| Fault::permanent("jeton-absent", "no credential is stored"))?;
        if usable(&stored.credential) {
            return Ok(current.insert(stored.credential).clone());
        }
        let fresh = refresh(stored.credential).await?;
        if persist(stored.version, fresh.clone()).await? {
            return Ok(current.insert(fresh).clone());
        }
        match load().await?.map(|t| t.credential).filter(|c| usable(c)) {
            Some(theirs) => Ok(current.insert(theirs).clone()),
            None => Err(Fault::transient("jeton-concurrent", "replaced by another replica")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    /// A store of one credential, with the compare-and-set that the real one has.
    #[derive(Clone, Default)]
    struct Kept(Arc<StdMutex<Option<StoredToken<u32>>>>);

    impl Kept {
        fn with(version: i64, credential: u32) -> Self {
            let kept = StoredToken { version: Some(version), credential };
            Self(Arc::new(StdMutex::new(Some(kept))))
        }

        fn load(&self) -> Option<StoredToken<u32>> {
            self.0.lock().expect("lock").clone()
        }

        fn put(&self, expected: Option<i64>, credential: u32) -> bool {
            let mut kept = self.0.lock().expect("lock");
            let same = kept.as_ref().and_then(|t| t.version) == expected;
            if same {
                let version = Some(expected.unwrap_or(0) + 1);
                *kept = Some(StoredToken { version, credential });
            }
            same
        }
    }

    async fn get(token: &RotatingToken<u32>, kept: &Kept, least: u32) -> Result<u32, Fault> {
        token
            .get(
                |c| *c >= least,
                || async { Ok(kept.load()) },
                |old| async move { Ok(old + 1) },
                |version, fresh| async move { Ok(kept.put(version, fresh)) },
            )
            .await
    }

    #[tokio::test]
    async fn concurrent_callers_refresh_once() {
        let (token, kept) = (RotatingToken::new(), &Kept::with(1, 10));
        let refreshed = AtomicU32::new(0);
        let one = || {
            token.get(
                |c| *c >= 11,
                || async { Ok(kept.load()) },
                |old| {
                    refreshed.fetch_add(1, Ordering::SeqCst);
                    async move {
                        tokio::task::yield_now().await;
                        Ok(old + 1)
                    }
                },
                |version, fresh| async move { Ok(kept.put(version, fresh)) },
            )
        };
        let (a, b, c) = tokio::join!(one(), one(), one());
        assert_eq!([a, b, c].map(|r| r.expect("token")), [11, 11, 11]);
        assert_eq!(refreshed.load(Ordering::SeqCst), 1);
        assert_eq!(kept.load(), Some(StoredToken { version: Some(2), credential: 11 }));
    }

    #[tokio::test]
    async fn another_replica_s_token_is_taken_without_a_refresh() {
        let (token, kept) = (RotatingToken::new(), Kept::with(1, 10));
        assert_eq!(get(&token, &kept, 10).await.expect("token"), 10);
        assert!(kept.put(Some(1), 15));
        assert_eq!(get(&token, &kept, 12).await.expect("token"), 15);
        assert_eq!(kept.load().expect("kept").version, Some(2));
    }

    #[tokio::test]
    async fn a_lost_race_takes_the_winner_s_token_or_says_so() {
        for (winner, expected) in [(40, Ok(40)), (3, Err("jeton-concurrent"))] {
            let (token, kept) = (RotatingToken::new(), &Kept::with(1, 10));
            let raced = token
                .get(
                    |c| *c >= 30,
                    || async { Ok(kept.load()) },
                    |_| async { Ok(30) },
                    |version, fresh| async move {
                        assert!(kept.put(Some(1), winner));
                        Ok(kept.put(version, fresh))
                    },
                )
                .await;
            let raced = raced.map_err(|f| f.code());
            assert_eq!(raced, expected);
        }
    }

    #[tokio::test]
    async fn nothing_stored_needs_a_person() {
        let fault = get(&RotatingToken::new(), &Kept::default(), 1).await.expect_err("nothing");
        assert_eq!(fault.code(), "jeton-absent");
        assert!(matches!(fault, Fault::Permanent { .. }));
    }
}
