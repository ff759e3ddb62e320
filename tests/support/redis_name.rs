//! An address behind which one Redis takes another's place, as behind the name of a service.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Passes each connection on to the server that the name stands for at that moment; there it stays. It stops,
/// with its connections, when this is dropped.
pub struct RedisName {
    addr: SocketAddr,
    server: Arc<Mutex<SocketAddr>>,
    accepting: JoinHandle<()>,
}

impl RedisName {
    /// A name, on a free port, for the server at this address.
    pub async fn of(server: SocketAddr) -> io::Result<RedisName> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let server = Arc::new(Mutex::new(server));
        let accepting = tokio::spawn(accept(listener, server.clone()));
        Ok(RedisName { addr, server, accepting })
    }

    /// `redis://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// New connections reach another server from now on.
    pub fn stands_for(&self, server: SocketAddr) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }
}

impl Drop for RedisName {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: Arc<Mutex<SocketAddr>>) {
    // Owns the connections' tasks, so that they end with this one.
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let server = *server.lock().unwrap_or_else(PoisonError::into_inner);
        // A connection's end, good or bad, is seen by both sides.
        connections.spawn(async move {
            let mut server = TcpStream::connect(server).await?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            copy_bidirectional(&mut client, &mut server).await
        });
    }
}
