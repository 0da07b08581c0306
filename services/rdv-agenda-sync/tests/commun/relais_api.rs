//! Stands before the simulated API: passes everything on, but answers what it is told in place of
//! lists of appointments.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::Tasks;

#[derive(Default)]
struct Vu {
    a_servir: Option<(u16, String)>,
    servies: usize,
    passees: Vec<Bytes>,
}

/// It.
#[derive(Clone)]
pub(crate) struct RelaisApi {
    devant: String,
    url: String,
    vu: Arc<Mutex<Vu>>,
}

impl RelaisApi {
    pub(crate) async fn demarrer(devant: &str, tasks: &Tasks) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let api = Self { devant: devant.to_owned(), url, vu: Arc::default() };
        let router = Router::new().fallback(passer).with_state(api.clone());
        tasks.spawn_until_stopped(async move {
            axum::serve(listener, router).await.expect("served");
        });
        api
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What is answered in place of the next list, and its status.
    pub(crate) fn repondre(&self, reponse: (u16, String)) {
        self.vu.lock().expect("lock").a_servir = Some(reponse);
    }

    /// How many of them were.
    pub(crate) fn servies(&self) -> usize {
        self.vu.lock().expect("lock").servies
    }

    /// In how many answers a word was passed on.
    pub(crate) fn marques(&self, word: &str) -> usize {
        let seen = self.vu.lock().expect("lock");
        let has = |b: &&Bytes| b.windows(word.len()).any(|w| w == word.as_bytes());
        seen.passees.iter().filter(has).count()
    }

    fn suivante(&self) -> Option<(u16, String)> {
        let mut seen = self.vu.lock().expect("lock");
        let next = seen.a_servir.take()?;
        seen.servies += 1;
        Some(next)
    }
}

#[expect(clippy::disallowed_methods, reason = "it is not a client of Relais")]
async fn passer(State(api): State<RelaisApi>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let list = parts.method == "GET" && parts.uri.path().ends_with("/rdvs");
    if let Some((status, body)) = list.then(|| api.suivante()).flatten() {
        let status = StatusCode::from_u16(status).expect("a status");
        return (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let request = reqwest::Client::new().request(parts.method, format!("{}{path}", api.devant));
    let answer = request.headers(headers).body(body).send().await.expect("answered");
    let (status, kind) = (answer.status(), answer.headers().get(header::CONTENT_TYPE).cloned());
    let body = answer.bytes().await.expect("whole");
    api.vu.lock().expect("lock").passees.push(body.clone());
    let kind: HeaderMap = kind.map(|kind| (header::CONTENT_TYPE, kind)).into_iter().collect();
    (status, kind, body).into_response()
}
