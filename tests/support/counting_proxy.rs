//! A TCP proxy that counts the bytes it passes on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Stands in front of a server and counts what is sent to it and what it answers. It stops, with
/// its connections, when this is dropped.
pub struct CountingProxy {
    addr: SocketAddr,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    answered: AtomicU64,
}

impl CountingProxy {
    /// Listens on a free port and passes every connection on to `server`.
    pub async fn start(server: SocketAddr) -> io::Result<CountingProxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let accepting = tokio::spawn(accept(listener, server, counts.clone()));
        Ok(CountingProxy { addr, counts, accepting })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Bytes sent to the server so far.
    pub fn sent_bytes(&self) -> u64 {
        self.counts.sent.load(Ordering::SeqCst)
    }

    /// Bytes that the server has answered so far.
    pub fn answered_bytes(&self) -> u64 {
        self.counts.answered.load(Ordering::SeqCst)
    }

    /// Bytes in both directions so far.
    pub fn total_bytes(&self) -> u64 {
        self.sent_bytes() + self.answered_bytes()
    }
}

impl Drop for CountingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, counts: Arc<Counts>) {
    // Owns the connections' tasks, so that they end with this one.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let counts = counts.clone();
        // A connection's end, good or bad, is seen by both sides.
        connections.spawn(async move { pass_on(client, server, &counts).await });
    }
}

async fn pass_on(client: TcpStream, server: SocketAddr, counts: &Counts) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    tokio::try_join!(
        copy(client_in, server_out, &counts.sent),
        copy(server_in, client_out, &counts.answered),
    )?;
    Ok(())
}

/// Counts before it writes: who has an answer finds it counted.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let len = from.read(&mut buffer).await?;
        if len == 0 {
            return to.shutdown().await;
        }
        count.fetch_add(len as u64, Ordering::SeqCst);
        to.write_all(&buffer[..len]).await?;
    }
}
