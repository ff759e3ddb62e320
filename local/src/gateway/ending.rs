//! How a connection ends: the close code, and who chose it.

use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WsError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The end of a connection, as `$disconnect` receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// The close code; 1005 and 1006 stand for a missing code and a missing close frame.
    pub code: u16,
    pub reason: String,
    /// Whether the gateway ends it: then the gateway sends the close frame.
    by_gateway: bool,
}

impl Ending {
    fn new(code: u16, reason: &str) -> Self {
        let by_gateway = !matches!(code, 1005 | 1006);
        Self { code, reason: reason.to_owned(), by_gateway }
    }

    /// `DELETE @connections/{id}`.
    pub fn deleted() -> Self {
        Self::new(1000, "Connection Closed Normally")
    }

    /// Idle for too long, open for too long, or the gateway stops.
    pub fn going_away() -> Self {
        Self::new(1001, "Going away")
    }

    /// The gateway restarts; the client should reconnect.
    pub fn restarting() -> Self {
        Self::new(1012, "Service restart")
    }

    /// A frame or a message over the limit.
    pub fn too_big() -> Self {
        Self::new(1009, "Message too long")
    }

    /// API Gateway accepts text only.
    pub fn binary() -> Self {
        Self::new(1003, "Binary is not supported")
    }

    /// The client sends more messages per second than allowed.
    pub fn throttled() -> Self {
        Self::new(1008, "Too many requests")
    }

    /// The socket ended without a close frame.
    pub fn abnormal() -> Self {
        Self::new(1006, "Connection closed abnormally")
    }

    /// The client's own close frame.
    pub fn by_client(frame: Option<CloseFrame>) -> Self {
        match frame {
            Some(frame) => Self { by_gateway: false, ..Self::new(frame.code.into(), &frame.reason) },
            None => Self::new(1005, "Client-side close frame status not set"),
        }
    }

    /// Why reading failed: a close code to send, or the end of the socket.
    pub fn by_read_error(error: &WsError) -> Self {
        match error {
            WsError::Capacity(CapacityError::MessageTooLong { .. }) => Self::too_big(),
            WsError::Utf8(_) => Self::new(1007, "Text is not UTF-8"),
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::abnormal(),
            WsError::Protocol(_) => Self::new(1002, "Protocol error"),
            WsError::Io(_) | WsError::ConnectionClosed | WsError::AlreadyClosed => Self::abnormal(),
            _ => Self::new(1011, "Internal server error"),
        }
    }

    /// The close frame that the gateway has to send, if it ends the connection.
    pub fn close_frame(&self) -> Option<CloseFrame> {
        self.by_gateway
            .then(|| CloseFrame { code: CloseCode::from(self.code), reason: self.reason.as_str().into() })
    }
}
