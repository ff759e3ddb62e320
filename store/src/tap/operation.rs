//! The names of the stores' operations.

/// A store, as a tap tells it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// [`crate::OpLog`].
    Log,
    /// [`crate::Catalogue`].
    Catalogue,
    /// [`crate::Revocations`].
    Revocations,
    /// [`crate::Objects`].
    Objects,
    /// [`crate::LiveState`].
    Live,
    /// [`crate::Connections`].
    Connections,
    /// [`crate::Presence`].
    Presence,
    /// [`crate::Push`].
    Push,
}

impl Store {
    /// The service that holds it, as its errors call it.
    pub fn service(self) -> &'static str {
        match self {
            Store::Log | Store::Catalogue | Store::Revocations => "DynamoDB",
            Store::Objects => "S3",
            Store::Live | Store::Connections | Store::Presence => "Redis",
            Store::Push => "API Gateway",
        }
    }
}

macro_rules! operations {
    ($($store:ident: $($operation:ident)*;)*) => {
        /// A method of a store's trait: the store's name, then the method's.
        #[allow(missing_docs, reason = "the traits' methods say what they do")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation { $($($operation,)*)* }

        impl Operation {
            /// All that there are.
            pub const ALL: &[Operation] = &[$($(Operation::$operation,)*)*];

            /// Whose it is.
            pub fn store(self) -> Store {
                match self { $($(Operation::$operation)|* => Store::$store,)* }
            }

            /// `LogAppend`, …: a name for metrics and traces.
            pub fn name(self) -> &'static str {
                match self { $($(Operation::$operation => stringify!($operation),)*)* }
            }
        }
    };
}

operations! {
    Log: LogAppend LogLastOf LogRead LogDelete;
    Catalogue: CatalogueEntry CatalogueMarkDirty CatalogueClearDirty CatalogueDirtyAfter CatalogueMoveBack
        CatalogueSweepPlace CatalogueKeepSweepPlace CatalogueDocs CatalogueSize CatalogueNoteSize
        CatalogueMovePointer CatalogueFloor CatalogueFloors CataloguePublishFloor;
    Revocations: RevocationsRevoke RevocationsOf;
    Objects: ObjectsPut ObjectsGet ObjectsDelete;
    Live: LiveAppend LiveRead LivePeek LiveSince LiveFold LiveBeginRebuild LiveCommitRebuild
        LiveSwapRebuild LiveEndRebuild LiveDropDoc;
    Connections: ConnectionsRegister ConnectionsList ConnectionsRegistrations ConnectionsOfUser
        ConnectionsIsRegistered ConnectionsRemove ConnectionsDocsOf;
    Presence: PresenceSet PresenceClear PresenceAll PresenceTakeExpired;
    Push: PushPost PushClose;
}
