//! Objects.

mod bucket;

use std::sync::Arc;

use inklog_local::EmbeddedS3;
use inklog_store::Objects;
use inklog_store::config;
use inklog_store::objects::S3Objects;
use inklog_store::objects::memory::MemoryObjects;

const BUCKET: &str = "inklog";

struct Harness {
    objects: Arc<dyn Objects>,
    // Runs as long as the test.
    _embedded: Option<EmbeddedS3>,
}

inklog_tests::conformance! {
    on memory tapped embedded;
    bucket:
        what_is_put_comes_back
        of_nothing_there_is_nothing
        what_is_there_is_never_written_over
        what_is_deleted_is_gone_and_nothing_else;
}

impl Harness {
    async fn memory() -> Harness {
        Harness { objects: Arc::new(MemoryObjects::new()), _embedded: None }
    }

    async fn tapped() -> Harness {
        Harness { objects: super::tapped(Arc::new(MemoryObjects::new())), _embedded: None }
    }

    async fn embedded() -> Harness {
        let embedded = EmbeddedS3::memory(BUCKET).expect("S3 starts");
        let client = config::s3_client(&embedded.sdk_config(), None);
        Harness { objects: Arc::new(S3Objects::new(client, BUCKET)), _embedded: Some(embedded) }
    }
}
