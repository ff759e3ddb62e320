//! How our own functions reach what runs in this process, `@connections` and the embedded stores: the
//! SDK's requests are passed on without a socket, so that a thousand of them need no thousand
//! descriptors, and none is serialized and parsed.

use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use axum::Router;
use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

/// An HTTP client of the SDK whose only server is a router of this process.
#[derive(Clone, Default)]
pub struct InProcess(Arc<OnceLock<Router>>);

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess")
    }
}

impl InProcess {
    /// A client whose server is yet to come: the functions that call it are made first.
    pub fn new() -> InProcess {
        InProcess::default()
    }

    /// Names the server; the first one stays.
    pub fn serve(&self, router: Router) {
        let _ = self.0.set(router);
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let router = self.0.get().ok_or_else(|| other("the service does not run yet"))?;
        let mut request = request.try_into_http1x().map_err(other)?.map(Body::new);
        // A connection's part, and signed.
        if let Some(host) = request.uri().authority() {
            let host = HeaderValue::from_str(host.as_str()).map_err(other)?;
            request.headers_mut().insert(HOST, host);
        }
        let answered = TowerToHyperService::new(router.clone()).call(request).await;
        let (parts, body) = answered.map_err(other)?.into_parts();
        // Whole: whoever asks in this process reads it all, and what answers is trusted with its size.
        let body = axum::body::to_bytes(body, usize::MAX).await.map_err(other)?;
        HttpResponse::try_from(Response::from_parts(parts, SdkBody::from(body))).map_err(other)
    }
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::other(error.into(), None)
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
