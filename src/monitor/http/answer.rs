//! An answer before it is an HTTP response.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use serde::Serialize;

use crate::monitor::metrics;

/// What a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

impl Answer {
    /// JSON indented by two spaces.
    pub(super) fn json(value: &impl Serialize) -> Self {
        Self::of_json(200, serde_json::to_vec_pretty(value))
    }

    /// JSON on one line.
    pub(super) fn compact_json(status: u16, value: &impl Serialize) -> Self {
        Self::of_json(status, serde_json::to_vec(value))
    }

    pub(super) fn text(status: u16, text: String) -> Self {
        Self { status, content_type: TEXT, body: text.into_bytes() }
    }

    pub(super) fn html(page: String) -> Self {
        Self { status: 200, content_type: HTML, body: page.into_bytes() }
    }

    pub(super) fn metrics(text: String) -> Self {
        Self { status: 200, content_type: metrics::CONTENT_TYPE, body: text.into_bytes() }
    }

    /// Who asks has to say who they are.
    pub(super) fn unauthorized() -> Self {
        Self::text(401, "Unauthorized\n".to_owned())
    }

    pub(super) fn is_json(&self) -> bool {
        self.content_type == JSON
    }

    pub(super) fn not_found() -> Self {
        Self::text(404, "404 page not found\n".to_owned())
    }

    pub(super) fn internal_error() -> Self {
        Self::text(500, "internal error\n".to_owned())
    }

    fn of_json(status: u16, body: serde_json::Result<Vec<u8>>) -> Self {
        match body {
            Ok(body) => Self { status, content_type: JSON, body },
            Err(error) => {
                log::error!("Error marshaling a monitoring response: {error}");
                Self::internal_error()
            }
        }
    }

    /// The response, with the headers of nats-server.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let is_missing_page = self.status == 404 && self.body.ends_with(b"\n");
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = hyper::StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if self.content_type == JSON {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        if self.status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"monitoring\""));
        }
        if is_missing_page {
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        response
    }
}
