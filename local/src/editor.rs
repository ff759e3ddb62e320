//! The browser editor, served from the folder into which `npm run build` writes it.
//!
//! `/` and `/d/{doc}` answer with its `index.html`. Files in `assets/` have a hash of their content in
//! their name and may be cached forever; everything else, including the service worker, is revalidated
//! each time and answered with 304 if unchanged. A file is sent compressed if the build wrote a compressed
//! copy next to it (`.br`, `.gz`). Any other path answers with its `404.html`.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, get_service};
use tower_http::services::{ServeDir, ServeFile};

const INDEX: &str = "index.html";
/// Whoever runs the editor may put it there; see `web/README.md`.
const CONFIG: &str = "config.json";
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

/// The origins that the page asks for tokens and links, from the `config.json` beside it. Without that file, or
/// for addresses of the page's own server, there are none.
pub(crate) fn application_origins(dir: Option<&Path>) -> Vec<String> {
    let read = |dir: &Path| serde_json::from_slice(&std::fs::read(dir.join(CONFIG)).ok()?).ok();
    let config: serde_json::Value = dir.and_then(read).unwrap_or_default();
    ["token", "share"].iter().filter_map(|name| origin(config[name].as_str()?)).collect()
}

/// `http://127.0.0.1:3000` of `http://127.0.0.1:3000/token`.
fn origin(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    let scheme = url.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
    let authority = url.authority()?.as_str();
    // What could end the directive that it is written into.
    let is_plain = !authority.contains([';', ',', '\'', '*', '@']);
    is_plain.then(|| format!("{scheme}://{authority}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_may_ask_the_application_and_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let origins = |config: &str| {
            std::fs::write(dir.path().join(CONFIG), config).unwrap();
            application_origins(Some(dir.path()))
        };
        assert_eq!(application_origins(None), [""; 0]);
        assert_eq!(application_origins(Some(dir.path())), [""; 0]);
        let app = "https://app.example:8443";
        assert_eq!(
            origins(&format!(
                r#"{{"signIn": "https://in.example/", "token": "{app}/t?x", "share": "{app}/s"}}"#
            )),
            [app, app]
        );
        for nowhere in [
            r#""/token""#,
            r#""javascript:alert(1)""#,
            r#""https://a;script-src *""#,
            r#""https://*""#,
            "7",
            "null",
        ] {
            assert_eq!(origins(&format!(r#"{{"token": {nowhere}}}"#)), [""; 0], "{nowhere}");
        }
        for odd in ["", "[]", "null", "{"] {
            assert_eq!(origins(odd), [""; 0], "{odd}");
        }
    }
}
