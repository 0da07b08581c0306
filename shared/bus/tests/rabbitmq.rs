//! The conformance suite on RabbitMQ.

use std::sync::Arc;

use async_trait::async_trait;
use bus::{
    Identity, QueueSpec, RabbitBus, RabbitOptions, SharedTransport, Transport,
    conformance::{Ground, server_url, suite, unique_prefix},
};
use contracts::Agence;
use kernel::{Clock, Secret};

/// Exchanges and queues under a prefix of their own.
struct Prefixed {
    url: Secret,
    prefix: String,
}

impl Prefixed {
    async fn connect(&self, identity: Identity) -> Arc<RabbitBus> {
        let clock = Clock::system();
        let options = RabbitOptions::demo(self.url.clone(), identity, clock, &self.prefix);
        RabbitBus::connect(options).await.expect("a connection")
    }
}

#[async_trait]
impl Ground for Prefixed {
    async fn service(&self, name: &str) -> SharedTransport {
        self.connect(Identity::Service(name.to_owned())).await
    }

    async fn agency(&self, agence: Agence) -> SharedTransport {
        self.connect(Identity::Agence(agence)).await
    }

    async fn leave(&self, queues: &[QueueSpec]) {
        let bus = self.connect(Identity::Service("menage".to_owned())).await;
        bus.erase(queues).await.expect("everything is deleted");
        bus.close().await;
    }
}

#[tokio::test]
async fn conforms() {
    let Some(url) = server_url("AMQP_URL") else { return };
    suite(|case| {
        let prefix = unique_prefix(case, Clock::system().now());
        let ground = Prefixed { url: Secret::new(url.clone()), prefix };
        async { Box::new(ground) as Box<dyn Ground> }
    })
    .await;
}
