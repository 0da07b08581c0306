//! Against a real server, on loopback.

use std::{io, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode},
    response::Redirect,
    routing::get,
};
use kernel::{Fault, Tasks};
use reqwest::Method;

use super::*;

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(20)).await;
    "late"
}

/// A body that begins and is then cut.
async fn cut() -> Body {
    let pieces = [Ok(Bytes::from_static(b"half")), Err(io::Error::other("cut"))];
    Body::from_stream(futures_util::stream::iter(pieces))
}

/// A body larger than the limit, without an announced length.
async fn endless() -> Body {
    let pieces = std::iter::repeat_with(|| Ok::<_, io::Error>(Bytes::from(vec![b'x'; 1024])));
    Body::from_stream(futures_util::stream::iter(pieces))
}

async fn server(tasks: &Tasks) -> HttpClient {
    let routes = Router::new()
        .route(
            "/ok",
            get(|headers: HeaderMap| async move { Vec::from(headers["user-agent"].as_bytes()) }),
        )
        .route("/slow", get(slow))
        .route("/cut", get(cut))
        .route("/endless", get(endless))
        .route("/large", get(|| async { vec![0_u8; 5000] }))
        .route("/moved", get(|| async { Redirect::temporary("/ok") }))
        .route("/429", get(|| async { (StatusCode::TOO_MANY_REQUESTS, [("Retry-After", "17")]) }))
        .route("/503", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, vec![b'y'; 9000]) }))
        .route("/403", get(|| async { (StatusCode::FORBIDDEN, "motif secret") }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base_url = format!("http://{}/", listener.local_addr().expect("address"));
    tasks.spawn_until_stopped(async move {
        axum::serve(listener, routes).await.expect("serves");
    });
    client(&base_url)
}

fn client(base_url: &str) -> HttpClient {
    let base_url = base_url.to_owned();
    HttpClient::new(HttpSettings { base_url, timeout_ms: 300, max_body_bytes: 4096 })
        .expect("a client")
}

async fn get_error(client: &HttpClient, path: &str) -> HttpError {
    let request = client.request(Method::GET, path).query(&[("jeton", "secret")]);
    client.send(request).await.expect_err("an error")
}

#[tokio::test]
async fn answers_are_read_whole_under_the_product_s_name() {
    let tasks = Tasks::new();
    let client = server(&tasks).await;
    let answer = client.send(client.request(Method::GET, "/ok")).await.expect("answer");
    let expected = format!("relais/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!((answer.status, answer.body), (200, expected.into_bytes()));
    let mut stream = client.stream(client.request(Method::GET, "/large")).await.expect("stream");
    let mut size = 0;
    while let Some(chunk) = stream.chunk().await.expect("piece") {
        size += chunk.len();
    }
    assert_eq!(size, 5000);
}

#[tokio::test]
async fn each_accident_has_its_error_and_its_class() {
    let tasks = Tasks::new();
    let client = server(&tasks).await;
    let cases = [
        ("/slow", "no complete answer", "http-injoignable"),
        ("/cut", "no complete answer", "http-injoignable"),
        ("/endless", "answer larger than 4096 bytes", "http-trop-grand"),
        ("/large", "answer larger than 4096 bytes", "http-trop-grand"),
        ("/moved", "status 307", "http-refus"),
        ("/429", "status 429", "http-indisponible"),
        ("/503", "status 503", "http-indisponible"),
        ("/403", "status 403", "http-refus"),
    ];
    for (path, text, code) in cases {
        let error = get_error(&client, path).await;
        assert!(!error.had_no_effect(), "{path}");
        assert_eq!(error.to_string(), text, "{path}");
        let fault = Fault::from(error);
        assert_eq!(fault.code(), code, "{path}");
        assert!(!fault.chain().contains("secret"), "{path}: {}", fault.chain());
        assert!(!format!("{fault:?}").contains("jeton"), "{path}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_body_and_its_delay_for_the_agency_s_client() {
    let tasks = Tasks::new();
    let client = server(&tasks).await;
    let HttpError::Status { status: 403, retry_after: None, body } =
        get_error(&client, "/403").await
    else {
        panic!("not a refusal");
    };
    assert_eq!(body, b"motif secret");
    let HttpError::Status { status: 503, body, .. } = get_error(&client, "/503").await else {
        panic!("not a refusal");
    };
    assert_eq!(body.len(), 4096, "cut at the limit");
    let fault = Fault::from(get_error(&client, "/429").await);
    let expected = Some(Duration::from_secs(17));
    assert!(matches!(fault, Fault::Transient { retry_after, .. } if retry_after == expected));
}

#[tokio::test]
async fn only_a_failed_connection_had_no_effect() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("address");
    drop(listener);
    let error = get_error(&client(&format!("http://{address}")), "/").await;
    assert!(error.had_no_effect(), "{error:?}");
    assert_eq!(Fault::from(error).code(), "http-injoignable");
}

#[test]
fn tls_is_exigible_outside_this_machine() {
    let new = |url: &str| {
        let base_url = url.to_owned();
        HttpClient::new(HttpSettings { base_url, timeout_ms: 1000, max_body_bytes: 10 })
    };
    for url in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1/"] {
        assert!(new(url).is_ok(), "{url}");
    }
    // Without root certificates on the machine there is no client; with them there is one.
    match new("https://agence.example") {
        Ok(_) => {}
        Err(e) => assert!(e.starts_with("client HTTP impossible"), "{e}"),
    }
    assert!(new("http://agence.example").expect_err("plain").contains("https est exigé"));
    for url in ["ftp://agence.example", "agence", "", "https://u:p@agence.example"] {
        assert!(new(url).is_err(), "{url}");
    }
}
