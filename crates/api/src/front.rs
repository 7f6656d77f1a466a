//! A folder of static files under `/`: a front end that was built, served as it is.
//!
//! Files come before the API's own `GET /`; everything else goes to the API first, and what it does
//! not know is answered with `index.html` if a browser asks for a page, as front ends with routes of
//! their own need it. `ETag`, `Last-Modified`, ranges (RFC 9110), and files compressed beforehand
//! (`app.js.br`, `app.js.gz`) are served.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Files are sent in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;
/// The page that a folder stands for.
const INDEX: &str = "index.html";

/// A folder that is served.
#[derive(Clone, Debug)]
pub struct Front {
    /// With every link resolved; nothing outside is ever served.
    folder: PathBuf,
}

impl Front {
    /// The files in a folder.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn new(folder: &Path) -> std::io::Result<Self> {
        let folder = folder.canonicalize()?;
        if !folder.is_dir() {
            return Err(std::io::Error::new(std::io::ErrorKind::NotADirectory, "this is no folder"));
        }
        Ok(Self { folder })
    }

    /// Serves the files before and behind a router.
    pub fn around(self, router: Router) -> Router {
        router.layer(from_fn_with_state(Arc::new(self), serve))
    }

    /// The file that a path means; `None` when there is none that may be served.
    async fn find(&self, path: &str) -> Option<PathBuf> {
        let decoded = decode(path)?;
        let mut place = self.folder.clone();
        for part in decoded.split('/').filter(|part| !part.is_empty()) {
            let is_hidden = part.starts_with('.') && part != ".well-known";
            if is_hidden || part.contains(['\\', '\0', ':']) {
                return None;
            }
            place.push(part);
        }
        if tokio::fs::metadata(&place).await.ok()?.is_dir() {
            if !path.ends_with('/') {
                return None;
            }
            place.push(INDEX);
        } else if path.ends_with('/') {
            return None;
        }
        let place = tokio::fs::canonicalize(&place).await.ok()?;
        let is_file = tokio::fs::metadata(&place).await.ok()?.is_file();
        (is_file && place.starts_with(&self.folder)).then_some(place)
    }
}

async fn serve(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let (method, headers) = (request.method().clone(), request.headers().clone());
    if let Some(file) = front.find(request.uri().path()).await
        && let Some(response) = answer(&file, &method, &headers).await
    {
        return response;
    }
    let response = next.run(request).await;
    if response.status() != StatusCode::NOT_FOUND || !wants_page(&headers) {
        return response;
    }
    match answer(&front.folder.join(INDEX), &method, &headers).await {
        Some(page) => page,
        None => response,
    }
}

fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// A file as a response; `None` when it cannot be read.
async fn answer(path: &Path, method: &Method, headers: &HeaderMap) -> Option<Response> {
    let kind = content_type(path);
    let wants_range = headers.contains_key(header::RANGE);
    let (path, encoding) =
        if wants_range { (path.to_owned(), None) } else { compressed(path, headers).await };
    let mut file = File::open(&path).await.ok()?;
    let about = file.metadata().await.ok()?;
    let length = about.len();
    let changed = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let tag = format!("\"{length:x}-{:x}{}\"", changed.as_nanos(), encoding.map_or("", |name| &name[..1]));
    let modified = httpdate(changed.as_secs());
    let mut response = Response::new(Body::empty());
    let out = response.headers_mut();
    out.insert(header::ETAG, HeaderValue::from_str(&tag).ok()?);
    out.insert(header::LAST_MODIFIED, HeaderValue::from_str(&modified).ok()?);
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // A page names its parts, so it is asked for anew; parts may be kept for a while.
    let keep = if kind.starts_with("text/html") { "no-cache" } else { "public, max-age=3600" };
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Some(encoding) = encoding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if is_known(headers, &tag, &modified) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Some(response);
    }
    let range = asked_range(headers, &tag, &modified, length);
    let (start, count) = match range {
        Some(Ok((start, end))) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {start}-{}/{length}", end - 1);
            response.headers_mut().insert(header::CONTENT_RANGE, HeaderValue::from_str(&range).ok()?);
            (start, end - start)
        }
        Some(Err(())) => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            let range = format!("bytes */{length}");
            response.headers_mut().insert(header::CONTENT_RANGE, HeaderValue::from_str(&range).ok()?);
            return Some(response);
        }
        None => (0, length),
    };
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    if *method == Method::GET {
        file.seek(SeekFrom::Start(start)).await.ok()?;
        *response.body_mut() = body(file, count);
    }
    Some(response)
}

/// The compressed file beside a file, if the client takes it and it is there.
async fn compressed(path: &Path, headers: &HeaderMap) -> (PathBuf, Option<&'static str>) {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    for (name, ending) in [("br", "br"), ("gzip", "gz")] {
        let takes = accepted.split(',').any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let is_it = parts.next() == Some(name);
            is_it && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        });
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{ending}"));
        let beside = PathBuf::from(beside);
        if takes && tokio::fs::symlink_metadata(&beside).await.is_ok_and(|about| about.is_file()) {
            return (beside, Some(name));
        }
    }
    (path.to_owned(), None)
}

fn is_known(headers: &HeaderMap, tag: &str, modified: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match text(header::IF_NONE_MATCH) {
        Some(known) => known.split(',').any(|known| {
            let known = known.trim();
            known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
        }),
        None => text(header::IF_MODIFIED_SINCE) == Some(modified),
    }
}

/// The range that is asked for, as start and end; an error when there is no such range, nothing when
/// the whole file is to be sent.
fn asked_range(
    headers: &HeaderMap,
    tag: &str,
    modified: &str,
    length: u64,
) -> Option<Result<(u64, u64), ()>> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let range = text(header::RANGE)?.strip_prefix("bytes=")?;
    if text(header::IF_RANGE).is_some_and(|known| known != tag && known != modified) || range.contains(',') {
        return None;
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        let start = length.saturating_sub(count);
        return Some(if count == 0 || length == 0 { Err(()) } else { Ok((start, length)) });
    }
    let start: u64 = first.parse().ok()?;
    let end = if last.is_empty() { length } else { last.parse::<u64>().ok()?.saturating_add(1).min(length) };
    if !last.is_empty() && last.parse::<u64>().ok()? < start {
        return None;
    }
    Some(if start < length { Ok((start, end)) } else { Err(()) })
}

fn body(file: File, count: u64) -> Body {
    Body::from_stream(stream::try_unfold((file, count), |(mut file, left)| async move {
        let size = left.min(PIECE_BYTES as u64) as usize;
        if size == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let mut piece = vec![0; size];
        let read = file.read(&mut piece).await?;
        if read == 0 {
            // The file became shorter meanwhile: an honest end is better than made-up bytes.
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(read);
        Ok(Some((piece, (file, left - read as u64))))
    }))
}

fn decode(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = path.get(at + 1..at + 3)?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

fn content_type(path: &Path) -> &'static str {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    match ending.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

/// A time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn httpdate(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = seconds / 86_400;
    // Days to a date: Howard Hinnant, "chrono-compatible low-level date algorithms".
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let rest = seconds % 86_400;
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[(days % 7) as usize],
        MONTHS[(month - 1) as usize],
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_http_does() {
        assert_eq!(httpdate(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(httpdate(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(httpdate(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    }

    #[test]
    fn ranges_are_read() {
        let check = |range: &str, expected: Option<Result<(u64, u64), ()>>| {
            let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_str(range).unwrap())]);
            assert_eq!(asked_range(&headers, "\"t\"", "", 10), expected, "{range}");
        };
        check("bytes=0-3", Some(Ok((0, 4))));
        check("bytes=4-", Some(Ok((4, 10))));
        check("bytes=-3", Some(Ok((7, 10))));
        check("bytes=5-100", Some(Ok((5, 10))));
        check("bytes=10-", Some(Err(())));
        check("bytes=-0", Some(Err(())));
        check("bytes=3-1", None);
        check("bytes=0-1,3-4", None);
        check("items=0-1", None);
    }
}
