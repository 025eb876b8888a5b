//! Where the server is.

use std::str::FromStr;

use hyper::Uri;

/// A server's base URL, such as `http://127.0.0.1:8888`. Only plain HTTP: the servers are on the same machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
    path: String,
}

/// A text that is no base URL.
#[derive(Debug, thiserror::Error)]
#[error("{url} is no server's address: {reason}; give one such as http://127.0.0.1:8888")]
pub struct EndpointError {
    url: String,
    reason: String,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, EndpointError> {
        let refuse = |reason: String| EndpointError { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|e| refuse(format!("{e}")))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(other) => return Err(refuse(format!("{other} is not supported, http is"))),
            None => return Err(refuse("it does not begin with http://".into())),
        }
        let host = uri.host().ok_or_else(|| refuse("it names no host".into()))?;
        if uri.query().is_some() {
            return Err(refuse("it has a query".into()));
        }
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(80),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl Endpoint {
    /// Name or address of the machine.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of a service below the base, such as `/v1/completions`.
    #[must_use]
    pub fn path(&self, service: &str) -> String {
        format!("{}{service}", self.path)
    }

    /// Host and port as the `Host` header gives them.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_what_is_none() {
        let e: Endpoint = "http://0.0.0.0:8888/".parse().unwrap();
        assert_eq!(
            (e.host(), e.port(), e.path("/v1/completions")),
            ("0.0.0.0", 8888, "/v1/completions".into())
        );
        assert_eq!(e.to_string(), "http://0.0.0.0:8888");
        assert_eq!("http://[::1]:5/x".parse::<Endpoint>().unwrap().to_string(), "http://[::1]:5/x");
        for (url, why) in
            [("https://a", "https is not"), ("a:1", "http://"), ("http://a?b", "query"), ("", "")]
        {
            let error = url.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}
