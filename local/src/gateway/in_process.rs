//! The way of our own functions to `@connections`: the SDK's requests handed to the gateway without a
//! socket, so that a thousand posts need no thousand descriptors, and none is written and parsed.

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
use axum::http::{Request, Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::{Gateway, MESSAGE_BYTES_MAX};

/// An HTTP client of the SDK whose only server is a gateway of this process.
#[derive(Clone, Default)]
pub struct InProcess(Arc<OnceLock<Router>>);

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess")
    }
}

impl InProcess {
    /// A client whose gateway is yet to come: its functions, which post, are made first.
    pub fn new() -> InProcess {
        InProcess::default()
    }

    /// Names the gateway; the first one stays.
    pub fn serve(&self, gateway: &Gateway) {
        let _ = self.0.set(gateway.standalone_router());
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let router = self.0.get().ok_or_else(|| other("the gateway does not run yet"))?;
        // Whoever posts has the whole message; the signature is looked at by nobody here.
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let request = Request::builder().method(request.method()).uri(request.uri());
        let request = request.body(Body::from(body)).map_err(other)?;
        let answered = TowerToHyperService::new(router.clone()).call(request).await;
        let (parts, body) = answered.map_err(other)?.into_parts();
        let body = axum::body::to_bytes(body, MESSAGE_BYTES_MAX).await.map_err(other)?;
        let response = Response::from_parts(parts, SdkBody::from(body.to_vec()));
        HttpResponse::try_from(response).map_err(other)
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
