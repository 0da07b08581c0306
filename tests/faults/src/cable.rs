//! A TCP cable between a service and its broker, which a test cuts when it likes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kernel::{Secret, Tasks};
use reqwest::Url;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A cable; every connection through it ends when it is cut, new ones are possible at once.
#[derive(Clone, Debug)]
pub struct Cable {
    url: Secret,
    cuts: Arc<watch::Sender<u64>>,
    open: Arc<AtomicUsize>,
}

impl Cable {
    /// A cable to the server that `url` names.
    ///
    /// # Panics
    /// When the URL is not one, or no port can be had.
    pub async fn tirer(url: &Secret, tasks: &Tasks) -> Self {
        let mut through: Url = url.expose().parse().expect("a URL");
        let host = through.host_str().expect("a host").to_owned();
        let port = through.port().unwrap_or(5672);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        through.set_host(Some("127.0.0.1")).expect("a host");
        through.set_port(Some(own)).expect("a port");
        let cuts = Arc::new(watch::Sender::new(0));
        let open = Arc::new(AtomicUsize::new(0));
        let cable = Self { url: Secret::new(through.to_string()), cuts, open };
        let served = cable.clone();
        let connections = tasks.clone();
        tasks.spawn_until_stopped(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (cable, address) = (served.clone(), (host.clone(), port));
                connections.spawn_until_stopped(async move { cable.carry(near, address).await });
            }
        });
        cable
    }

    /// The server's URL by way of this cable.
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// Connections through it now.
    pub fn ouvertes(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Cuts every connection.
    pub fn couper(&self) {
        self.cuts.send_modify(|n| *n += 1);
    }

    async fn carry(&self, mut near: TcpStream, address: (String, u16)) {
        let mut cut = self.cuts.subscribe();
        let Ok(mut far) = TcpStream::connect(address).await else { return };
        self.open.fetch_add(1, Ordering::AcqRel);
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => {}
            _ = cut.changed() => {}
        }
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}
