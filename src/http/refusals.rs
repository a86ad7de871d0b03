//! What a connection is told whose request reaches no handler: whole responses, made once.

use actix_web::web::Bytes;

use super::{
    code::Code,
    problem::{PROBLEM_JSON, Problem},
};
use crate::sse::Refusals;

/// The responses, for a head of at most `head_bytes`.
#[must_use]
pub fn refusals(head_bytes: usize) -> Refusals {
    Refusals {
        malformed: response(&Problem::new(Code::BadRequest).detail("this is no HTTP/1.1 request")),
        too_large: response(&Problem::new(Code::HeadTooLarge).detail(format!("at most {head_bytes} bytes and 96 headers"))),
        late: response(&Problem::new(Code::RequestTimeout)),
    }
}

fn response(problem: &Problem) -> Bytes {
    let (status, body) = (problem.code().status(), problem.body(None));
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {PROBLEM_JSON}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_whole_response() {
        let text = String::from_utf8(refusals(10).too_large.to_vec()).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert!(body.contains("\"code\":\"head_too_large\""), "{body}");
    }
}
