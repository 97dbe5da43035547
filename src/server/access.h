// Who may ask for what.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/http_message.h"

namespace sluice {

struct AccessRules {
  std::string api_key{};      // empty: none is asked for
  std::string cors_origin{};  // whose pages may use the server: an origin, "*" for any, empty for none
  bool loopback = true;       // listens on this machine's own address only
};

struct Refusal {
  int status = 403;
  std::string message{};
};

// Nothing when the request may be looked at. Refused: a Host that is not this machine's while only this
// machine is served (another site's name that was made to point here); a page of another origin; a request
// without the key, which only /health and the dashboard's files do without.
std::optional<Refusal> check_access(const AccessRules& rules, const HttpRequest& request);

// Whether the request's Origin may read answers: its value for Access-Control-Allow-Origin, or nothing.
std::optional<std::string> allowed_origin(const AccessRules& rules, const HttpRequest& request);

// Takes the same time wherever two texts differ; only their lengths show.
bool equal_in_constant_time(std::string_view one, std::string_view other);

// "localhost", "127.0.0.1", any 127.x.y.z, "::1".
bool is_loopback_host(std::string_view host);

}  // namespace sluice
