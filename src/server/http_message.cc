#include "server/http_message.h"

#include <fmt/format.h>

#include <algorithm>

namespace sluice {
namespace {

std::string on_one_line(std::string text) {
  for (char& byte : text) {
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) byte = ' ';
  }
  return text;
}

void append_header(std::string& head, const std::string& name, const std::string& value) {
  head += on_one_line(name) + ": " + on_one_line(value) + "\r\n";
}

}  // namespace

const std::string* HttpRequest::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &HttpHeader::name);
  return found == headers.end() ? nullptr : &found->value;
}

std::string http_head(const HttpResponse& response, BodyFraming framing, bool keep_alive) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, http_reason(response.status));
  append_header(head, "Content-Type", response.content_type);
  const bool has_body = response.status != 204 && response.status != 304;
  if (framing == BodyFraming::kLength && has_body)
    append_header(head, "Content-Length", std::to_string(response.body.size()));
  if (framing == BodyFraming::kChunked) append_header(head, "Transfer-Encoding", "chunked");
  append_header(head, "Connection", keep_alive && framing != BodyFraming::kClose ? "keep-alive" : "close");
  append_header(head, "X-Content-Type-Options", "nosniff");
  for (const HttpHeader& header : response.headers) append_header(head, header.name, header.value);
  return head + "\r\n";
}

std::string http_chunk(std::string_view data) {
  return fmt::format("{:x}\r\n{}\r\n", data.size(), data);
}

const char* http_reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace sluice
