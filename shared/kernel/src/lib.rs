//! Pure vocabulary shared by every crate above `contracts`: clock, ids, draws, faults, retry
//! policy, secrets, tasks. Nothing here knows a service, a message or a store.

mod clock;
mod draw;
mod failpoint;
mod fault;
mod francais;
mod ids;
mod paris;
mod retry;
mod secret;
mod tasks;

pub use clock::{Acceleration, Busy, Clock, Timer, VirtualDriver};
pub use draw::Draw;
pub use failpoint::{FAILPOINTS, failpoint};
pub use fault::{BoxError, Fault};
pub use francais::{date_en_lettres, jour_de_semaine, mois_en_lettres};
pub use ids::{derive_id, short_id};
pub use paris::{paris_at, paris_date, paris_time};
pub use retry::Backoff;
pub use secret::{Pseudonymiser, Secret};
pub use tasks::Tasks;
