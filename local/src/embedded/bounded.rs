//! A bound on the requests that are under way to our own stores: each holds a socket at either end, and
//! the SDK opens as many as are asked for.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::sync::Semaphore;

/// An HTTP client of the SDK with so many requests under way at most; more wait their turn.
#[derive(Debug)]
pub(crate) struct Bounded {
    client: SharedHttpClient,
    under_way: Arc<Semaphore>,
}

impl Bounded {
    pub fn new(client: SharedHttpClient, at_once: usize) -> Bounded {
        Bounded { client, under_way: Arc::new(Semaphore::new(at_once)) }
    }
}

#[derive(Debug)]
struct BoundedConnector {
    connector: SharedHttpConnector,
    under_way: Arc<Semaphore>,
}

impl HttpClient for Bounded {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(BoundedConnector { connector, under_way: self.under_way.clone() })
    }
}

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (connector, under_way) = (self.connector.clone(), self.under_way.clone());
        HttpConnectorFuture::new(async move {
            let _turn = under_way.acquire().await.expect("it is never closed");
            connector.call(request).await
        })
    }
}
