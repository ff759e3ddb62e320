//! Objects in S3.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;

use super::Objects;
use crate::StoreError;

/// Objects in one bucket.
#[derive(Debug, Clone)]
pub struct S3Objects {
    client: Client,
    bucket: String,
}

impl S3Objects {
    /// The objects of this bucket.
    pub fn new(client: Client, bucket: impl Into<String>) -> S3Objects {
        S3Objects { client, bucket: bucket.into() }
    }

    /// Fails if the bucket does not exist or may not be used.
    pub async fn check(&self) -> Result<(), StoreError> {
        match self.client.head_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => {
                Err(StoreError::unavailable("S3", format!("it has no bucket {:?}", self.bucket)))
            }
            Err(error) => Err(unavailable(error)),
        }
    }
}

fn unavailable(error: impl Into<aws_sdk_s3::Error>) -> StoreError {
    StoreError::unavailable("S3", error.into())
}

#[async_trait]
impl Objects for S3Objects {
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .if_none_match("*")
            .body(ByteStream::from(bytes.clone()))
            .send()
            .await;
        let error = match put {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        // An earlier attempt of this very put may have succeeded.
        if error.code() == Some("PreconditionFailed") && self.get(key).await?.as_ref() == Some(&bytes) {
            return Ok(());
        }
        Err(unavailable(error))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let got = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = match got {
            Ok(object) => object,
            Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        let body = object.body.collect().await.map_err(|error| StoreError::unavailable("S3", error))?;
        Ok(Some(body.to_vec()))
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        match self.client.delete_object().bucket(&self.bucket).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }
}
