// Requests and responses of HTTP/1.1 as values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

struct HttpHeader {
  std::string name{};
  std::string value{};
};

struct HttpRequest {
  std::string method{};               // "GET"
  std::string path{};                 // as it was sent, without the query
  std::vector<HttpHeader> headers{};  // names in lower case
  std::string body{};
  bool chunked_answer = false;  // HTTP/1.1: an answer of unknown length may come in chunks
  bool keep_alive = false;

  // The first header of that name (in lower case); null when there is none.
  const std::string* header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<HttpHeader> headers{};
  std::string body{};
};

// How the body's end is told.
enum class BodyFraming {
  kLength,   // Content-Length
  kChunked,  // Transfer-Encoding: chunked
  kClose,    // the connection ends with it
};

// Status line and headers, the empty line included. Control characters in names or values become spaces, so
// nobody can add a line.
std::string http_head(const HttpResponse& response, BodyFraming framing, bool keep_alive);

// One chunk. REQUIRES: not empty; an empty one would end the body.
std::string http_chunk(std::string_view data);
inline constexpr std::string_view kLastHttpChunk = "0\r\n\r\n";

// "Not Found"; "Unknown" for codes that this server does not send.
const char* http_reason(int status);

}  // namespace sluice
