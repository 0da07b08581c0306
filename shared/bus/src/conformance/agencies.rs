//! An agency sees only what is its own, and speaks only for itself.

use contracts::{Agence, Flux};

use super::{Ground, agence, drain, fact, ids, publish_all};
use crate::{BusError, Confirmation, Origin, Publication, QueueSpec};

fn request(to: &Agence, id: &str) -> Publication {
    let message_type = "numero-am-demande.v1";
    let routing_key = to.routing_key(message_type);
    let base = fact(message_type, id);
    Publication { flux: Flux::Demandes, routing_key, mandatory: true, ..base }
}

fn answer(from: &Agence, id: &str) -> Publication {
    let message_type = "numero-am-cree.v1";
    let mut answer = fact(message_type, id);
    answer.flux = Flux::Reponses;
    answer.routing_key = from.routing_key(message_type);
    answer.envelope.source = from.source();
    answer
}

fn readers() -> QueueSpec {
    let pattern = "cpam.*.numero-am-cree.v1".to_owned();
    QueueSpec::service("un", vec![(Flux::Reponses, pattern)])
}

pub(super) async fn an_agency_and_a_service_talk(ground: &dyn Ground) {
    let (here, there) = (agence("cpam.631"), agence("cpam.751"));
    let service = ground.service("essai").await;
    let agency = ground.agency(here.clone()).await;
    let other = ground.agency(there.clone()).await;
    let mut inbox = agency.consume(&QueueSpec::agence(&here), 10).await.expect("a consumer");
    let mut others = other.consume(&QueueSpec::agence(&there), 10).await.expect("a consumer");
    let requests = vec![request(&here, "1"), request(&there, "2"), request(&here, "3")];
    let ((), own, foreign) = tokio::join!(
        publish_all(&service, requests),
        drain(&mut *inbox, 2),
        drain(&mut *others, 1)
    );
    assert_eq!(ids(&own), ["1", "3"]);
    assert_eq!(ids(&foreign), ["2"]);
    assert_eq!(own[0].origin, Origin::Relais);
    assert_eq!(own[0].rejection, None);

    let mut answers = service.consume(&readers(), 10).await.expect("a consumer");
    let ((), received) =
        tokio::join!(publish_all(&agency, vec![answer(&here, "4")]), drain(&mut *answers, 1));
    assert_eq!(received[0].origin, Origin::Agence(here));
    assert_eq!(received[0].rejection, None);
}

pub(super) async fn an_agency_reads_and_writes_only_what_is_its_own(ground: &dyn Ground) {
    let (here, there) = (agence("cpam.631"), agence("cpam.751"));
    let service = ground.service("essai").await;
    let mut answers = service.consume(&readers(), 10).await.expect("a consumer");
    let agency = ground.agency(here.clone()).await;
    for spec in [QueueSpec::agence(&there), readers()] {
        let refused = agency.consume(&spec, 10).await;
        assert!(matches!(refused, Err(BusError::Topology(_))), "{} was readable", spec.name);
    }
    let outside = [answer(&there, "1"), fact("fait.v1", "2"), request(&here, "3")];
    for publication in outside {
        assert_eq!(agency.publish(vec![publication]).await, [Confirmation::Failed]);
    }
    let ((), received) =
        tokio::join!(publish_all(&agency, vec![answer(&here, "4")]), drain(&mut *answers, 1));
    assert_eq!(ids(&received), ["4"]);
}

pub(super) async fn a_forged_answer_arrives_rejected(ground: &dyn Ground) {
    let (here, there) = (agence("cpam.631"), agence("cpam.751"));
    let service = ground.service("essai").await;
    let mut answers = service.consume(&readers(), 10).await.expect("a consumer");
    let agency = ground.agency(here.clone()).await;

    let mut in_another_name = answer(&here, "1");
    in_another_name.envelope.source = there.source();
    let ((), received) =
        tokio::join!(publish_all(&agency, vec![in_another_name]), drain(&mut *answers, 1));
    let rejection = received[0].rejection.as_ref().expect("a rejection");
    assert_eq!(rejection.code, "agence-usurpee");
    assert_eq!(received[0].origin, Origin::Agence(here.clone()));

    // A service is no agency, whatever it writes.
    let ((), received) =
        tokio::join!(publish_all(&service, vec![answer(&here, "2")]), drain(&mut *answers, 1));
    let rejection = received[0].rejection.as_ref().expect("a rejection");
    assert_eq!(rejection.code, "agence-non-authentifiee");
    assert_eq!(received[0].origin, Origin::Relais);
}
