//! The browser editor, served from the folder into which `npm run build` writes it.
//!
//! `/` and `/d/{doc}` answer with its `index.html`. Files in `assets/` have a hash of their content in
//! their name and may be cached forever; everything else, including the service worker, is revalidated
//! each time and answered with 304 if unchanged. A file is sent compressed if the build wrote a compressed
//! copy next to it (`.br`, `.gz`). Any other path answers with its `404.html`.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, get_service};
use tower_http::services::{ServeDir, ServeFile};

const INDEX: &str = "index.html";
const NOT_FOUND: &str = "404.html";
const NOT_BUILT: &str = "Inklog is running, its WebSocket is at /dev. The editor is not built: `make run` builds it \
    where Node and npm are, or --editor names the folder that it was built in.\n";
const NOTHING_HERE: &str = "Page not found. The start page is at /\n";

/// The folder does not contain the editor.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no index.html in {0}, the editor's folder: build it with `npm --prefix web ci` and \
     `npm --prefix web run build`, or leave --editor out"
)]
pub struct NoEditor(PathBuf);

/// Whether the folder contains a built editor.
pub fn is_editor(dir: &Path) -> bool {
    dir.join(INDEX).is_file()
}

/// The routes: those of the editor in `dir`, or one that says that there is none.
pub(crate) fn router(dir: Option<&Path>) -> Result<Router, NoEditor> {
    let Some(dir) = dir else {
        let nothing = async || (StatusCode::NOT_FOUND, NOTHING_HERE);
        return Ok(Router::new().route("/", get(async || NOT_BUILT)).fallback(nothing));
    };
    if !is_editor(dir) {
        return Err(NoEditor(dir.to_owned()));
    }
    let file = |name| ServeFile::new(dir.join(name)).precompressed_br().precompressed_gzip();
    let index = || get_service(file(INDEX));
    let files = ServeDir::new(dir).precompressed_br().precompressed_gzip();
    Ok(Router::new()
        .route("/", index())
        .route("/d/{doc}", index())
        .route("/d/{doc}/", index())
        .fallback_service(files.not_found_service(file(NOT_FOUND)))
        .layer(middleware::from_fn(say_how_long_to_keep)))
}

async fn say_how_long_to_keep(request: Request, next: Next) -> Response {
    let is_hashed = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let is_there = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let keep = if is_hashed && is_there { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}
