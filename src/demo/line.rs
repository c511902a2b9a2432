//! One connection, which can be cut from outside.
//!
//! Promises: a dead line sends nothing any more, not even the end of TLS; a cut body ends after the head and half of
//! what followed it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::faults::Faults;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Whole,
    CutBody,
    Dead,
}

/// The other end of a connection, in the hands of the request that it carries.
#[derive(Debug, Clone)]
pub(crate) struct Line(Arc<Mutex<Fate>>);

impl Line {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Fate::Whole)))
    }

    /// Nothing is sent from now on.
    pub(crate) fn die(&self) {
        self.set(Fate::Dead);
    }

    /// The next answer stops in the middle of its body.
    pub(crate) fn cut_next_body(&self) {
        self.set(Fate::CutBody);
    }

    fn set(&self, fate: Fate) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fate;
    }

    fn fate(&self) -> Fate {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that obeys its [`Line`].
#[derive(Debug)]
pub(crate) struct Cuttable<T> {
    stream: T,
    line: Line,
    peer: SocketAddr,
    faults: Faults,
}

impl<T: AsyncRead + Unpin> AsyncRead for Cuttable<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Cuttable<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.line.fate() {
            Fate::Whole => Pin::new(&mut self.stream).poll_write(cx, bytes),
            Fate::Dead => {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            Fate::CutBody => {
                let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
                let end = head + (bytes.len() - head) / 2;
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..end]))?;
                if written >= head {
                    self.line.die();
                }
                Poll::Ready(Ok(written))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.line.fate() {
            Fate::Whole | Fate::CutBody => Pin::new(&mut self.stream).poll_shutdown(cx),
            Fate::Dead => Poll::Ready(Ok(())),
        }
    }
}

impl<T> Drop for Cuttable<T> {
    fn drop(&mut self) {
        self.faults.forget_line(self.peer);
    }
}

/// Takes connections: none while the line is dead, and each with a [`Line`] that requests can find by their peer.
#[derive(Debug, Clone)]
pub(crate) struct FaultyAcceptor {
    tls: RustlsAcceptor,
    faults: Faults,
}

impl FaultyAcceptor {
    pub(crate) fn new(tls: RustlsAcceptor, faults: Faults) -> Self {
        Self { tls, faults }
    }
}

type Tls<S> = <RustlsAcceptor as Accept<TcpStream, S>>::Stream;
type Carried<S> = <RustlsAcceptor as Accept<TcpStream, S>>::Service;
type Taking<S> = Pin<Box<dyn Future<Output = io::Result<(Cuttable<Tls<S>>, Carried<S>)>> + Send>>;

impl<S: Send + 'static> Accept<TcpStream, S> for FaultyAcceptor {
    type Stream = Cuttable<Tls<S>>;
    type Service = Carried<S>;
    type Future = Taking<S>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let (tls, faults) = (self.tls.clone(), self.faults.clone());
        Box::pin(async move {
            if faults.drops_connection() {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (peer, line) = (stream.peer_addr()?, Line::new());
            let (stream, service) = tls.accept(stream, service).await?;
            faults.know_line(peer, line.clone());
            Ok((Cuttable { stream, line, peer, faults }, service))
        })
    }
}
