// Asks an HTTP server, and listens while it answers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "sluice/result.h"

namespace sluice {

struct HttpCall {
  std::string path{};                 // "/v1/models"
  std::optional<std::string> json{};  // is posted; nothing: a GET
  // Takes the body of a success (status 200) as it comes, which is then not in the reply; an error ends the
  // call with that error. May be empty.
  std::function<Status(std::string_view bytes)> on_bytes{};
};

struct HttpReply {
  int status = 0;
  std::string body{};
  std::string retry_after{};  // the header's value; empty without one
};

// What people write for a server ("127.0.0.1:8080", "http://host:8080/v1/") as the address that paths are put
// after: "http://127.0.0.1:8080". kInvalidArgument, quoting it, for what is none: another scheme, a name and
// password, a query.
Result<std::string> server_address(std::string_view url);

// libcurl: HTTP and HTTPS, the environment's proxies, no redirects (the key is for one server). Calls may be
// made from any thread, each has its own connection.
class HttpClient {
 public:
  // `api_key` is sent with every call; empty: none. kInvalidArgument for a URL or a key that cannot be sent.
  static Result<HttpClient> make(std::string_view url, std::string_view api_key);

  const std::string& address() const { return address_; }
  bool has_key() const { return !authorization_.empty(); }

  // Makes a call to its end, whatever its status is. `beside` is made meanwhile and ends with it at the
  // latest; what becomes of it is not told. kCancelled as soon as `cancel` says so: the connection is then
  // closed. kIo, naming the address, when there is no connection or it breaks; kCorrupt when a body that
  // nobody takes has more than 4 MiB.
  Result<HttpReply> make_call(const HttpCall& call, const std::stop_token& cancel,
                              const HttpCall* beside = nullptr) const;

 private:
  HttpClient(std::string address, std::string authorization)
      : address_(std::move(address)), authorization_(std::move(authorization)) {}

  std::string address_;
  std::string authorization_;  // a header; empty: none
};

}  // namespace sluice
