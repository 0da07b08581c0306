//! The raw limit: lapin alone on the same quorum queues and the same messages, without a database.
//! As fast as we know how: publications pushed together, several batches in flight, confirms
//! awaited, acknowledgements by the batch, one connection each way.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all, stream::FuturesOrdered};
use lapin::{
    BasicProperties, Channel,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions,
    },
    types::FieldTable,
};
use service::Service;

use crate::{
    Erreur,
    banc::{Banc, connecter, fermer},
    compteur::Compteur,
    messages::{self, CLE_EFFET},
};

/// Messages published together.
const LOT: usize = 256;
/// Batches in flight.
const EN_VOL: usize = 4;
/// Deliveries unsettled at a time.
const PREFETCH: u16 = 1024;

/// Takes `n` messages of the service's queue and publishes each on: confirmed, then acknowledged.
pub(crate) async fn traverser(banc: &Banc, n: u32) -> Result<Duration, Erreur> {
    let (arrivee, depart) = (connecter(&banc.amqp).await?, connecter(&banc.amqp).await?);
    let (entrant, sortant) = (arrivee.create_channel().await?, depart.create_channel().await?);
    sortant.confirm_select(ConfirmSelectOptions::default()).await?;
    entrant.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let started = Instant::now();
    relayer(banc, &entrant, &sortant, n).await?;
    let took = started.elapsed();
    fermer(&arrivee).await;
    fermer(&depart).await;
    Ok(took)
}

/// The same on given channels; ends after `n` messages.
pub(crate) async fn relayer(
    banc: &Banc,
    entrant: &Channel,
    sortant: &Channel,
    n: u32,
) -> Result<(), Erreur> {
    let queue = format!("{}{}", banc.prefixe, Compteur::NAME);
    let consumer = entrant
        .basic_consume(
            queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let echange = messages::echange(&banc.prefixe);
    let mut lots = consumer.ready_chunks(LOT);
    let mut en_vol = FuturesOrdered::new();
    let (mut pris, mut faits) = (0, 0);
    while faits < n {
        tokio::select! {
            biased;
            Some(fait) = en_vol.next(), if !en_vol.is_empty() => {
                let (dernier, nombre): (u64, u32) = fait?;
                entrant.basic_ack(dernier, BasicAckOptions { multiple: true }).await?;
                faits += nombre;
            }
            Some(lot) = lots.next(), if en_vol.len() < EN_VOL && pris < n => {
                let lot = lot.into_iter().collect::<Result<Vec<_>, _>>()?;
                pris += u32::try_from(lot.len())?;
                en_vol.push_back(passer(sortant, &echange, lot));
            }
        }
    }
    Ok(())
}

/// Publishes a batch on, all confirmed; returns its last tag and its size.
async fn passer(
    sortant: &Channel,
    echange: &str,
    lot: Vec<Delivery>,
) -> Result<(u64, u32), Erreur> {
    let dernier = lot.last().map_or(0, |delivery| delivery.delivery_tag);
    let nombre = u32::try_from(lot.len())?;
    let messages = lot.into_iter().map(|delivery| (delivery.data, delivery.properties));
    publier(sortant, echange, messages.collect()).await?;
    Ok((dernier, nombre))
}

/// Publishes a batch under the key of effects, all confirmed.
async fn publier(
    channel: &Channel,
    echange: &str,
    lot: Vec<(Vec<u8>, BasicProperties)>,
) -> Result<(), Erreur> {
    let sent = lot.into_iter().map(async |(data, properties)| {
        let options = BasicPublishOptions::default();
        channel.basic_publish(echange.into(), CLE_EFFET.into(), options, &data, properties).await
    });
    for confirm in join_all(sent).await {
        if !confirm?.await?.is_ack() {
            return Err("the broker refused a message".into());
        }
    }
    Ok(())
}

/// Publishes `n` messages from memory, pipelined: the raw publisher.
pub(crate) async fn emettre(banc: &Banc, n: u32) -> Result<Duration, Erreur> {
    let connexion = connecter(&banc.amqp).await?;
    let channel = connexion.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let echange = messages::echange(&banc.prefixe);
    let ready: Vec<_> = (0..u64::from(n))
        .map(|n| {
            let envelope = messages::entree("emission", n, 10_000, 1);
            let properties = messages::proprietes(&envelope);
            (envelope.data, properties)
        })
        .collect();
    let started = Instant::now();
    let mut en_vol = FuturesOrdered::new();
    let mut lots = ready.chunks(LOT);
    loop {
        while en_vol.len() < EN_VOL
            && let Some(lot) = lots.next()
        {
            en_vol.push_back(publier(&channel, &echange, lot.to_vec()));
        }
        match en_vol.next().await {
            Some(fait) => fait?,
            None => break,
        }
    }
    let took = started.elapsed();
    fermer(&connexion).await;
    Ok(took)
}
