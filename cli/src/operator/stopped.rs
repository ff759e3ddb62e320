//! A stopped stack's folder. Here alone a job meets the local stack: what runs against AWS, or against a
//! running stack, needs no emulator.

use std::path::Path;

use inklog_local::{StoppedStack, open_stopped};
use inklog_operator::{AccessOperator, Operator};

/// The folder cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(#[from] inklog_local::StackError);

/// The stores of a stack that is not running.
pub struct Stopped(Box<StoppedStack>);

impl Stopped {
    /// Opens the folder, which nobody else can use until this is closed.
    pub async fn open(dir: &Path) -> Result<Stopped, OpenError> {
        Ok(Stopped(Box::new(open_stopped(dir).await?)))
    }

    /// The operator of its documents.
    pub fn operator(&self) -> &Operator {
        self.0.operator()
    }

    /// The operator of its users.
    pub fn access_operator(&self) -> &AccessOperator {
        self.0.access_operator()
    }

    /// Closes the stores.
    pub async fn close(self) {
        self.0.close().await;
    }
}
