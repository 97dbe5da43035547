// Bytes from a client to requests, within limits.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/http_message.h"

namespace sluice {

struct HttpLimits {
  size_t header_bytes = 32 << 10;  // request line and headers together
  size_t body_bytes = 4 << 20;
};

struct HttpRefusal {
  int status = 0;  // 400, 413 or 431
  std::string message{};
};

// One request of a connection after the other. What it understands is the library's (http_parser, the parser
// that Node.js had): lengths, chunks, line ends; this class adds limits and puts the pieces together. Not
// thread safe.
class HttpParser {
 public:
  enum class State {
    kHead,      // more of the request line and headers is to come
    kBody,      // the headers are there, more of the body is to come
    kComplete,  // request() is whole; what follows it has not been looked at
    kRefused,   // nothing more can be understood; refusal() says why
  };

  explicit HttpParser(HttpLimits limits);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // Takes in bytes and says how many; fewer than all only when state() is then kComplete or kRefused.
  // REQUIRES state() is kHead or kBody.
  size_t push(std::string_view bytes);

  State state() const;
  // kBody: the client waits for "100 Continue" before it sends the body.
  bool expects_continue() const;
  // Nothing of a request has come yet.
  bool idle() const;
  const HttpRequest& request() const;
  const HttpRefusal& refusal() const;

  // For the next request of the connection. REQUIRES state() is kComplete.
  void reset();

 private:
  struct Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace sluice
