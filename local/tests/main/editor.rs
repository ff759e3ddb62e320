//! The editor's files as the stack serves them.

use std::fs;
use std::path::Path;

use inklog_local::{Data, Stack, StackConfig, StackError};

use crate::http::request;

async fn stack(editor: Option<&Path>) -> Result<Stack, StackError> {
    let editor = editor.map(Path::to_owned);
    Stack::start(StackConfig { port: 0, data: Data::Memory, editor, ..StackConfig::default() }).await
}

/// A built editor, beside a file that is none of it.
fn build(folder: &Path) -> std::path::PathBuf {
    let dist = folder.join("dist");
    fs::create_dir_all(dist.join("assets")).expect("the folder can be written");
    for (name, content) in [
        ("index.html", "<!doctype html><title>Inklog</title>"),
        ("404.html", "<!doctype html><title>Nothing here</title>"),
        ("sw.js", "self.skipWaiting();"),
        ("manifest.webmanifest", "{}"),
        ("assets/index-D1a2B3c4.js", "export {};"),
        ("assets/index-D1a2B3c4.js.br", "(brotli)"),
        ("assets/index-D1a2B3c4.js.gz", "(gzip)"),
        ("index.html.gz", "(gzip)"),
        ("assets/index-D1a2B3c4.css", "body{}"),
        ("assets/icon.svg", "<svg/>"),
        ("../secret", "nobody's business"),
    ] {
        fs::write(dist.join(name), content).expect("the folder can be written");
    }
    dist
}

#[tokio::test]
async fn files_have_their_types_and_say_how_long_to_keep_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = stack(Some(&build(folder.path()))).await.expect("the stack starts");
    let forever = "public, max-age=31536000, immutable";
    for (path, kind, keep, content) in [
        ("/", "text/html", "no-cache", "<!doctype html>"),
        ("/index.html", "text/html", "no-cache", "<!doctype html>"),
        ("/d/notes", "text/html", "no-cache", "<!doctype html>"),
        ("/d/a.b~c_d", "text/html", "no-cache", "<!doctype html>"),
        ("/d/notes/", "text/html", "no-cache", "<!doctype html>"),
        ("/sw.js", "text/javascript", "no-cache", "self."),
        ("/manifest.webmanifest", "application/manifest+json", "no-cache", "{}"),
        ("/assets/index-D1a2B3c4.js", "text/javascript", forever, "export"),
        ("/assets/index-D1a2B3c4.css", "text/css", forever, "body"),
        ("/assets/icon.svg", "image/svg+xml", forever, "<svg"),
    ] {
        let answer = request(stack.http_url(), "GET", path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("cache-control"), Some(keep), "{path}");
        let given = answer.header("content-type").expect("a type");
        assert_eq!(given.split(';').next(), Some(kind), "{path}");
        assert!(answer.text().await.starts_with(content), "{path}");
    }
    let answer = request(stack.http_url(), "GET", "/sw.js", &[]).await;
    let since = format!("If-Modified-Since: {}", answer.header("last-modified").expect("a time"));
    let again = request(stack.http_url(), "GET", "/sw.js", &[&since]).await;
    assert_eq!((again.status, again.header("cache-control")), (304, Some("no-cache")));
    assert_eq!(request(stack.http_url(), "HEAD", "/d/notes", &[]).await.status, 200);
    stack.stop().await;
}

#[tokio::test]
async fn a_file_goes_out_as_it_was_compressed() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = stack(Some(&build(folder.path()))).await.expect("the stack starts");
    for (path, accepted, kind, encoding, content) in [
        ("/assets/index-D1a2B3c4.js", "gzip, deflate, br, zstd", "text/javascript", Some("br"), "(brotli)"),
        ("/assets/index-D1a2B3c4.js", "gzip", "text/javascript", Some("gzip"), "(gzip)"),
        ("/assets/index-D1a2B3c4.js", "identity", "text/javascript", None, "export"),
        ("/assets/index-D1a2B3c4.css", "gzip, br", "text/css", None, "body"),
        ("/d/notes", "gzip, br", "text/html", Some("gzip"), "(gzip)"),
    ] {
        let accept = format!("Accept-Encoding: {accepted}");
        let answer = request(stack.http_url(), "GET", path, &[&accept]).await;
        let given = answer.header("content-type").expect("a type");
        assert_eq!(given.split(';').next(), Some(kind), "{path}");
        assert_eq!(answer.header("content-encoding"), encoding, "{path} for {accepted}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{path}");
        assert!(answer.text().await.starts_with(content), "{path} for {accepted}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn an_address_that_leads_nowhere_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let with_editor = stack(Some(&build(folder.path()))).await.expect("the stack starts");
    for path in ["/nowhere", "/d/", "/d/a/b", "/docs/notes?x=1"] {
        let answer = request(with_editor.http_url(), "GET", path, &[]).await;
        assert_eq!((answer.status, answer.header("cache-control")), (404, Some("no-cache")), "{path}");
        let given = answer.header("content-type").expect("a type");
        assert_eq!(given.split(';').next(), Some("text/html"), "{path}");
        assert!(answer.text().await.contains("Nothing here"), "{path}");
    }
    with_editor.stop().await;

    let without = stack(None).await.expect("the stack starts");
    let answer = request(without.http_url(), "GET", "/nowhere", &[]).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().await.contains("The start page is at /"));
    without.stop().await;
}

#[tokio::test]
async fn nothing_else_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = stack(Some(&build(folder.path()))).await.expect("the stack starts");
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/assets/../../secret",
        "/assets/..%2f..%2fsecret",
        "//secret",
        "/d/../../secret",
        "/d/..%2f..%2fsecret/x",
        "/missing.js",
        "/d/a/b",
    ] {
        let answer = request(stack.http_url(), "GET", path, &[]).await;
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().await.contains("business"), "{path}");
    }
    // A file that a newer build no longer has must not be remembered as missing.
    let missing = request(stack.http_url(), "GET", "/assets/old.js", &[]).await;
    assert_eq!((missing.status, missing.header("cache-control")), (404, Some("no-cache")));
    assert_eq!(request(stack.http_url(), "POST", "/", &[]).await.status, 405);
    // What is not the editor's goes on as without it.
    assert_eq!(request(stack.http_url(), "GET", "/healthz", &[]).await.text().await, "ok\n");
    assert_eq!(request(stack.http_url(), "GET", "/_inklog/docs", &[]).await.text().await, "[]");
    assert_eq!(request(stack.http_url(), "GET", "/dev", &[]).await.status, 426);
    stack.stop().await;
}

#[tokio::test]
async fn without_an_editor_it_says_how_to_get_one() {
    let stack_without = stack(None).await.expect("the stack starts");
    let answer = request(stack_without.http_url(), "GET", "/", &[]).await;
    let told = answer.text().await;
    assert!(told.contains("make run") && told.lines().count() == 1, "{told}");
    stack_without.stop().await;

    let folder = tempfile::tempdir().expect("a folder");
    let error = stack(Some(folder.path())).await.err().expect("an empty folder is no editor").to_string();
    assert!(error.contains("index.html") && error.contains(folder.path().to_str().unwrap()), "{error}");
}

/// What an answer tells browsers, on whatever it is.
#[tokio::test]
async fn every_answer_is_secured() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = stack(Some(&build(folder.path()))).await.expect("the stack starts");
    let host = stack.http_url().trim_start_matches("http://").to_owned();
    let own = format!("Host: {host}");
    for (path, lines, status) in [
        ("/", &[own.as_str()][..], 200),
        ("/d/notes", &[&own], 200),
        ("/assets/icon.svg", &[&own], 200),
        ("/sw.js", &[&own], 200),
        ("/nowhere", &[&own], 404),
        ("/healthz", &[&own], 200),
        ("/dev", &[&own], 426),
        ("/dev", &[&own, "Origin: https://elsewhere.example"], 403),
        ("/dev/@connections/x", &[&own], 403),
        ("/_inklog/docs", &[&own], 200),
        ("/_inklog/docs", &[&own, "Sec-Fetch-Site: cross-site"], 403),
        ("/", &["Host: rebound.example"], 403),
    ] {
        let answer = request(stack.http_url(), "GET", path, lines).await;
        assert_eq!(answer.status, status, "{path} {lines:?}");
        let policy = answer.header("content-security-policy").expect("a policy");
        for part in
            ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        let socket = policy.contains(&format!("connect-src 'self' ws://{host} wss://{host};"));
        assert_eq!(socket, lines[0] == own, "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
    stack.stop().await;
}
